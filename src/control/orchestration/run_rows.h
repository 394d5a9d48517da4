#pragma once

// Between rows of the store and records: columns in one order, and their types.

#include <optional>
#include <string>

#include "base/result.h"
#include "metadata/database.h"
#include "orchestration/run_store.h"

namespace millrace::orchestration {

inline constexpr const char* kRunColumns =
    "dag_id, run_id, logical_date, interval_start, interval_end, params, reason, state, "
    "generation, cancelled, dag_version, requested_at, started_at, finished_at";
inline constexpr const char* kTaskColumns =
    "task_id, state, generation, attempt, epoch, failures, losses, scheduled_at, queued_at, "
    "started_at, finished_at, retry_at, error, message, conflicts, map_index";
inline constexpr const char* kAttemptColumns =
    "dag_id, run_id, task_id, epoch, generation, number, state, queued_at, started_at, "
    "finished_at, error, message, exit_code, signal, cpu_us, wall_us, max_rss_bytes, map_index";

// Errors: Corruption for a word that is no state.
Result<RunRecord> run_from_row(const metadata::Rows& rows, std::size_t row);
Result<TaskRecord> task_from_row(const metadata::Rows& rows, std::size_t row);
Result<AttemptRecord> attempt_from_row(const metadata::Rows& rows, std::size_t row);

inline std::int64_t micros(Instant moment) {
  return moment.time_since_epoch().count();
}
metadata::Value micros(const std::optional<Instant>& moment);
metadata::Value code(const std::optional<ErrorCode>& error);
metadata::Value number(const std::optional<int>& value);
inline Instant instant(std::int64_t micros_of_utc) {
  return Instant(Duration(micros_of_utc));
}

}  // namespace millrace::orchestration
