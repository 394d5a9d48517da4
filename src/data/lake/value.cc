#include "lake/value.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/time.h"

namespace millrace::lake {

namespace {

using columnar::DataType;
using columnar::Kind;

template <typename Number>
std::optional<Number> parse_number(std::string_view text) {
  Number number{};
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  if (read.ec != std::errc() || read.ptr != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<Value> integer(std::string_view text) {
  const std::optional<std::int64_t> number = parse_number<std::int64_t>(text);
  return number ? std::optional<Value>(WideInteger{*number}) : std::nullopt;
}

std::optional<Value> floating(std::string_view text) {
  const std::optional<double> number = parse_number<double>(text);
  return number && !std::isnan(*number) ? std::optional<Value>(*number) : std::nullopt;
}

std::optional<Value> boolean(std::string_view text) {
  if (text == "true") return WideInteger{1};
  if (text == "false") return WideInteger{0};
  return std::nullopt;
}

/// "2013-12-01 05:00:00.5", "2013-12-01T05:00:00.5Z", "2013-12-01 05:00:00+00", "2013-12-01"
std::optional<Instant> moment(std::string text) {
  if (text.ends_with("+00")) text.replace(text.size() - 3, 3, "Z");
  if (const std::size_t space = text.find(' '); space != std::string::npos) text[space] = 'T';
  const Result<Instant> instant = parse_instant(text);
  return instant.ok() ? std::optional(*instant) : std::nullopt;
}

std::optional<Value> timestamp(std::string_view text) {
  const std::optional<Instant> instant = moment(std::string(text));
  if (!instant) return std::nullopt;
  return WideInteger{instant->time_since_epoch().count()};
}

std::optional<Value> date(std::string_view text) {
  if (text.size() != std::string_view("2013-12-01").size()) return std::nullopt;
  const std::optional<Instant> instant = moment(std::string(text));
  if (!instant) return std::nullopt;
  return WideInteger{std::chrono::floor<std::chrono::days>(*instant).time_since_epoch().count()};
}

/// "-12.5" with scale 2 is -1250; nothing when digits would be lost.
std::optional<Value> decimal(std::string_view text, std::size_t scale) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  const std::size_t point = std::min(text.find('.'), text.size());
  std::string digits(text.substr(0, point));
  std::string_view fraction = text.substr(std::min(point + 1, text.size()));
  if (fraction.size() > scale) {
    if (fraction.find_first_not_of('0', scale) != std::string_view::npos) return std::nullopt;
    fraction = fraction.substr(0, scale);
  }
  digits.append(fraction).append(scale - fraction.size(), '0');
  if (digits.empty() || digits.size() > 38) return std::nullopt;
  WideInteger unscaled = 0;
  for (const char digit : digits) {
    if (digit < '0' || digit > '9') return std::nullopt;
    unscaled = unscaled * 10 + (digit - '0');
  }
  return negative ? -unscaled : unscaled;
}

}  // namespace

std::optional<Value> parse_value(const DataType& type, std::string_view text) {
  switch (type.kind) {
    case Kind::Boolean:
      return boolean(text);
    case Kind::Int8:
    case Kind::Int16:
    case Kind::Int32:
    case Kind::Int64:
      return integer(text);
    case Kind::Float32:
    case Kind::Float64:
      return floating(text);
    case Kind::Decimal:
      return decimal(text, type.scale);
    case Kind::String:
    case Kind::Binary:
      return std::string(text);
    case Kind::Date:
      return date(text);
    case Kind::Timestamp:
    case Kind::TimestampNtz:
      return timestamp(text);
    default:
      return std::nullopt;
  }
}

std::optional<Value> parse_statistic(const DataType& type, const Json& json) {
  if (type.kind == Kind::Decimal || type.kind == Kind::Binary) return std::nullopt;
  if (json.is_string()) return parse_value(type, json.as_string());
  if (type.is_integer() && json.is_integer()) return WideInteger{json.as_integer()};
  const bool is_float = type.kind == Kind::Float32 || type.kind == Kind::Float64;
  if (is_float && json.is_number()) return json.as_double();
  return std::nullopt;
}

}  // namespace millrace::lake
