#pragma once

// The inside of Scheduler. scheduler.cc has what concerns Dags and runs, scheduler_tasks.cc what
// concerns tasks and attempts.

#include <array>

#include "orchestration/pools.h"
#include "orchestration/scheduler.h"

namespace millrace::orchestration {

class Scheduler::Core {
 public:
  explicit Core(SchedulerOptions options)
      : options_(std::move(options)), pools_(options_.parallelism, options_.pools) {}

  std::vector<Action> step(const Moment& now, const Event& event);

 private:
  friend class Scheduler;

  /// Why we decided that an attempt must end; what it reports afterwards does not count.
  struct Ending {
    enum class Why : std::uint8_t { Timeout, Silent, Cancelled, Cleared };
    Why why;
    std::string message;
  };

  struct Timer {
    enum class Kind : std::uint8_t { Retry, Timeout, Silence, Kill };
    Kind kind = Kind::Retry;
    std::uint64_t run = 0;
    TaskIndex task = 0;
  };
  /// When it goes off; equal moments in the order in which they were set.
  using TimerKey = std::pair<Duration, std::uint64_t>;

  struct Task {
    TaskRecord record;
    UpstreamCounts upstream;
    std::optional<Ending> ending;
    Duration heard = Duration::zero();              // the last sign of life, as Moment::running
    std::array<std::optional<TimerKey>, 4> timers;  // those that are set, by kind
  };

  struct Run {
    std::uint64_t number = 0;
    RunRecord record;
    std::shared_ptr<const Dag> dag;
    std::vector<Task> tasks;  // empty until it starts
    std::uint32_t unfinished = 0;
    std::uint32_t failed = 0;  // failed or upstream_failed
    /// Tasks that are no longer in the Dag: one that comes back goes on counting its epochs.
    std::vector<TaskRecord> removed;
  };

  struct DagState {
    std::shared_ptr<const Dag> dag;  // none while only its runs are known
    std::optional<Instant> last_point;
    std::set<Instant> existing;         // later than last_point
    std::optional<Instant> next;        // the point that it waits for, listed in points_
    int active = 0;                     // runs in state running
    std::map<ReadyTask, Run*> waiting;  // runs in state queued
    int waiting_by_schedule = 0;
  };

  /// A task instance, found by an attempt's name.
  struct Place {
    Run* run = nullptr;
    TaskIndex index = 0;
    Task& task() const { return run->tasks[index]; }
    const TaskSpec& spec() const { return run->dag->task(index); }
  };

  // Events about Dags and runs.
  void on(const event::TimeIsNow&) {}
  void on(const event::Stopping&);
  void on(const event::CapacityChanged& event) { pools_.limit(event.attempts); }
  void on(const event::DagAdded& event);
  void on(const event::DagRemoved& event);
  void on(const event::RunRequested& event);
  void on(const event::RunsLoaded& event);
  void on(const event::RunCleared& event);
  void on(const event::RunCancelled& event);
  // Events about attempts.
  void on(const event::AttemptStarted& event);
  void on(const event::Heartbeat& event);
  void on(const event::AttemptFinished& event);
  void on(const event::AttemptLost& event);

  // Dags and runs.
  Run* find(const RunKey& key);
  void follow_schedule(DagState& state);
  void wait_for(DagState& state, const DagId& dag, std::optional<Instant> point);
  void enqueue(std::unique_ptr<Run> run);
  void start_runs(DagState& state);
  void begin(Run& run);
  void use(const std::shared_ptr<const Dag>& version, Run& run);
  void make_tasks(Run& run);
  void count_upstream(Run& run, TaskIndex index);
  void load(const event::RunsLoaded::Stored& stored);
  void resume(Run& run);
  void resume(const Place& place);
  void renew(Run& run);
  void clear(Run& run, const std::vector<TaskIndex>& scope);
  void forget(Run& run);
  bool close_finished_runs();
  void changed(const Run& run) { actions_.emplace_back(action::RunChanged{run.record}); }

  // Tasks and attempts.
  void changed(const Place& place) {
    actions_.emplace_back(action::TaskChanged{place.run->record.key, place.task().record});
  }
  /// The task of a current attempt; none, with a Refused action, for any other.
  std::optional<Place> current(const AttemptId& attempt, std::string_view report);
  std::optional<Place> living(const AttemptId& attempt, std::string_view report);
  AttemptId attempt_of(const Place& place) const {
    const TaskRecord& record = place.task().record;
    return {place.run->record.key, record.task, record.epoch, record.map_index};
  }
  static ReadyTask in_line(const Run& run) {
    return {run.record.reason == RunReason::Backfill, run.record.logical_date, run.number};
  }
  static ReadyTask ready_task(const Place& place);
  void show_life(const Place& place);
  void consider(const Place& place);
  void schedule(const Place& place);
  void settle(const Place& place, TaskState state);
  void skip_downstream(const Place& place);
  void start(const Place& place);
  void kill(const Place& place, Ending::Why why, std::string message);
  void release(const Place& place);
  void reset(const Place& place);
  void close_attempt(const Place& place, AttemptState state, std::optional<ErrorCode> error,
                     std::string message);
  void end_as_decided(const Place& place);
  void end_as_reported(const Place& place, const Outcome& outcome);
  void end_as_failed(const Place& place, std::optional<ErrorCode> error,
                     const std::string& message);
  void end_as_lost(const Place& place, const event::AttemptLost& lost);
  void fail(const Place& place, std::optional<ErrorCode> error, std::string message);
  void retry(const Place& place, Duration delay);
  Duration retry_delay(const Place& place) const;
  Duration jittered(const Place& place, Duration first, int times, Duration longest) const;
  void dispatch();

  // Timers.
  void arm(Duration in, Timer::Kind kind, const Place& place);
  void disarm(Timer::Kind kind, const Place& place);
  void disarm(const Place& place);
  void fire_timers();
  void fire(Timer::Kind kind, const Place& place, Duration due);
  void listen(const Place& place, Duration due);

  SchedulerOptions options_;
  Pools pools_;
  Moment now_;
  std::vector<Action> actions_;
  std::uint64_t last_run_ = 0;
  std::uint64_t last_timer_ = 0;
  std::uint64_t touched_ = 0;
  std::map<DagId, DagState> dags_;
  std::unordered_map<RunKey, std::unique_ptr<Run>> runs_;
  std::unordered_map<std::uint64_t, Run*> by_number_;
  std::vector<RunKey> finished_;  // in this step
  std::map<TimerKey, Timer> timers_;
  std::set<std::pair<Instant, DagId>> points_;  // by the wall clock
};

}  // namespace millrace::orchestration
