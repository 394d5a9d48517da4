#pragma once

// A SQL model that reads a file by itself, past the declared sources: nobody has landed its rows, no
// logical date cuts them, and another run would find others.

#include <cstddef>
#include <optional>
#include <string>

#include "base/json.h"

namespace millrace::transform {

struct FileReading {
  std::string what;        // "read_csv('x.csv')", "the table 'x.parquet'"
  std::size_t offset = 0;  // in the SELECT
};

/// The first one in a SELECT; `tree` as engine::Session::parse gives it. Known by the name of the
/// table function (read_..., ..._scan, glob, ...) and by a table's name that is a path.
std::optional<FileReading> file_reading(const Json& tree);

}  // namespace millrace::transform
