#include "orchestration/run_rows.h"

#include <fmt/core.h>

namespace millrace::orchestration {
namespace {

using metadata::Rows;
using metadata::Value;

std::optional<Instant> moment(const Rows& rows, std::size_t row, std::size_t column) {
  if (rows.is_null(row, column)) return std::nullopt;
  return instant(rows.integer(row, column));
}

std::optional<int> small(const Rows& rows, std::size_t row, std::size_t column) {
  if (rows.is_null(row, column)) return std::nullopt;
  return static_cast<int>(rows.integer(row, column));
}

int count(const Rows& rows, std::size_t row, std::size_t column) {
  return static_cast<int>(rows.integer(row, column));
}

template <typename State>
Result<State> state(std::optional<State> read, const std::string& text) {
  if (read) return *read;
  return Error(
      ErrorCode::Corruption,
      fmt::format("the store holds '{}', which is no state that this program knows", text));
}

}  // namespace

Value micros(const std::optional<Instant>& moment) {
  return moment ? Value(micros(*moment)) : Value(nullptr);
}

Value code(const std::optional<ErrorCode>& error) {
  return error ? Value(std::string(to_string(*error))) : Value(nullptr);
}

Value number(const std::optional<int>& value) {
  return value ? Value(std::int64_t{*value}) : Value(nullptr);
}

Result<RunRecord> run_from_row(const Rows& rows, std::size_t row) {
  RunRecord run;
  run.key = {DagId(rows.text(row, 0)), RunId(rows.text(row, 1))};
  run.logical_date = instant(rows.integer(row, 2));
  run.interval = {instant(rows.integer(row, 3)), instant(rows.integer(row, 4))};
  run.params = TRY(Json::parse(rows.text(row, 5)));
  run.reason = TRY(state(run_reason_from(rows.text(row, 6)), rows.text(row, 6)));
  run.state = TRY(state(run_state_from(rows.text(row, 7)), rows.text(row, 7)));
  run.generation = count(rows, row, 8);
  run.cancelled = rows.integer(row, 9) != 0;
  run.dag_version = rows.text(row, 10);
  run.requested_at = instant(rows.integer(row, 11));
  run.started_at = moment(rows, row, 12);
  run.finished_at = moment(rows, row, 13);
  return run;
}

Result<TaskRecord> task_from_row(const Rows& rows, std::size_t row) {
  TaskRecord task;
  task.task = TaskId(rows.text(row, 0));
  task.state = TRY(state(task_state_from(rows.text(row, 1)), rows.text(row, 1)));
  task.generation = count(rows, row, 2);
  task.attempt = count(rows, row, 3);
  task.epoch = count(rows, row, 4);
  task.failures = count(rows, row, 5);
  task.losses = count(rows, row, 6);
  task.scheduled_at = moment(rows, row, 7);
  task.queued_at = moment(rows, row, 8);
  task.started_at = moment(rows, row, 9);
  task.finished_at = moment(rows, row, 10);
  task.retry_at = moment(rows, row, 11);
  task.error = error_code_from(rows.text(row, 12));
  task.message = rows.text(row, 13);
  task.conflicts = count(rows, row, 14);
  task.map_index = count(rows, row, 15);
  return task;
}

Result<AttemptRecord> attempt_from_row(const Rows& rows, std::size_t row) {
  AttemptRecord attempt;
  attempt.id = {{DagId(rows.text(row, 0)), RunId(rows.text(row, 1))},
                TaskId(rows.text(row, 2)),
                count(rows, row, 3),
                count(rows, row, 17)};
  attempt.generation = count(rows, row, 4);
  attempt.number = count(rows, row, 5);
  attempt.state = TRY(state(attempt_state_from(rows.text(row, 6)), rows.text(row, 6)));
  attempt.queued_at = instant(rows.integer(row, 7));
  attempt.started_at = moment(rows, row, 8);
  attempt.finished_at = moment(rows, row, 9);
  attempt.error = error_code_from(rows.text(row, 10));
  attempt.message = rows.text(row, 11);
  attempt.exit_code = small(rows, row, 12);
  attempt.signal = small(rows, row, 13);
  attempt.used = {Duration(rows.integer(row, 14)), Duration(rows.integer(row, 15)),
                  static_cast<std::uint64_t>(rows.integer(row, 16))};
  return attempt;
}

}  // namespace millrace::orchestration
