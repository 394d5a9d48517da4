#pragma once

// Names of types in expectations: SQL's, and those that Great Expectations takes from pandas,
// SQLAlchemy and Spark.

#include <string_view>

#include "columnar/schema.h"

namespace millrace::quality {

/// Whether the word names a type at all.
bool is_type_name(std::string_view name);

/// Whether a column of that type is what the name says. SQL's names mean one type ("BIGINT"),
/// Python's a family ("int" is every width of integer, "datetime64" a moment with a zone or
/// without). Letters' case does not matter. False for a word that names no type.
bool type_fits(const columnar::DataType& type, std::string_view name);

}  // namespace millrace::quality
