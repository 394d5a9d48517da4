#pragma once

// Scheduler: decides what runs when.
//
// A state machine over plain values: step(now, event) -> actions. It has no clock, disk, network or
// thread; equal events give equal actions, so production and simulation run the same code. The
// shell (orchestrator.h) keeps the actions' records in the store before it carries anything out.
//
// It holds the runs that are not finished, and forgets a run when it finishes: the store answers
// questions about the past, and a long history costs nothing here. An event costs what it touches
// (a task and its neighbours), whatever else is running; times lie in order, what may run in one
// ordered queue for each pool.
//
// What runs first: a backfill stands behind everything else; then the older logical date, the run
// asked for earlier, the Dag's order. A Dag whose max_active_runs is 1 therefore does the runs that
// wait together in the order of their logical dates, retries included. A pool without free slots
// holds up nobody but its own tasks; within a pool the order is strict, so that a task of many
// slots is not starved by small ones.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "orchestration/dag.h"
#include "orchestration/ids.h"
#include "orchestration/run.h"

namespace millrace::orchestration {

/// One moment on two clocks. Schedules and records follow the wall clock, which people set and which
/// may jump either way; silence, timeouts and retries follow one that nobody can set.
struct Moment {
  Instant wall;
  Duration running = Duration::zero();  // since some beginning
};

/// How an attempt ended, as it reported it.
struct Outcome {
  enum class Kind : std::uint8_t { Success, SuccessSkipDownstream, Skipped, Failed };
  Kind kind = Kind::Success;
  std::optional<ErrorCode> error;  // Failed: none when nobody knows (a command's exit status)
  std::string message;             // Failed, Skipped: why
};

namespace event {

/// Nothing happened but that time passed.
struct TimeIsNow {};
/// The server is about to stop: no attempt is started any more.
struct Stopping {};
/// The executor holds so many attempts at once from now on: workers came or went. Until it is told,
/// the parallelism alone counts. What runs beyond it goes on.
struct CapacityChanged {
  int attempts = 0;
};
/// A Dag was added, or replaces the one of its id; runs that have started keep theirs.
/// One that is added again after the wall clock was set back comes with an earlier `last_point`.
/// `last_point`: the last point of the schedule that was dealt with in an earlier life, none while
/// its schedule was never followed. `existing`: logical dates after it for which a run exists
/// already; all that there are when there is no last_point.
struct DagAdded {
  std::shared_ptr<const Dag> dag;
  std::optional<Instant> last_point;
  std::vector<Instant> existing;
};
/// No further runs come from its schedule, and those in line wait until it is added again; what has
/// begun goes on. The same holds for the runs of a Dag that was never added: only the store knows it.
struct DagRemoved {
  DagId dag;
};
/// `run` as plan_run made it, of a Dag that was added. Ignored when it is there already.
struct RunRequested {
  RunRecord run;
};
/// Runs from the store, each with the Dag of its version: all that are not finished after a
/// restart, in one event, or a finished one that is about to be cleared. Their live attempts count
/// as alive until they are reported lost.
struct RunsLoaded {
  struct Stored {
    RunRecord run;
    std::shared_ptr<const Dag> dag;
    std::vector<TaskRecord> tasks;  // those without a record are in state none
  };
  std::vector<Stored> runs;
};
/// Run again: everything (with the newest version of the Dag if the run had finished), or one task
/// and what comes after it. The generation of what is cleared grows by one.
/// `reason`: the run had finished, and waits now as one that is asked for by this.
struct RunCleared {
  RunKey run;
  std::optional<TaskId> task;
  std::optional<RunReason> reason;
};
/// Kills what runs, skips what has not started; the run fails.
struct RunCancelled {
  RunKey run;
};
struct AttemptStarted {
  AttemptId attempt;
};
/// Of an attempt that has not started it says that it has: its AttemptStarted was lost.
struct Heartbeat {
  AttemptId attempt;
};
struct AttemptFinished {
  AttemptId attempt;
  Outcome outcome;
};
/// The attempt is gone and nothing is known of its end.
struct AttemptLost {
  enum class Because : std::uint8_t {
    ServerDied,    // restarted without using up a retry, at most five times
    Interrupted,   // the server stops in good order: restarted, not counted at all
    ExecutorLost,  // fails with Unavailable
  };
  AttemptId attempt;
  Because because = Because::ExecutorLost;
  std::string message;
};

}  // namespace event

using Event =
    std::variant<event::TimeIsNow, event::Stopping, event::CapacityChanged, event::DagAdded,
                 event::DagRemoved, event::RunRequested, event::RunsLoaded, event::RunCleared,
                 event::RunCancelled, event::AttemptStarted, event::Heartbeat,
                 event::AttemptFinished, event::AttemptLost>;

namespace action {

// Records to keep: the new values, whole.

/// A run that was not there before. To keep it over one that is there would be to forget that one.
struct RunCreated {
  RunRecord run;
};
struct RunChanged {
  RunRecord run;
};
struct TaskChanged {
  RunKey run;
  TaskRecord task;
};
/// Every point of the Dag's schedule up to `last_point` has been dealt with.
struct ScheduleAdvanced {
  DagId dag;
  Instant last_point;
};
/// The attempt is over, and what we make of it.
struct AttemptEnded {
  AttemptId attempt;
  AttemptState state = AttemptState::Success;
  std::optional<ErrorCode> error;
  std::string message;
};

// Things to do, after the records are kept.

struct StartAttempt {
  AttemptId attempt;
  int generation = 1;
  int number = 1;  // of this generation, from 1
};
/// Make it end. It stays alive to us until AttemptFinished or AttemptLost says otherwise, or
/// kill_timeout passes; whatever it reports from now on is not believed.
struct KillAttempt {
  AttemptId attempt;
  std::string reason;
};
/// A report of an attempt that is not the current one was put aside.
struct Refused {
  AttemptId attempt;
  std::string reason;
};

}  // namespace action

using Action = std::variant<action::RunCreated, action::RunChanged, action::TaskChanged,
                            action::ScheduleAdvanced, action::AttemptEnded, action::StartAttempt,
                            action::KillAttempt, action::Refused>;

struct SchedulerOptions {
  int parallelism = 32;  // attempts alive at once
  /// Slots by pool. "default_pool" is there with 128 slots unless it is named here.
  std::map<std::string, int> pools;
  Duration heartbeat_timeout =
      std::chrono::seconds(60);  // silence after which an attempt is killed
  Duration kill_timeout =
      std::chrono::seconds(60);  // after which a killed attempt is taken as dead
  int most_losses = 5;           // restarts after losses by a dying server that use up no retry
  int most_conflicts = 20;       // retries after a Conflict that use up none: others were quicker
  std::uint64_t seed = 0;        // of the retry jitter
  bool follow_schedules = true;  // false: runs start only when they are asked for
};

class Scheduler {
 public:
  explicit Scheduler(SchedulerOptions options);
  ~Scheduler();
  Scheduler(Scheduler&&) noexcept;
  Scheduler& operator=(Scheduler&&) noexcept;

