#pragma once

// What names a table and a moment of its history.

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace millrace::lake {

/// "raw.flights" or "flights", checked. The table lives under the folder "raw/flights" of the lake.
class TableName {
 public:
  /// Errors: Invalid says which part is not allowed and why: sql::parse_table_name has the rules,
  /// and no part is "_delta_log", in which a table keeps its history.
  static Result<TableName> parse(std::string_view text);

  const std::string& text() const { return text_; }
  /// Of the object store, without a slash at its end.
  std::string folder() const;

  auto operator<=>(const TableName&) const = default;

 private:
  explicit TableName(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

/// The number of a commit: 0 made the table, each commit adds one.
class Version {
 public:
  Version() = default;
  explicit constexpr Version(std::int64_t value) : value_(value) {}
  constexpr std::int64_t value() const { return value_; }
  constexpr Version next() const { return Version(value_ + 1); }
  auto operator<=>(const Version&) const = default;

 private:
  std::int64_t value_ = 0;
};

}  // namespace millrace::lake
