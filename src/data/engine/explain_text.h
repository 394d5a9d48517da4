#pragma once

// The engine's plan as people read it.

#include <string>

#include "base/json.h"
#include "base/result.h"

namespace millrace::engine {

/// One operator a line, its inputs below it and further in, its details beneath its name:
///
///   HASH_JOIN (about 1200 rows)
///     Join Type: INNER
///     Conditions: carrier = carrier
///     > READ_PARQUET (about 5000 rows)
///         Filters: day >= '2013-12-01'
///
/// DuckDB's own boxes write every constant of a filter in full, which for a table of a thousand
/// partitions is a thousand lines: here a detail ends after 200 characters.
/// `plan`: the answer of EXPLAIN (FORMAT JSON), or of EXPLAIN (ANALYZE, FORMAT JSON), whose
/// operators have counts and times.
Result<std::string> explain_text(const Json& plan);

}  // namespace millrace::engine
