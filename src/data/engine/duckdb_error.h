#pragma once

// DuckDB's errors as ours.

#include <string_view>

#include "base/result.h"

namespace millrace::engine {

/// The Error for a message of DuckDB ("Binder Error: Referenced column ..."), whose kind its first
/// words name: the C API hands the kind out in some places only, the words in all.
///
///   Invalid      the statement, its names, types and values
///   Exhausted    memory or spill space; the message gains the remedy
///   Cancelled    the statement was interrupted
///   Unavailable  files and network
///   Corruption   a file that is no Parquet, or broken
///   Unsupported, Denied, Internal (without the stack trace)
Error duckdb_failure(std::string_view message,
                     std::source_location where = std::source_location::current());

}  // namespace millrace::engine
