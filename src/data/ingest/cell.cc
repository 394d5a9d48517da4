#include "ingest/cell.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>

#include <fmt/core.h>

#include "base/text.h"
#include "base/utf8.h"
#include "ingest/source.h"
#include "ingest/time_text.h"
#include "lake/write_plan.h"

namespace millrace::ingest {
namespace {

using columnar::Kind;

constexpr std::size_t kShownBytes = 40;
// Every whole double up to here is exactly the integer that was written.
constexpr double kExactDouble = 9'007'199'254'740'992.0;

void set_integer(Cell& cell, std::int64_t value) {
  cell.state = Cell::State::Value;
  cell.integer = value;
}

Fault read_boolean(std::string_view text, Cell& cell) {
  for (const std::string_view word : {"true", "t", "1"})
    if (same_ignoring_case(text, word)) return set_integer(cell, 1), Fault::None;
  for (const std::string_view word : {"false", "f", "0"})
    if (same_ignoring_case(text, word)) return set_integer(cell, 0), Fault::None;
  return Fault::Type;
}

Fault read_integer(const ColumnRule& rule, std::string_view text, Cell& cell) {
  std::int64_t value = 0;
  const char* const first = text.data();
  const char* const end = first + text.size();
  const auto [stop, error] = std::from_chars(first, end, value);
  if (stop != end || error == std::errc::invalid_argument) return Fault::Type;
  if (error != std::errc()) return Fault::Range;
  return put_integer(rule, value, cell);
}

Fault read_number(const ColumnRule& rule, std::string_view text, Cell& cell) {
  if (!is_json_number(text)) return Fault::Type;
  double value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc()) return put_number(rule, value, cell);
  // Too small for a double is zero, as every reader of JSON has it; too large is a fault.
  // from_chars does not say which of the two it was.
  value = std::strtod(std::string(text).c_str(), nullptr);
  return std::isinf(value) ? Fault::Range : put_number(rule, value, cell);
}

/// "-12.50" with scale 2: -1250. Exact, or a fault.
Fault read_decimal(const ColumnRule& rule, std::string_view text, Cell& cell) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  std::int64_t unscaled = 0;
  int after_point = -1;  // digits behind the point, or no point yet
  bool digits = false;
  bool fits = true;
  for (const char c : text) {
    if (c == '.' && after_point < 0 && digits) {
      after_point = 0;
      continue;
    }
    if (c < '0' || c > '9') return Fault::Type;
    digits = true;
    if (after_point >= rule.scale) {
      fits = fits && c == '0';
      continue;
    }
    fits = fits && !__builtin_mul_overflow(unscaled, 10, &unscaled) &&
           !__builtin_add_overflow(unscaled, c - '0', &unscaled);
    if (after_point >= 0) ++after_point;
  }
  if (!digits || text.ends_with('.')) return Fault::Type;
  for (int i = std::max(after_point, 0); i < rule.scale; ++i)
    fits = fits && !__builtin_mul_overflow(unscaled, 10, &unscaled);
  if (!fits || unscaled > rule.high) return Fault::Range;
  set_integer(cell, negative ? -unscaled : unscaled);
  return Fault::None;
}

Fault read_string(std::string_view text, Cell& cell) {
  if (std::memchr(text.data(), 0, text.size()) != nullptr) return Fault::Nul;
  cell.state = Cell::State::Value;
  cell.text = text;
  return Fault::None;
}

Fault take_time_value(std::optional<std::int64_t> value, Cell& cell) {
  if (!value) return Fault::Type;
  set_integer(cell, *value);
  return Fault::None;
}

std::int64_t power_of_ten(int exponent) {
  std::int64_t power = 1;
  for (int i = 0; i < exponent; ++i) power *= 10;
  return power;
}

