#pragma once

// A table's schema as the log writes it: Spark's JSON.
//
// Source: delta-io/delta PROTOCOL.md, "Schema Serialization Format" and "Column Mapping".

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "columnar/schema.h"

namespace millrace::lake {

/// Whether files name the columns as the table does, by a physical name, or by a number.
enum class ColumnMapping : std::uint8_t { None, Name, Id };

struct TableSchema {
  columnar::Schema columns;
  /// Each column as the files name it and its fields. Without mapping equal to columns.fields().
  std::vector<columnar::Field> stored;
  /// Each column's number in the files; nothing unless the mapping is Id.
  std::vector<std::optional<std::int64_t>> field_ids;
};

/// Errors: Corruption names the column and what is wrong with it; Unsupported names a type that we
/// do not read (void, variant, interval, geometry).
Result<TableSchema> parse_schema(std::string_view json, ColumnMapping mapping);

std::string schema_json(const columnar::Schema& schema);

/// The document with more columns at its end, everything else as it stands. Errors: Corruption.
Result<std::string> add_columns(std::string_view json, std::span<const columnar::Field> columns);

/// What the document asks of whoever writes rows, and we do not do: one sentence each, such as
/// "column 'total' is generated as 'a + b'". Empty when rows may be written.
Result<std::vector<std::string>> unmet_column_rules(std::string_view json);

}  // namespace millrace::lake
