#pragma once

// Training rows as they travel between tasks: by the name and version of their table, never by
// value.

#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "tasks/attempt.h"

namespace millrace::tasks {

/// The rows that one run wrote into a table of training rows: the partition run_id = <run> of a
/// pinned version.
struct Dataset {
  std::string table;
  std::int64_t version = 0;
  std::string run_id;
  std::string training_set;
  std::string content_hash;  // of training_data.parquet
  std::int64_t rows = 0;
  /// Of these rows. The table may have more: those of other runs.
  std::vector<std::string> columns;
  std::string parquet;  // the same rows as a file, for people and other programs

  Json to_json() const;
  static Result<Dataset> from_json(const Json& json);
};

/// The dataset that a task directly before this one made ("dataset" in its result).
Result<Dataset> upstream_dataset(const Attempt& attempt);

/// "1 row", "400 rows", as summaries say it.
std::string counted_rows(std::int64_t rows);

/// Defines `name` in the session as the dataset's rows, with its columns alone.
Status define_dataset(Attempt& attempt, const Dataset& dataset, const std::string& name);

}  // namespace millrace::tasks
