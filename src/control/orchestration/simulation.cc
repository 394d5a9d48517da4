#include "orchestration/simulation.h"

#include <algorithm>

#include <fmt/core.h>

namespace millrace::orchestration {
namespace {

/// The attempt that an event is about, if it is about one.
const AttemptId* attempt_in(const Event& event) {
  return std::visit(
      [](const auto& e) -> const AttemptId* {
        if constexpr (requires { e.attempt; }) return &e.attempt;
        return nullptr;
      },
      event);
}

bool is_last_word(const Event& event) {
  return std::holds_alternative<event::AttemptFinished>(event) ||
         std::holds_alternative<event::AttemptLost>(event);
}

event::RunsLoaded::Stored as_loaded(const StoredRun& stored) {
  event::RunsLoaded::Stored loaded{stored.run, stored.dag, {}};
  for (const auto& entry : stored.tasks) loaded.tasks.push_back(entry.second);
  return loaded;
}

}  // namespace

Simulation::Simulation(Instant start, SchedulerOptions options, Plan plan)
    : now_(start),
      options_(std::move(options)),
      plan_(std::move(plan)),
      scheduler_(std::make_unique<Scheduler>(options_)),
      invariants_(options_) {}

Status Simulation::add_dag(const std::shared_ptr<const Dag>& dag) {
  TRY(scheduler_->check(*dag));
  dags_[dag->id()] = dag;
  versions_[{dag->id(), dag->version()}] = dag;
  invariants_.limit_[dag->id()] = dag->spec().max_active_runs;
  apply(added(dag));
  return {};
}

void Simulation::remove_dag(const DagId& dag) {
  dags_.erase(dag);
  apply(event::DagRemoved{dag});
}

/// As the store would tell it.
event::DagAdded Simulation::added(const std::shared_ptr<const Dag>& dag) const {
  event::DagAdded added{dag, std::nullopt, {}};
  const auto point = last_points_.find(dag->id());
  if (point != last_points_.end()) added.last_point = std::min(point->second, wall());
  for (const auto& [key, stored] : stored_)
    if (key.dag == dag->id() && key.run.str() == format_instant(stored.run.logical_date) &&
        (!added.last_point || stored.run.logical_date > *added.last_point))
      added.existing.push_back(stored.run.logical_date);
  return added;
}

Result<RunId> Simulation::request_run(const DagId& id, Instant logical_date, const Json& params,
                                      RunReason reason) {
  const auto dag = dags_.find(id);
  if (dag == dags_.end()) return Error(ErrorCode::NotFound, "no Dag '" + id.str() + "'");
  RunRecord run = TRY(plan_run(*dag->second, logical_date, params, reason));
  const RunId name = run.key.run;
  if (!stored_.contains(run.key)) apply(event::RunRequested{std::move(run)});
  return name;
}

Status Simulation::backfill(const DagId& id, Instant from, Instant to, IfExists if_exists) {
  const auto dag = dags_.find(id);
  if (dag == dags_.end()) return Error(ErrorCode::NotFound, "no Dag '" + id.str() + "'");
  for (const Instant point : TRY(points_of_backfill(*dag->second, from, to))) {
    const RunKey key = TRY(plan_run(*dag->second, point, {}, RunReason::Backfill)).key;
    if (!stored_.contains(key))
      TRY(request_run(id, point, {}, RunReason::Backfill));
    else if (if_exists == IfExists::Clear ||
             (if_exists == IfExists::ClearFailed &&
              stored_.find(key)->second.run.state == RunState::Failed))
      TRY(clear(key, std::nullopt, RunReason::Backfill));
  }
  return {};
}

Status Simulation::clear(const RunKey& key, const std::optional<TaskId>& task,
                         std::optional<RunReason> reason) {
  const auto found = stored_.find(key);
  if (found == stored_.end()) return Error(ErrorCode::NotFound, "no run " + key.str());
  if (is_finished(found->second.run.state)) apply(event::RunsLoaded{{as_loaded(found->second)}});
  apply(event::RunCleared{key, task, reason});
  return {};
}

Status Simulation::cancel(const RunKey& key) {
  if (!stored_.contains(key)) return Error(ErrorCode::NotFound, "no run " + key.str());
  apply(event::RunCancelled{key});
  return {};
}

void Simulation::set_capacity(int attempts) {
  invariants_.allow(attempts);
  apply(event::CapacityChanged{attempts});
}

void Simulation::set_clock(Duration by) {
  off_by_ += by;
  if (by < Duration::zero())
    for (const auto& entry : dags_) apply(added(entry.second));
  else
    apply(event::TimeIsNow{});
}

void Simulation::restart_server(Duration down_for, std::optional<FollowSchedules> follow) {
  now_ += down_for;
  if (follow) options_.follow_schedules = *follow == FollowSchedules::Yes;
  scheduler_ = std::make_unique<Scheduler>(options_);
  if (const auto& capacity = invariants_.capacity_) apply(event::CapacityChanged{*capacity});
  const std::map<AttemptId, AttemptPlan> died = std::exchange(alive_, {});
  const std::map<RunKey, StoredRun> before = stored_;
  event::RunsLoaded loaded;
  for (const auto& entry : before)
    if (!is_finished(entry.second.run.state)) loaded.runs.push_back(as_loaded(entry.second));
  apply(loaded);
  for (const AttemptId& attempt : scheduler_->live_attempts())
    apply(event::AttemptLost{attempt, event::AttemptLost::Because::ServerDied,
                             "the server died while it ran"});
  for (const auto& entry : dags_) apply(added(entry.second));
}

void Simulation::run_until(Instant until) {
  for (std::optional<Instant> next = next_moment(); next && *next <= until; next = next_moment()) {
    now_ = std::max(now_, *next);
    if (future_.empty() || future_.begin()->first.first > now_) {
      apply(event::TimeIsNow{});
      continue;
    }
    const Happening happening = std::move(future_.begin()->second);
    future_.erase(future_.begin());
    const AttemptId* attempt = attempt_in(happening.event);
    if (attempt != nullptr && happening.of_living) {
      if (!alive_.contains(*attempt)) continue;
      if (is_last_word(happening.event)) alive_.erase(*attempt);
    }
    apply(happening.event);
  }
  now_ = std::max(now_, until);
}

void Simulation::run_dry(Instant limit) {
  while (scheduler_->usage().runs > 0 && now_ < limit) {
    const std::optional<Instant> next = next_moment();
    if (!next || *next > limit) break;
    run_until(*next);
  }
}

std::optional<Instant> Simulation::next_moment() const {
  std::optional<Instant> next;
  if (const auto wait = scheduler_->until_next_timer(moment())) next = now_ + *wait;
  if (!future_.empty() && (!next || future_.begin()->first.first < *next))
    next = future_.begin()->first.first;
  return next;
}

void Simulation::at(Instant when, Event event, bool of_living) {
  future_.emplace(std::pair(when, ++last_happening_), Happening{std::move(event), of_living});
}

// All records of a step are stored before anything is carried out, as the real shell does.
void Simulation::apply(const Event& event) {
  ++steps_;
  const std::vector<Action> actions = scheduler_->step(moment(), event);
  for (const Action& action : actions) {
    invariants_.before_storing(action, stored_);
    store(action);
    invariants_.observe(now_, action, stored_);
    for (const Observer& observer : observers_) observer(now_, action);
  }
  for (const Action& action : actions) carry_out(action);
}

void Simulation::store(const Action& action) {
  const auto keep = [this](const RunRecord& run) {
    StoredRun& stored = stored_[run.key];
    stored.run = run;
    stored.dag = versions_[{run.key.dag, run.dag_version}];
  };
  if (const auto* created = std::get_if<action::RunCreated>(&action)) {
    keep(created->run);
  } else if (const auto* run = std::get_if<action::RunChanged>(&action)) {
    keep(run->run);
  } else if (const auto* task = std::get_if<action::TaskChanged>(&action)) {
    stored_[task->run].tasks[task->task.task] = task->task;
  } else if (const auto* advanced = std::get_if<action::ScheduleAdvanced>(&action)) {
    last_points_[advanced->dag] = advanced->last_point;
  }
}

void Simulation::carry_out(const Action& action) {
  if (const auto* started = std::get_if<action::StartAttempt>(&action)) start(*started);
  if (const auto* killed = std::get_if<action::KillAttempt>(&action)) kill(killed->attempt);
}

void Simulation::start(const action::StartAttempt& start) {
  const AttemptPlan plan = plan_(start.attempt, start.number);
  alive_[start.attempt] = plan;
  const Instant begins = now_ + plan.starts_after;
  const Instant ends = begins + plan.runs_for;
  if (!plan.start_is_lost) at(begins, event::AttemptStarted{start.attempt});
  if (plan.silent) return;
  const Duration pause = options_.heartbeat_timeout / 4;
  for (Instant beat = begins + pause; beat < ends; beat += pause)
    at(beat, event::Heartbeat{start.attempt});
  // The report of one that ignores being killed comes whether or not it is believed to live.
  at(ends, event::AttemptFinished{start.attempt, plan.outcome}, !plan.ignores_kill);
  if (plan.reports_twice)
    at(ends + std::chrono::seconds(1), event::AttemptFinished{start.attempt, plan.outcome}, false);
}

void Simulation::kill(const AttemptId& attempt) {
  const auto found = alive_.find(attempt);
  if (found == alive_.end() || found->second.ignores_kill) return;
  alive_.erase(found);
  at(now_ + std::chrono::milliseconds(100),
     event::AttemptFinished{attempt,
                            {Outcome::Kind::Failed, std::nullopt, "ended by signal SIGTERM"}},
     false);
}

void Invariants::require(bool holds, const AttemptId& attempt, const char* otherwise) {
  if (!holds) breaches_.push_back(format_instant(now_) + ": " + attempt.str() + " " + otherwise);
}

void Invariants::before_storing(const Action& action, const std::map<RunKey, StoredRun>& stored) {
  const auto* created = std::get_if<action::RunCreated>(&action);
  if (created != nullptr)
    require(!stored.contains(created->run.key), {created->run.key, TaskId(), 0},
            "was made though it was there already");
  if (const auto* changed = std::get_if<action::RunChanged>(&action))
    require(stored.contains(changed->run.key), {changed->run.key, TaskId(), 0},
            "was changed before it was made");
}

void Invariants::observe(Instant now, const Action& action,
                         const std::map<RunKey, StoredRun>& stored) {
  now_ = now;
  if (const auto* start = std::get_if<action::StartAttempt>(&action))
    on_start(start->attempt, stored.at(start->attempt.run));
  if (const auto* end = std::get_if<action::AttemptEnded>(&action))
    on_end(end->attempt, stored.at(end->attempt.run));
  if (const auto* run = std::get_if<action::RunChanged>(&action)) on_run(run->run);
}

void Invariants::on_start(const AttemptId& attempt, const StoredRun& run) {
  const std::pair key(attempt.run, attempt.task);
  require(live_.emplace(key, attempt.epoch).second, attempt, "started while another lives");
  int& newest = newest_[key];
  require(attempt.epoch > newest, attempt, "started with an epoch that was used before");
  newest = attempt.epoch;
  require(run.run.state == RunState::Running, attempt, "started in a run that is not running");
  require(!run.run.cancelled, attempt, "started in a cancelled run");
  require(static_cast<int>(live_.size()) <= options_.parallelism, attempt, "exceeds parallelism");
  require(static_cast<int>(live_.size()) <= capacity_.value_or(options_.parallelism), attempt,
          "exceeds what the executor holds");
  const TaskSpec& spec = run.dag->task(*run.dag->find(attempt.task));
  for (const TaskId& before : spec.upstream) {
    const auto found = run.tasks.find(before);
    require(found != run.tasks.end() && found->second.state == TaskState::Success, attempt,
            "started before its upstream succeeded");
  }
  int& slots = slots_[spec.pool];
  slots += spec.pool_slots;
  const auto pool = options_.pools.find(spec.pool);
  require(slots <= (pool == options_.pools.end() ? 128 : pool->second), attempt,
          "exceeds the slots of its pool");
}

void Invariants::on_end(const AttemptId& attempt, const StoredRun& run) {
  const auto found = live_.find(std::pair(attempt.run, attempt.task));
  require(found != live_.end() && found->second == attempt.epoch, attempt,
          "ended without being alive");
  if (found == live_.end()) return;
  live_.erase(found);
  const TaskSpec& spec = run.dag->task(*run.dag->find(attempt.task));
  slots_[spec.pool] -= spec.pool_slots;
}

void Invariants::on_run(const RunRecord& run) {
  std::set<RunId>& active = active_[run.key.dag];
  if (run.state == RunState::Running)
    active.insert(run.key.run);
  else
    active.erase(run.key.run);
  require(static_cast<int>(active.size()) <= limit_[run.key.dag], {run.key, TaskId(), 0},
          "exceeds max_active_runs");
}

}  // namespace millrace::orchestration
