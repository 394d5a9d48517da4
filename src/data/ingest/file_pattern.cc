#include "ingest/file_pattern.h"

#include <algorithm>

#include <fmt/core.h>

#include "ingest/time_text.h"

namespace millrace::ingest {
namespace {

constexpr std::string_view kDate = "{date}";
constexpr std::size_t kMaxStars = 4;  // a match tries every split: keep that cheap

Error refuse(std::string_view pattern, const std::string& why) {
  return Error(ErrorCode::Invalid, fmt::format("file pattern '{}' {}", pattern, why));
}

}  // namespace

Result<FilePattern> FilePattern::parse(std::string_view text) {
  FilePattern pattern;
  pattern.text_ = std::string(text);
  if (text.empty()) return refuse(text, "is empty; write such as flights/flights-{date}.jsonl.gz");
  if (text.starts_with('/') || text.find("..") != std::string_view::npos)
    return refuse(text,
                  "must be a path below the source's folder, without '/' at the front or '..'");
  const auto add = [&](Part::Kind kind) { pattern.parts_.push_back({kind, ""}); };
  for (std::string_view rest = text; !rest.empty();) {
    if (rest.starts_with(kDate)) {
      if (std::exchange(pattern.has_date_, true)) return refuse(text, "has {date} twice");
      add(Part::Kind::Date);
      rest.remove_prefix(kDate.size());
      continue;
    }
    if (rest[0] == '{' || rest[0] == '}')
      return refuse(text, "has a brace that is not {date}, the only word that it may hold");
    if (rest[0] == '*') {
      add(Part::Kind::Any);
    } else {
      if (pattern.parts_.empty() || pattern.parts_.back().kind != Part::Kind::Text)
        add(Part::Kind::Text);
      pattern.parts_.back().text += rest[0];
    }
    rest.remove_prefix(1);
  }
  const auto stars = std::count(text.begin(), text.end(), '*');
  if (static_cast<std::size_t>(stars) > kMaxStars)
    return refuse(text, fmt::format("has {} stars; at most {} are allowed", stars, kMaxStars));
  return pattern;
}

std::string_view FilePattern::prefix() const {
  return parts_[0].kind == Part::Kind::Text ? std::string_view(parts_[0].text) : "";
}

std::optional<FilePattern::Match> FilePattern::match(std::string_view path) const {
  Match match;
  if (!match_from(0, path, match)) return std::nullopt;
  return match;
}

bool FilePattern::match_from(std::size_t part, std::string_view rest, Match& match) const {
  if (part == parts_.size()) return rest.empty();
  switch (parts_[part].kind) {
    case Part::Kind::Text:
      return rest.starts_with(parts_[part].text) &&
             match_from(part + 1, rest.substr(parts_[part].text.size()), match);
    case Part::Kind::Date: {
      std::string day(rest.substr(0, 10));
      std::size_t length = 10;
      if (rest.size() >= 8 && (rest.size() < 5 || rest[4] != '-')) {
        day = fmt::format("{}-{}-{}", rest.substr(0, 4), rest.substr(4, 2), rest.substr(6, 2));
        length = 8;
      }
      const auto days = read_date(day);
      if (!days) return false;
      match.day = days;
      return match_from(part + 1, rest.substr(length), match);
    }
    case Part::Kind::Any:
      for (std::size_t length = 0; length <= rest.size(); ++length) {
        if (match_from(part + 1, rest.substr(length), match)) return true;
        if (length < rest.size() && rest[length] == '/') return false;
      }
      return false;
  }
  return false;
}

}  // namespace millrace::ingest
