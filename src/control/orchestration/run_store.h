#pragma once

// RunStore: what the scheduler decided, kept in tables of our own (orchestration_*), so that a
// server that died continues from there.

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "metadata/database.h"
#include "orchestration/executor.h"
#include "orchestration/run.h"
#include "orchestration/scheduler.h"

namespace millrace::orchestration {

struct AttemptRecord {
  AttemptId id;
  int generation = 1;
  int number = 1;
  AttemptState state = AttemptState::Queued;
  Instant queued_at;
  std::optional<Instant> started_at;
  std::optional<Instant> finished_at;
  std::optional<ErrorCode> error;
  std::string message;
  std::optional<int> exit_code;
  std::optional<int> signal;
  ResourcesUsed used;
};

enum class RunOrder : std::uint8_t {
  LatestDate,  // by logical date
  LastActive,  // those that run, then by when something happened to them last
};

struct RunFilter {
  std::optional<DagId> dag;
  std::optional<RunState> state;
  int limit = 100;  // at most 10,000; the first of the order are given
  RunOrder order = RunOrder::LatestDate;
};

class RunStore {
 public:
  /// Makes or upgrades its tables. `database` outlives the store.
  static Result<RunStore> open(metadata::Database& database);

  // Inside the caller's transaction; each may be repeated with the same values.

  Status save_dag(metadata::Transaction& transaction, const Dag& dag, Instant now) const;
  /// The records among the actions; of several for one thing the last counts. `resume_token`: of
  /// the attempts that are to be started ("": none). Errors: AlreadyExists for a new run whose name
  /// another one has, which is left as it is.
  Status save(metadata::Transaction& transaction, std::span<const Action> actions, Instant now,
              const std::string& resume_token = "") const;
  Status save_end(metadata::Transaction& transaction, const AttemptId& attempt,
                  const AttemptEnd& end) const;
  /// What another server finds the attempt again by.
  Status save_resume_token(metadata::Transaction& transaction, const AttemptId& attempt,
                           const std::string& token) const;
  /// What a task that succeeded gives to those behind it: its result as "return_value", and what it
  /// pushed.
  Status save_xcoms(metadata::Transaction& transaction, const AttemptId& attempt,
                    const AttemptEnd& end) const;

  // Each over one consistent state; from any thread.

  /// All runs that are not finished, with the Dags of their versions. A run whose Dag cannot be
  /// read any more is left out, and named in `unreadable`.
  struct Unfinished {
    event::RunsLoaded loaded;
    std::vector<std::string> unreadable;
    std::map<AttemptId, std::string> resume_tokens;  // of live attempts that left one
  };
  Result<Unfinished> load_unfinished() const;
  /// Errors: NotFound; Corruption when its Dag cannot be read.
  Result<event::RunsLoaded::Stored> load_run(const RunKey& run) const;
  /// As it was when it was added last; it may be gone since. Errors: NotFound; Corruption.
  Result<std::shared_ptr<const Dag>> load_dag(const DagId& dag) const;
  struct Progress {
    std::optional<Instant> last_point;
    std::vector<Instant> existing;  // logical dates of runs behind it; of all runs without one
  };
  /// As of `now`: a last_point behind it, left by a clock that was wrong, counts as `now`.
  Result<Progress> load_progress(const DagId& dag, Instant now) const;

  Result<std::optional<RunRecord>> find_run(const RunKey& run) const;
  Result<std::vector<RunRecord>> runs(const RunFilter& filter) const;
  /// In the order of the Dag; those that nothing happened to are in state none. Errors: NotFound.
  Result<std::vector<TaskRecord>> task_instances(const RunKey& run) const;
  Result<std::vector<AttemptRecord>> attempts(const RunKey& run) const;
  /// What the task pushed, by key ("return_value" is its result); an empty object when it has not
  /// succeeded.
  Result<Json> xcoms(const RunKey& run, const TaskId& task) const;
  /// The results of those of `tasks` that have succeeded, by task id.
  Result<Json> results(const RunKey& run, std::span<const TaskId> tasks) const;

 private:
  explicit RunStore(metadata::Database& database) : database_(&database) {}
  metadata::Database* database_;
};

}  // namespace millrace::orchestration
