#pragma once

// What COPY ... RETURN_STATS says of a column, made fit for a table's log.

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "columnar/schema.h"
#include "engine/engine.h"

namespace millrace::engine {

/// The parts of a quoted column path: "st"."x""y" gives st and x"y. Nothing when it is none.
std::optional<std::vector<std::string>> parse_column_path(std::string_view path);

/// The type at a path through structs, or nothing: the elements of lists and maps have no
/// statistics in a table's log.
const columnar::DataType* type_at(const columnar::Schema& schema,
                                  const std::vector<std::string>& path);

/// Keeps the extremes that bound every value of the column, and drops the others. Of a text beyond
/// 256 bytes DuckDB 1.5.5 gives a shorter minimum and a greater maximum (the next text after its
/// first bytes), or none: 1,500 random texts of all lengths of UTF-8 were within. Dropped are
///   floats       where the column holds NaN, which has no place in their order, and infinities
///   dates, moments   infinities, and years before 1, which the log cannot write
///   binary       all
/// Booleans come as "0" and "1" and become "false" and "true".
/// `raw`: names as DuckDB gives them (min, max, null_count, has_nan).
ColumnStatistics statistics_of(const columnar::DataType& type,
                               const std::map<std::string, std::string>& raw);

}  // namespace millrace::engine
