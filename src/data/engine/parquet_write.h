#pragma once

// A SELECT's answer as Parquet files, by DuckDB's COPY.

#include <string>
#include <vector>

#include "columnar/schema.h"
#include "engine/engine.h"

namespace millrace::engine {

class Answer;

/// The COPY statement. `select` gives exactly the columns of `schema`; the files' names begin with
/// `prefix`, which no other write has. Errors: Invalid (partition
/// columns that are missing, nested, binary, or all there are). Precondition: not both ordered and
/// partitioned, which COPY cannot do: it writes a partition's rows in the order in which its
/// buffers happen to be flushed, with one thread too.
Result<std::string> copy_statement(std::string_view select, const columnar::Schema& schema,
                                   const ParquetWrite& write, std::string_view prefix);

/// Deletes what a failed write has left: every file under `folder` whose name begins with `prefix`.
void remove_files_of(const std::string& folder, std::string_view prefix);

/// Reads the rows that COPY ... RETURN_STATS answers, one a file.
Result<std::vector<WrittenFile>> read_written_files(Answer& answer, const columnar::Schema& schema,
                                                    const ParquetWrite& write);

/// The folder of a partition, "day=2013-12-01/city=S%C3%A3o%20Paulo", as COPY names it.
std::string partition_folder(
    const std::vector<std::pair<std::string, std::optional<std::string>>>& values);

/// The value of a partition column in the lake's form, from DuckDB's text.
std::string partition_text(columnar::Kind kind, std::string value);

}  // namespace millrace::engine
