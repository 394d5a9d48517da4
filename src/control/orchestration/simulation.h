#pragma once

// The scheduler in a world made of values: virtual time, attempts that do what they are told, a
// server that can be restarted. Days pass in milliseconds, and equal inputs give equal histories.

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "orchestration/scheduler.h"

namespace millrace::orchestration {

/// What a simulated attempt does.
struct AttemptPlan {
  Duration starts_after = Duration::zero();
  Duration runs_for = std::chrono::seconds(1);
  Outcome outcome;
  bool start_is_lost = false;  // its first report does not arrive
  bool silent = false;         // neither heartbeats nor a report, until it is killed
  bool ignores_kill = false;   // lives on as a ghost and reports late
  bool reports_twice = false;  // its last message is delivered again
};

/// What a store would hold: the newest records.
struct StoredRun {
  RunRecord run;
  std::shared_ptr<const Dag> dag;
  std::map<TaskId, TaskRecord> tasks;
};

/// Checks after every action what must always hold; each breach is one line of `breaches`.
class Invariants {
 public:
  explicit Invariants(const SchedulerOptions& options) : options_(options) {}
  void before_storing(const Action& action, const std::map<RunKey, StoredRun>& stored);
  void observe(Instant now, const Action& action, const std::map<RunKey, StoredRun>& stored);
  /// The executor holds so many attempts from now on.
  void allow(int attempts) { capacity_ = attempts; }
  const std::vector<std::string>& breaches() const { return breaches_; }

 private:
  void on_start(const AttemptId& attempt, const StoredRun& run);
  void on_end(const AttemptId& attempt, const StoredRun& run);
  void on_run(const RunRecord& run);
  void require(bool holds, const AttemptId& attempt, const char* otherwise);

  const SchedulerOptions& options_;
  Instant now_;
  std::map<std::pair<RunKey, TaskId>, int> live_;    // epoch
  std::map<std::pair<RunKey, TaskId>, int> newest_;  // epoch
  std::map<std::string, int> slots_;
  std::map<DagId, std::set<RunId>> active_;
  std::map<DagId, int> limit_;
  std::optional<int> capacity_;
  std::vector<std::string> breaches_;
  friend class Simulation;
};

class Simulation {
 public:
  using Plan = std::function<AttemptPlan(const AttemptId&, int number)>;
  using Observer = std::function<void(Instant, const Action&)>;

  Simulation(Instant start, SchedulerOptions options, Plan plan);

  /// The true time, whatever the server's clock says.
  Instant now() const { return now_; }
  void observe(Observer observer) { observers_.push_back(std::move(observer)); }

  Status add_dag(const std::shared_ptr<const Dag>& dag);
  /// Its files are gone; a server that comes back does not find it either.
  void remove_dag(const DagId& dag);
  /// Errors: Invalid (parameters), NotFound (no such Dag). A run that exists is left alone.
  Result<RunId> request_run(const DagId& dag, Instant logical_date, const Json& params = {},
                            RunReason reason = RunReason::Manual);
  Status backfill(const DagId& dag, Instant from, Instant to,
                  IfExists if_exists = IfExists::Return);
  /// Errors: NotFound.
  Status clear(const RunKey& run, const std::optional<TaskId>& task,
               std::optional<RunReason> reason = std::nullopt);
  Status cancel(const RunKey& run);
  /// Workers came or went: the executor holds so many attempts at once.
  void set_capacity(int attempts);
  /// A report that comes from nowhere: duplicated, late, or of an attempt long dead.
  void report(const Event& event) { apply(event); }
  /// The server's wall clock is set by somebody, forward or back; time itself goes on evenly.
  void set_clock(Duration by);
  /// The server dies, and comes back `down_for` later with what was stored; its attempts died with
  /// it. `follow` changes whether it follows schedules (one started for a single run does not).
  enum class FollowSchedules : std::uint8_t { No, Yes };
  void restart_server(Duration down_for = Duration::zero(),
                      std::optional<FollowSchedules> follow = std::nullopt);

  /// Lets time pass, one event after the other.
  void run_until(Instant until);
  /// Lets time pass until nothing is left to happen, at most until `limit`.
  void run_dry(Instant limit);

  const std::map<RunKey, StoredRun>& runs() const { return stored_; }
  const Scheduler& scheduler() const { return *scheduler_; }
  const std::vector<std::string>& breaches() const { return invariants_.breaches(); }
  std::uint64_t steps() const { return steps_; }

 private:
  struct Happening {
    Event event;
    bool of_living = true;  // dropped when the attempt is dead by then
  };

  event::DagAdded added(const std::shared_ptr<const Dag>& dag) const;
  void apply(const Event& event);
  void carry_out(const Action& action);
  void store(const Action& action);
  void start(const action::StartAttempt& start);
  void kill(const AttemptId& attempt);
  void at(Instant when, Event event, bool of_living = true);
  std::optional<Instant> next_moment() const;
  Instant wall() const { return now_ + off_by_; }
  Moment moment() const { return {wall(), now_.time_since_epoch()}; }

  Instant now_;
  Duration off_by_ = Duration::zero();  // the wall clock
  SchedulerOptions options_;
  Plan plan_;
  std::unique_ptr<Scheduler> scheduler_;
  Invariants invariants_;
  std::vector<Observer> observers_;
  std::map<std::pair<Instant, std::uint64_t>, Happening> future_;
  std::uint64_t last_happening_ = 0;
  std::uint64_t steps_ = 0;
  std::map<AttemptId, AttemptPlan> alive_;
  std::map<RunKey, StoredRun> stored_;
  std::map<DagId, std::shared_ptr<const Dag>> dags_;
  std::map<std::pair<DagId, std::string>, std::shared_ptr<const Dag>> versions_;
  std::map<DagId, Instant> last_points_;
};

}  // namespace millrace::orchestration