void set_range(ColumnRule& rule, const columnar::DataType& type) {
  const auto bits = [&](int count) {
    rule.high = static_cast<std::int64_t>(~0ULL >> (65 - count));
    rule.low = -rule.high - 1;
  };
  switch (rule.kind) {
    case Kind::Int8:
      return bits(8);
    case Kind::Int16:
      return bits(16);
    case Kind::Int32:
      return bits(32);
    case Kind::Int64:
      return bits(64);
    case Kind::Decimal:
      rule.scale = type.scale;
      rule.high = power_of_ten(type.precision) - 1;
      rule.low = -rule.high;
      return;
    default:
      return;
  }
}

bool is_good_name(std::string_view name) {
  return !name.empty() && name[0] != '_' && std::none_of(name.begin(), name.end(), [](char c) {
    return c == '"' || c == '\\' || static_cast<unsigned char>(c) < 0x20;
  });
}

Result<ColumnRule> column_rule(const columnar::Field& field) {
  if (!is_good_name(field.name))
    return Error(
        ErrorCode::Invalid,
        fmt::format("column name {} cannot be used: it is empty, begins with '_' (such "
                    "names are ours), or holds a quote, a backslash or a control character",
                    in_quotes(field.name)));
  if (const std::size_t at = lake::forbidden_in_name(field.name); at != std::string_view::npos)
    return Error(
        ErrorCode::Invalid,
        fmt::format("column \"{}\": a table of the lake has no '{}' in a column's name; have it "
                    "delivered under another name, or leave it undeclared and take it from "
                    "_unknown (unknown_columns: keep, of JSON lines)",
                    field.name, field.name[at]));
  const columnar::DataType& type = field.type;
  if (type.is_nested() || type.kind == Kind::Binary ||
      (type.kind == Kind::Decimal && type.precision > 18))
    return Error(
        ErrorCode::Unsupported,
        fmt::format("column \"{}\" is {}, which files are not read into; declare it VARCHAR "
                    "and turn it into what you need in a SQL model",
                    field.name, columnar::to_sql(type)));
  ColumnRule rule;
  rule.name = field.name;
  rule.type = columnar::to_sql(type);
  rule.kind = type.kind;
  rule.nullable = field.nullable;
  set_range(rule, type);
  return rule;
}

/// What a text of that kind looks like, for messages; nothing where the type's name says it.
std::string_view example_of(const ColumnRule& rule) {
  switch (rule.kind) {
    case Kind::Boolean:
      return " (expected true, false, t, f, 1 or 0)";
    case Kind::Date:
      return " (expected a date such as 2013-12-01)";
    case Kind::Timestamp:
      return rule.offset == Offset::Required
                 ? " (expected a time with its offset such as 2013-12-01T05:00:00-05:00, because "
                   "the source's timezone is not UTC)"
                 : " (expected a time such as 2013-12-01T05:00:00Z)";
    case Kind::TimestampNtz:
      return " (expected a time without zone such as 2013-12-01T05:00:00)";
    default:
      return "";
  }
}

}  // namespace

Result<std::vector<ColumnRule>> column_rules(const columnar::Schema& columns, Offset offset) {
  if (columns.size() == 0)
    return Error(ErrorCode::Invalid, "no columns are declared; name each column with its type");
  std::vector<ColumnRule> rules;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    rules.push_back(TRY(column_rule(columns[i])));
    rules.back().offset = rules.back().kind == Kind::TimestampNtz ? Offset::Refused : offset;
    if (columns.index_of(columns[i].name) != i)
      return Error(ErrorCode::Invalid,
                   fmt::format("column \"{}\" is declared twice (case does not tell columns apart)",
                               columns[i].name));
  }
  return rules;
}

