#pragma once

// Names and values as they stand in SQL text.

#include <string>
#include <string_view>

#include "base/result.h"

namespace millrace::sql {

/// "weird ""name""": the identifier in double quotes, whatever it holds. Precondition: no NUL.
std::string quote_identifier(std::string_view name);
/// 'it''s': a text value, whatever it holds; an expression where it holds a NUL.
std::string quote_literal(std::string_view text);

/// A table's name as users write it: "flights" or "raw.flights".
struct TableName {
  std::string schema;  // empty when none was written
  std::string name;

  bool operator==(const TableName&) const = default;
  /// As it was written.
  std::string text() const { return schema.empty() ? name : schema + "." + name; }
  /// Quoted: "raw"."flights".
  std::string quoted() const;
};

/// Splits and checks. A part has 1 to 128 letters (a-z, A-Z), digits and '_', and starts with no
/// digit; a schema is none of the names that databases keep for themselves (main, memory, system,
/// temp, information_schema, pg_catalog). Errors: Invalid says which character or word is not
/// allowed.
Result<TableName> parse_table_name(std::string_view text);
/// The name as it stands in SQL. Errors: as parse_table_name.
Result<std::string> quoted_table_name(std::string_view text);

}  // namespace millrace::sql
