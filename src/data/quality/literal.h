#pragma once

// Values of a suite as SQL: typed by the column that they are compared with.

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "columnar/schema.h"
#include "quality/suite.h"

namespace millrace::quality {

/// A double exactly as it is: the engine reads the digits as a double, not as a decimal.
std::string double_literal(double value);

/// A column of whole numbers or days as a BIGINT. Precondition: the type is one of these.
std::string whole_number(const std::string& sql, const columnar::DataType& type);

/// The value as a literal that compares with a column of that type. Errors: Invalid when a value of
/// its kind can never stand in such a column (a text in a column of numbers, a text that is no
/// moment in a column of moments), Unsupported for nested columns.
Result<std::string> literal(const Json& value, const columnar::DataType& type);

/// A condition that holds when `sql`, of that type, lies within the bounds; NaN does not, whatever
/// they are. Errors as literal().
Result<std::string> within(const std::string& sql, const columnar::DataType& type,
                           const Bounds& bounds);

/// The same for a number that we have here. Precondition: the bounds are numbers or null.
bool is_within(double value, const Bounds& bounds);

}  // namespace millrace::quality
