#pragma once

// Rows into DuckDB and out of it, as Arrow arrays.

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "columnar/record_batch.h"
#include "engine/duckdb_connection.h"
#include "engine/duckdb_types.h"

namespace millrace::engine {

/// Reads `answer` batch by batch (at most 2,048 rows each) as it is made. Precondition: the
/// columns are exact. `still_current` is asked before each read: an answer ends when its session is
/// asked for something else.
Result<std::unique_ptr<columnar::BatchReader>> read_answer(std::unique_ptr<Answer> answer,
                                                           columnar::Schema schema,
                                                           std::function<bool()> still_current);

/// Appends all rows to the table `catalog`.`schema`.`table`, whose columns are those of `rows`.
/// Returns how many. Ends with Cancelled when the connection's call was, between two batches.
///
/// Not by duckdb_arrow_scan, which ignores projections and filters and so gives wrong rows without
/// an error: the batches become data chunks of at most 2,048 rows, which an appender takes.
Result<std::int64_t> append_rows(Connection& connection, const std::string& catalog,
                                 const std::string& schema, const std::string& table,
                                 columnar::BatchReader& rows);

}  // namespace millrace::engine
