#include "quality/literal.h"

#include <fmt/core.h>

#include "base/time.h"
#include "sql/names.h"

namespace millrace::quality {
namespace {

using columnar::Kind;

Error misfit(const Json& value, const columnar::DataType& type) {
  return {ErrorCode::Invalid, fmt::format("{} cannot be compared with a column of type {}",
                                          value.dump(), columnar::to_sql(type))};
}

Result<std::string> number_literal(const Json& value, const columnar::DataType& type) {
  if (!value.is_number()) return misfit(value, type);
  if (type.kind == Kind::Float32) return fmt::format("CAST('{}' AS FLOAT)", value.as_double());
  if (type.kind == Kind::Float64) return double_literal(value.as_double());
  if (value.is_integer()) return std::to_string(value.as_integer());
  const std::string digits = fmt::format("{}", value.as_double());
  // Whole columns and decimals meet a decimal literal exactly; one with an exponent is a double.
  return digits.find_first_not_of("-0123456789.") == std::string::npos
             ? digits
             : double_literal(value.as_double());
}

Result<std::string> moment_literal(const Json& value, const columnar::DataType& type) {
  if (!value.is_string()) return misfit(value, type);
  const auto moment = parse_instant(value.as_string());
  if (!moment) return misfit(value, type);
  std::string text = format_instant(*moment);
  if (type.kind == Kind::Timestamp) return "TIMESTAMPTZ " + sql::quote_literal(text);
  if (text.ends_with("Z")) text.pop_back();
  return "TIMESTAMP " + sql::quote_literal(text);
}

}  // namespace

std::string double_literal(double value) {
  return fmt::format("CAST('{}' AS DOUBLE)", value);
}

std::string whole_number(const std::string& sql, const columnar::DataType& type) {
  if (type.kind == Kind::Date) return "(" + sql + " - DATE '1970-01-01')";
  return type.kind == Kind::Int64 ? sql : "CAST(" + sql + " AS BIGINT)";
}

Result<std::string> literal(const Json& value, const columnar::DataType& type) {
  if (type.is_numeric()) return number_literal(value, type);
  switch (type.kind) {
    case Kind::Boolean:
      if (!value.is_bool()) return misfit(value, type);
      return std::string(value.as_bool() ? "true" : "false");
    case Kind::String:
      if (!value.is_string()) return misfit(value, type);
      return sql::quote_literal(value.as_string());
    case Kind::Date:
    case Kind::Timestamp:
    case Kind::TimestampNtz:
      return moment_literal(value, type);
    default:
      return Error(ErrorCode::Unsupported,
                   fmt::format("a column of type {} has no values that a suite could name",
                               columnar::to_sql(type)));
  }
}

Result<std::string> within(const std::string& sql, const columnar::DataType& type,
                           const Bounds& bounds) {
  // The engine orders NaN above every number; here it lies within nothing.
  const bool floating = type.kind == Kind::Float32 || type.kind == Kind::Float64;
  std::string condition = floating ? "NOT isnan(" + sql + ")" : "true";
  if (!bounds.min.is_null())
    condition += fmt::format(" AND {} {} {}", sql,
                             bounds.strict_min ? ">" : ">=", TRY(literal(bounds.min, type)));
  if (!bounds.max.is_null())
    condition += fmt::format(" AND {} {} {}", sql,
                             bounds.strict_max ? "<" : "<=", TRY(literal(bounds.max, type)));
  return "(" + condition + ")";
}

bool is_within(double value, const Bounds& bounds) {
  const bool above = bounds.min.is_null() || (bounds.strict_min ? value > bounds.min.as_double()
                                                                : value >= bounds.min.as_double());
  const bool below = bounds.max.is_null() || (bounds.strict_max ? value < bounds.max.as_double()
                                                                : value <= bounds.max.as_double());
  return above && below;
}

}  // namespace millrace::quality
