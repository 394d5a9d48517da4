#pragma once

// Which files of a folder are deliveries, and of which day: "flights/flights-{date}.jsonl.gz".
//
//   {date}   YYYY-MM-DD or YYYYMMDD, a real day; at most once
//   *        any text within one part of the path, also none
//   all else stands for itself

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace millrace::ingest {

class FilePattern {
 public:
  /// Errors: Invalid names what cannot be understood: an empty pattern, another {word}, two dates,
  /// a '/' at the front, "..".
  static Result<FilePattern> parse(std::string_view text);

  const std::string& text() const { return text_; }
  bool has_date() const { return has_date_; }
  /// What every match begins with: for listing.
  std::string_view prefix() const;

  /// Whether `path` fits but for its {date}, where something stands that looks like one and is none:
  /// "2013-13-03", "2013-1-3".
  bool nearly_matches(std::string_view path) const;

  struct Match {
    std::optional<std::int64_t> day;  // days since 1970, when the pattern has a date
  };
  std::optional<Match> match(std::string_view path) const;

 private:
  struct Part {
    enum class Kind : std::uint8_t { Text, Any, Date } kind = Kind::Text;
    std::string text;
  };
  enum class Dates : std::uint8_t { Real, Alike };
  bool match_from(std::size_t part, std::string_view rest, Dates dates, Match& match) const;
  bool match_longer(std::size_t part, std::string_view rest, Dates dates, std::string_view only,
                    Match& match) const;

  std::string text_;
  std::vector<Part> parts_;
  bool has_date_ = false;
};

}  // namespace millrace::ingest
