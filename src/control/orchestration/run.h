#pragma once

// A run of a Dag and its task instances, as plain values: what the scheduler changes, the store
// keeps and users see.

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "base/time.h"
#include "orchestration/dag.h"
#include "orchestration/ids.h"
#include "orchestration/state.h"

namespace millrace::orchestration {

struct RunRecord {
  RunKey key;
  Instant logical_date;  // when it was due, and where its data interval ends
  DataInterval interval;
  Json params = Json::object();  // the Dag's, with those that were given put over them
  RunReason reason = RunReason::Manual;
  RunState state = RunState::Queued;
  int generation = 1;  // one more each time it is cleared, wholly or in part
  bool cancelled = false;
  std::string dag_version;  // the one it started with
  Instant requested_at;
  std::optional<Instant> started_at;
  std::optional<Instant> finished_at;

  bool operator==(const RunRecord&) const = default;
};

struct TaskRecord {
  TaskId task;
  int map_index = kNotMapped;
  TaskState state = TaskState::None;
  /// The run's generation when this task was last cleared: equal for all its retries. What a task
  /// writes under this number is written once.
  int generation = 1;
  int attempt = 0;    // starts in this generation
  int epoch = 0;      // starts ever: tells attempts apart
  int failures = 0;   // those that count against `retries`
  int losses = 0;     // attempts that died with their server
  int conflicts = 0;  // attempts that others were quicker than
  std::optional<Instant> scheduled_at;
  std::optional<Instant> queued_at;
  std::optional<Instant> started_at;
  std::optional<Instant> finished_at;
  std::optional<Instant> retry_at;
  std::optional<ErrorCode> error;  // of the last attempt, when it failed for a reason we know
  std::string message;             // why it failed, was lost or skipped; "" otherwise

  bool operator==(const TaskRecord&) const = default;
};

/// What to do about a run that is asked for and is there already.
enum class IfExists : std::uint8_t {
  Return,
  ClearFailed,  // run again what has failed or was cancelled, return the rest
  Clear,        // run it again
};

/// A run as it would be asked for, state queued. `given` holds parameters by name.
/// Errors: Invalid for parameters that the Dag does not have (with a suggestion).
///
/// Its id is the logical date; parameters that differ from the Dag's defaults are appended, sorted:
/// ".score_at=leaky", or ".params=<12 hex digits>" of their hash where they are long or not plain.
Result<RunRecord> plan_run(const Dag& dag, Instant logical_date, const Json& given,
                           RunReason reason);

/// The points of the Dag's schedule in [from, to], in order: the logical dates of a backfill, at
/// most 10,000. Errors: Invalid when there is no schedule, none of its points is there, there are
/// more, or `to` is the earlier one.
Result<std::vector<Instant>> points_of_backfill(const Dag& dag, Instant from, Instant to);

}  // namespace millrace::orchestration
