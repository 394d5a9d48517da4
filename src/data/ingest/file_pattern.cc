#include "ingest/file_pattern.h"

#include <algorithm>

#include <fmt/core.h>

#include "ingest/time_text.h"

namespace millrace::ingest {
namespace {

constexpr std::string_view kDate = "{date}";
constexpr std::string_view kLikeADate = "0123456789-_.:";
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
  if (!match_from(0, path, Dates::Real, match)) return std::nullopt;
  return match;
}

bool FilePattern::nearly_matches(std::string_view path) const {
  Match ignored;
  return has_date_ && !match(path) && match_from(0, path, Dates::Alike, ignored);
}

/// Whether the rest behind the part at any length fits, the part itself being of characters that
/// `only` names ("": of all but '/').
bool FilePattern::match_longer(std::size_t part, std::string_view rest, Dates dates,
                               std::string_view only, Match& match) const {
  for (std::size_t length = 0; length <= rest.size(); ++length) {
    if (match_from(part + 1, rest.substr(length), dates, match)) return true;
    if (length == rest.size()) return false;
    const char next = rest[length];
    if (only.empty() ? next == '/' : only.find(next) == std::string_view::npos) return false;
  }
  return false;
}

bool FilePattern::match_from(std::size_t part, std::string_view rest, Dates dates,
                             Match& match) const {
  if (part == parts_.size()) return rest.empty();
  switch (parts_[part].kind) {
    case Part::Kind::Text:
      return rest.starts_with(parts_[part].text) &&
             match_from(part + 1, rest.substr(parts_[part].text.size()), dates, match);
    case Part::Kind::Date: {
      if (dates == Dates::Alike)
        return !rest.empty() && rest[0] >= '0' && rest[0] <= '9' &&
               match_longer(part, rest, dates, kLikeADate, match);
      std::string day(rest.substr(0, 10));
      std::size_t length = 10;
      if (rest.size() >= 8 && (rest.size() < 5 || rest[4] != '-')) {
        day = fmt::format("{}-{}-{}", rest.substr(0, 4), rest.substr(4, 2), rest.substr(6, 2));
        length = 8;
      }
      const auto days = read_date(day);
      if (!days) return false;
      match.day = days;
      return match_from(part + 1, rest.substr(length), dates, match);
    }
    case Part::Kind::Any:
      return match_longer(part, rest, dates, "", match);
  }
  return false;
}

}  // namespace millrace::ingest
