#pragma once

// What the program is asked to deliver.

#include <string>

#include <millrace/table.h>

#include "world.h"

namespace clicks {

struct Order {
  Numbers numbers;
  millrace::Date start{std::chrono::year{2024} / 1 / 1};
  std::int64_t first_day = 0;  // of start
  std::int64_t last_day = 0;
  std::int64_t part = 0;  // of each day's clicks
  std::int64_t parts = 1;
  std::string out = "deliveries";
  bool as_parquet = false;
  bool with_best_score = false;
  std::int64_t threads = 2;
  bool help = false;
};

extern const char* const kHelp;

/// Errors: Invalid; names the argument, and what was expected.
millrace::Result<Order> read_arguments(int argc, char** argv);

}  // namespace clicks
