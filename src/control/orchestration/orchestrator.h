#pragma once

// Orchestrator: the scheduler at work. It owns the core and one thread with a queue; what the core
// decides is stored in one transaction and only then done, so a server that dies at any instruction
// continues from the store, and an attempt that it had started is started again (unless it had
// succeeded). While the store does not answer nothing is done; a server that is stopped meanwhile
// stores nothing more of what followed.
//
// Messages that wait together are decided and stored together: one fsync for all of them.

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"
#include "metadata/database.h"
#include "orchestration/dag.h"
#include "orchestration/executor.h"
#include "orchestration/run.h"
#include "orchestration/run_store.h"
#include "orchestration/scheduler.h"
#include "orchestration/task_hooks.h"

namespace millrace::orchestration {

struct OrchestratorOptions {
  SchedulerOptions scheduler;
  Duration kill_grace = std::chrono::seconds(10);  // between asking an attempt to end and making it
  /// How long a store that fails is asked again (a full disk, a locked file); without it until it
  /// answers or the server is stopped.
  std::optional<Duration> store_patience;
};

/// What becomes of the attempts when a server stops.
enum class LiveAttempts : std::uint8_t {
  End,   // all; they count as interrupted
  Keep,  // those that outlive the server go on, and the next one adopts them
};

/// What subscribers hear. Run and task records come after they were stored; messages of attempts as
/// they arrive.
struct TaskNotice {
  RunKey run;
  TaskRecord task;
};
struct MessageNotice {
  AttemptId attempt;
  AttemptMessage message;
};
using Notice = std::variant<RunRecord, TaskNotice, MessageNotice>;

class Orchestrator {
 public:
  /// Opens the store. The references outlive the orchestrator. Errors: those of RunStore::open.
  static Result<std::unique_ptr<Orchestrator>> open(metadata::Database& database,
                                                    const Clock& clock, Executor& executor,
                                                    TaskHooks& hooks, OrchestratorOptions options);
  /// Stops.
  ~Orchestrator();

  /// Continues what is unfinished in the store, with the Dags that were added so far, and starts
  /// the thread. Once.
  Status start();
  /// Ends the attempts, which count as interrupted and not as failed (with Keep: lets go of those
  /// that outlive the server), and the thread. Idempotent.
  void stop(LiveAttempts attempts = LiveAttempts::End);

  // Thread-safe. A call that comes before start() is done (add_dag apart) waits for it; after
  // stop() it is Unavailable. What returns ok is stored. Errors of all: Unavailable when the server
  // was stopped while its store did not answer, or its patience with it is over.

  /// Adds a Dag or replaces the one of its id. Errors: those of Dag::make and Scheduler::check.
  Status add_dag(DagSpec spec);
  /// Its schedule makes no more runs, and those in line wait until it is added again or they are
  /// cancelled. What has begun goes on.
  Status remove_dag(const DagId& dag);

  /// Returns when the run is stored. A run with the same identity (Dag, logical date, parameters)
  /// is not made twice: it is returned, or cleared. Errors: NotFound (Dag), Invalid (parameters).
  Result<RunId> request_run(const DagId& dag, Instant logical_date, const Json& params = {},
                            IfExists if_exists = IfExists::Return);
  /// Runs of all points_of_backfill, in their order as far as the Dag's max_active_runs lets them
  /// wait for each other. Those that had ended and are cleared become runs of this backfill.
  Result<std::vector<RunId>> backfill(const DagId& dag, Instant from, Instant to,
                                      const Json& params = {},
                                      IfExists if_exists = IfExists::Return);
  /// Runs it again: all of it, or one task and what is behind it. Errors: NotFound.
  Status clear(const RunKey& run, const std::optional<TaskId>& task = std::nullopt);
  /// Errors: NotFound. A finished run is left alone.
  Status cancel(const RunKey& run);

  /// What keeps it from going on just now: its store does not answer, and is asked again and again;
  /// or what troubles the executor. "" when nothing does.
  std::string trouble() const;
  /// Whether it still works. Errors: Unavailable when it has given up, since its store did not
  /// answer for store_patience: nothing is scheduled or stored any more, and who follows a run
  /// waits in vain. Another server goes on from what is stored.
  Status health() const;

  /// Returns the run when it has finished. Errors: NotFound, Timeout, Unavailable (stopped, or
  /// given up).
  Result<RunRecord> wait(const RunKey& run, Duration at_most);

  // From the store.
  Result<std::optional<RunRecord>> find_run(const RunKey& run) const;
  Result<std::vector<RunRecord>> runs(const RunFilter& filter = {}) const;
  Result<std::vector<TaskRecord>> task_instances(const RunKey& run) const;
  Result<std::vector<AttemptRecord>> attempts(const RunKey& run) const;
  Result<Json> xcoms(const RunKey& run, const TaskId& task) const;
  /// The results of those of `tasks` that have succeeded, by task id.
  Result<Json> results(const RunKey& run, std::span<const TaskId> tasks) const;
  /// The Dags that were added, by id.
  std::vector<std::shared_ptr<const Dag>> dags() const;

  /// `hear` is called from the orchestrator's and the executor's threads, one call at a time; it
  /// must be quick and must not call the orchestrator. It is called no more once unsubscribe has
  /// returned.
  int subscribe(std::function<void(const Notice&)> hear);
  void unsubscribe(int subscription);

  /// For clocks that do not run by themselves: the time has changed.
  void wake();

 private:
  class Shell;
  explicit Orchestrator(std::unique_ptr<Shell> shell);
  std::unique_ptr<Shell> shell_;
};

}  // namespace millrace::orchestration