Fault read_text(const ColumnRule& rule, std::string_view text, Cell& cell) {
  switch (rule.kind) {
    case Kind::Boolean:
      return read_boolean(text, cell);
    case Kind::Int8:
    case Kind::Int16:
    case Kind::Int32:
    case Kind::Int64:
      return read_integer(rule, text, cell);
    case Kind::Float32:
    case Kind::Float64:
      return read_number(rule, text, cell);
    case Kind::Decimal:
      return read_decimal(rule, text, cell);
    case Kind::Date:
      return take_time_value(read_date(text), cell);
    case Kind::Timestamp:
    case Kind::TimestampNtz:
      return take_time_value(read_moment(text, rule.offset), cell);
    default:
      return read_string(text, cell);
  }
}

Fault put_integer(const ColumnRule& rule, std::int64_t value, Cell& cell) {
  if (rule.kind == Kind::Float64 || rule.kind == Kind::Float32)
    return put_number(rule, static_cast<double>(value), cell);
  if (value < rule.low || value > rule.high) return Fault::Range;
  set_integer(cell, value);
  return Fault::None;
}

Fault put_number(const ColumnRule& rule, double value, Cell& cell) {
  if (rule.kind == Kind::Float32 && std::abs(value) > std::numeric_limits<float>::max())
    return Fault::Range;
  if (rule.kind != Kind::Float32 && rule.kind != Kind::Float64) {
    if (value != std::trunc(value)) return Fault::Type;
    if (std::abs(value) > kExactDouble) return Fault::Range;
    return put_integer(rule, static_cast<std::int64_t>(value), cell);
  }
  cell.state = Cell::State::Value;
  cell.number = value;
  return Fault::None;
}

bool is_json_number(std::string_view text) {
  std::size_t i = text.starts_with('-') ? 1 : 0;
  const auto digits = [&] {
    const std::size_t first = i;
    while (i < text.size() && text[i] >= '0' && text[i] <= '9') ++i;
    return i - first;
  };
  const bool zero_first = i < text.size() && text[i] == '0';
  const std::size_t whole = digits();
  if (whole == 0 || (zero_first && whole > 1)) return false;
  if (i < text.size() && text[i] == '.') {
    ++i;
    if (digits() == 0) return false;
  }
  if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    ++i;
    if (i < text.size() && (text[i] == '+' || text[i] == '-')) ++i;
    if (digits() == 0) return false;
  }
  return i == text.size();
}

std::string in_quotes(std::string_view text) {
  const bool cut = text.size() > kShownBytes;
  std::string text_shown = readable_text(cut_utf8(text, kShownBytes));
  std::replace_if(
      text_shown.begin(), text_shown.end(), [](unsigned char c) { return c < 0x20; }, ' ');
  return fmt::format("\"{}{}\"", text_shown, cut ? "..." : "");
}

std::string explain(const ColumnRule& rule, Fault fault, std::string_view found) {
  switch (fault) {
    case Fault::Range:
      if (rule.kind == Kind::Decimal || rule.kind == Kind::Float32 || rule.kind == Kind::Float64)
        return fmt::format("column \"{}\" is {}, which cannot hold {}", rule.name, rule.type,
                           found);
      return fmt::format("column \"{}\" is {}, {} is out of its range {} to {}", rule.name,
                         rule.type, found, rule.low, rule.high);
    case Fault::Nul:
      return fmt::format("column \"{}\" holds a NUL byte", rule.name);
    default:
      return fmt::format("column \"{}\" is {}, found {}{}", rule.name, rule.type, found,
                         example_of(rule));
  }
}

void append_row(std::span<const ColumnRule> rules, std::span<const Cell> cells,
                columnar::BatchBuilder& builder) {
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const Cell& cell = cells[i];
    if (cell.state != Cell::State::Value) {
      builder.append_null(i);
      continue;
    }
    switch (rules[i].kind) {
      case Kind::Boolean:
        builder.append_boolean(i, cell.integer != 0);
        break;
      case Kind::Float32:
      case Kind::Float64:
        builder.append_number(i, cell.number);
        break;
      case Kind::String:
        builder.append_text(i, cell.text);
        break;
      default:
        builder.append_integer(i, cell.integer);
    }
  }
}

}  // namespace millrace::ingest
