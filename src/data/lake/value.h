#pragma once

// Values as the log writes them (partition values, extremes in statistics), made comparable.

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/json.h"
#include "columnar/schema.h"

namespace millrace::lake {

__extension__ using WideInteger = __int128;

/// Of one column all values have the same alternative, and compare as the engine compares them:
///   WideInteger  integers, booleans, dates (days), moments (microseconds), decimals (unscaled)
///   double       floats, never NaN
///   string       text and binary, bytewise
using Value = std::variant<WideInteger, double, std::string>;

/// Reads a partition value. Nothing when it is no value of the type, or the type is nested.
std::optional<Value> parse_value(const columnar::DataType& type, std::string_view text);

/// Reads an extreme from a file's statistics. Nothing when it does not bound the column exactly
/// enough to compare with: decimals, whose JSON numbers lose digits, and what is no value.
std::optional<Value> parse_statistic(const columnar::DataType& type, const Json& json);

}  // namespace millrace::lake
