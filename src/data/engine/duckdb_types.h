#pragma once

// DuckDB's types and the lake's.
//
// DuckDB has types that no lake has. They leave the engine as the nearest one, or not at all:
//   unsigned 8, 16, 32 bits   the next wider integer
//   UBIGINT                   DECIMAL(20,0)
//   HUGEINT                   BIGINT: it is what sum(BIGINT) gives, and a sum beyond 64 bits ends
//                             with Invalid. Parquet would hold it as a rounded double, and Spark's
//                             sum is a BIGINT too.
//   UHUGEINT                  DECIMAL(38,0), or Invalid beyond it
//   TIMESTAMP_S, _MS, _NS     TIMESTAMP: nanoseconds are cut to microseconds, as in Parquet's files
//   ENUM, UUID, TIME, INTERVAL, BIT, BIGNUM     their text
//   fixed-size arrays         lists
//   the type of NULL          INTEGER, as in DuckDB's own tables
//   UNION, VARIANT, GEOMETRY  Unsupported

#include <string>
#include <vector>

#include <duckdb.h>

#include "columnar/schema.h"
#include "engine/duckdb_connection.h"

namespace millrace::engine {

struct LakeType {
  columnar::DataType type;
  bool exact = true;  // DuckDB's type is this one already; else a cast makes it so
};

/// Errors: Unsupported names `column`.
Result<LakeType> lake_type(duckdb_logical_type type, const std::string& column);

/// The columns of an answer.
struct ResultColumns {
  columnar::Schema schema;
  bool exact = true;
};

/// The columns of a prepared statement; nothing when they depend on its parameters.
Result<std::optional<ResultColumns>> columns_of(const Prepared& statement);
Result<ResultColumns> columns_of(Answer& answer);

/// "SELECT CAST(#1 AS BIGINT) AS "n", ... FROM (select)": the same rows in the lake's types.
std::string cast_to(const columnar::Schema& schema, std::string_view select);

}  // namespace millrace::engine