  /// `now.running` never goes back; an earlier one counts as the latest seen. Timers that are due
  /// by `now` take effect before the event.
  std::vector<Action> step(const Moment& now, const Event& event);

  /// How long after `now` TimeIsNow is wanted, if nothing else happens before; zero when it is due.
  std::optional<Duration> until_next_timer(const Moment& now) const;

  /// Whether the attempt is the one whose reports count: the answer to the fence question.
  bool is_current(const AttemptId& attempt) const;

  /// Whether the Dag could run here. Errors: Invalid for a pool that does not exist (with a
  /// suggestion) or has fewer slots than a task asks for.
  Status check(const Dag& dag) const;

  struct View {
    const RunRecord& run;
    const Dag& dag;
  };
  /// A run that is not finished.
  std::optional<View> find(const RunKey& run) const;
  const TaskRecord* find_task(const RunKey& run, const TaskId& task) const;
  std::vector<AttemptId> live_attempts() const;

  struct Usage {
    int running = 0;                   // attempts alive
    std::map<std::string, int> slots;  // taken, by pool
    std::size_t runs = 0;              // not finished
    std::uint64_t tasks_touched = 0;   // task instances looked at since the beginning
  };
  Usage usage() const;

 private:
  class Core;
  std::unique_ptr<Core> core_;
};

}  // namespace millrace::orchestration
