#include "orchestration/scheduler.h"

#include <algorithm>

#include <fmt/core.h>

#include "base/suggest.h"
#include "orchestration/scheduler_core.h"

namespace millrace::orchestration {
namespace {

constexpr const char* kCancelled = "the run was cancelled";

}  // namespace

Scheduler::Scheduler(SchedulerOptions options)
    : core_(std::make_unique<Core>(std::move(options))) {}
Scheduler::~Scheduler() = default;
Scheduler::Scheduler(Scheduler&&) noexcept = default;
Scheduler& Scheduler::operator=(Scheduler&&) noexcept = default;

std::vector<Action> Scheduler::step(const Moment& now, const Event& event) {
  return core_->step(now, event);
}

std::optional<Duration> Scheduler::until_next_timer(const Moment& now) const {
  std::optional<Duration> wait;
  if (!core_->timers_.empty()) wait = core_->timers_.begin()->first.first - now.running;
  if (!core_->points_.empty()) {
    const Duration point = core_->points_.begin()->first - now.wall;
    wait = wait ? std::min(*wait, point) : point;
  }
  if (wait) wait = std::max(*wait, Duration::zero());
  return wait;
}

bool Scheduler::is_current(const AttemptId& attempt) const {
  const TaskRecord* task = find_task(attempt.run, attempt.task);
  if (task == nullptr || task->map_index != attempt.map_index || task->epoch != attempt.epoch ||
      !is_live(task->state))
    return false;
  const Core::Run& run = *core_->runs_.at(attempt.run);
  return !run.tasks[*run.dag->find(attempt.task)].ending;
}

Status Scheduler::check(const Dag& dag) const {
  for (const TaskSpec& task : dag.spec().tasks) {
    const std::optional<int> slots = core_->pools_.size(task.pool);
    if (!slots)
      return Error(ErrorCode::Invalid,
                   fmt::format("Dag '{}': task '{}' runs in the pool '{}', which does not exist{}",
                               dag.id().str(), task.id.str(), task.pool,
                               suggestion(task.pool, core_->pools_.names())));
    if (task.pool_slots > *slots)
      return Error(ErrorCode::Invalid,
                   fmt::format("Dag '{}': task '{}' takes {} slots of the pool '{}', which has {}",
                               dag.id().str(), task.id.str(), task.pool_slots, task.pool, *slots));
  }
  return {};
}

std::optional<Scheduler::View> Scheduler::find(const RunKey& key) const {
  const auto found = core_->runs_.find(key);
  if (found == core_->runs_.end()) return std::nullopt;
  return View{found->second->record, *found->second->dag};
}

const TaskRecord* Scheduler::find_task(const RunKey& key, const TaskId& task) const {
  const auto found = core_->runs_.find(key);
  if (found == core_->runs_.end()) return nullptr;
  const std::optional<TaskIndex> index = found->second->dag->find(task);
  if (!index || *index >= found->second->tasks.size()) return nullptr;
  return &found->second->tasks[*index].record;
}

std::vector<AttemptId> Scheduler::live_attempts() const {
  std::vector<AttemptId> live;
  for (const auto& [key, run] : core_->runs_)
    for (const Core::Task& task : run->tasks)
      if (is_live(task.record.state))
        live.push_back({key, task.record.task, task.record.epoch, task.record.map_index});
  std::sort(live.begin(), live.end());
  return live;
}

Scheduler::Usage Scheduler::usage() const {
  return {core_->pools_.running(), core_->pools_.used(), core_->runs_.size(), core_->touched_};
}

std::vector<Action> Scheduler::Core::step(const Moment& now, const Event& event) {
  now_ = {now.wall, std::max(now_.running, now.running)};
  actions_.clear();
  fire_timers();
  std::visit([this](const auto& e) { on(e); }, event);
  do dispatch();
  while (close_finished_runs());
  return std::move(actions_);
}

Scheduler::Core::Run* Scheduler::Core::find(const RunKey& key) {
  const auto found = runs_.find(key);
  return found == runs_.end() ? nullptr : found->second.get();
}

void Scheduler::Core::on(const event::DagAdded& event) {
  DagState& state = dags_[event.dag->id()];
  const bool is_new = !state.last_point && !event.last_point;
  state.dag = event.dag;
  state.existing.insert(event.existing.begin(), event.existing.end());
  if (event.last_point) state.last_point = event.last_point;
  wait_for(state, event.dag->id(), std::nullopt);
  start_runs(state);  // they waited for the Dag, or its max_active_runs has grown
  if (!options_.follow_schedules || !event.dag->schedule().has_points()) return;
  if (is_new) {
    const DagSpec& spec = event.dag->spec();
    const bool from_start = spec.catchup || spec.schedule == "@once";
    state.last_point = from_start ? *spec.start_date - Duration(1) : now_.wall;
    actions_.emplace_back(action::ScheduleAdvanced{spec.id, *state.last_point});
  }
  follow_schedule(state);
}

void Scheduler::Core::on(const event::Stopping&) {
  pools_.close();
}

void Scheduler::Core::on(const event::DagRemoved& event) {
  const auto found = dags_.find(event.dag);
  if (found == dags_.end()) return;
  wait_for(found->second, event.dag, std::nullopt);
  found->second.dag.reset();
}

void Scheduler::Core::wait_for(DagState& state, const DagId& dag, std::optional<Instant> point) {
  if (state.next) points_.erase({*state.next, dag});
  state.next = point;
  if (point) points_.emplace(*point, dag);
}

/// Makes runs of the points that are due. One of them may wait; the points behind it are looked at
/// when it starts, so that years to catch up with cost no memory.
void Scheduler::Core::follow_schedule(DagState& state) {
  if (!state.dag || !state.last_point || !options_.follow_schedules) return;
  const Schedule& schedule = state.dag->schedule();
  while (state.waiting_by_schedule == 0) {
    std::optional<Instant> point = schedule.next_after(*state.last_point);
    if (!point) return;
    if (*point > now_.wall) return wait_for(state, state.dag->id(), point);
    if (!state.dag->spec().catchup) point = schedule.previous_at_or_before(now_.wall);
    state.last_point = point;
    actions_.emplace_back(action::ScheduleAdvanced{state.dag->id(), *point});
    const bool exists = state.existing.contains(*point);
    state.existing.erase(state.existing.begin(), state.existing.upper_bound(*point));
    if (exists) continue;
    // Without parameters a plan cannot be refused.
    const RunRecord planned = *plan_run(*state.dag, *point, Json(), RunReason::Schedule);
    if (!runs_.contains(planned.key)) on(event::RunRequested{planned});
  }
}

void Scheduler::Core::on(const event::RunRequested& event) {
  const auto state = dags_.find(event.run.key.dag);
  if (state == dags_.end() || !state->second.dag || runs_.contains(event.run.key)) return;
  auto run = std::make_unique<Run>();
  run->record = event.run;
  run->record.state = RunState::Queued;
  run->record.requested_at = now_.wall;
  run->dag = state->second.dag;
  const bool plain = event.run.key.run.str() == format_instant(event.run.logical_date);
  if (plain && state->second.last_point && event.run.logical_date > *state->second.last_point)
    state->second.existing.insert(event.run.logical_date);
  actions_.emplace_back(action::RunCreated{run->record});
  enqueue(std::move(run));
}

void Scheduler::Core::enqueue(std::unique_ptr<Run> run) {
  Run& kept = *run;
  if (kept.number == 0) kept.number = ++last_run_;
  DagState& state = dags_[kept.record.key.dag];
  by_number_[kept.number] = &kept;
  runs_[kept.record.key] = std::move(run);
  if (kept.record.state != RunState::Queued) return;
  state.waiting.emplace(in_line(kept), &kept);
  if (kept.record.reason == RunReason::Schedule) ++state.waiting_by_schedule;
  start_runs(state);
}

/// None of a Dag that is gone: nobody asks for it any more.
void Scheduler::Core::start_runs(DagState& state) {
  while (state.dag && !state.waiting.empty()) {
    Run& run = *state.waiting.begin()->second;
    if (state.active >= state.dag->spec().max_active_runs) break;
    state.waiting.erase(state.waiting.begin());
    if (run.record.reason == RunReason::Schedule) --state.waiting_by_schedule;
    ++state.active;
    begin(run);
  }
}

void Scheduler::Core::begin(Run& run) {
  run.record.state = RunState::Running;
  run.record.started_at = now_.wall;
  if (run.tasks.empty()) {
    // The newest version; a run that has started keeps its own.
    use(dags_[run.record.key.dag].dag, run);
    make_tasks(run);
  }
  changed(run);
  for (const TaskIndex i : run.dag->order()) consider({&run, i});
}

/// The run was asked for with the parameters of another version: what it was asked with stays, and
/// a parameter that this one has besides is at its default.
void Scheduler::Core::use(const std::shared_ptr<const Dag>& version, Run& run) {
  run.dag = version;
  run.record.dag_version = version->version();
  for (const auto& [name, value] : version->spec().params.as_object())
    if (!run.record.params.contains(name)) run.record.params.set(name, value);
}

void Scheduler::Core::make_tasks(Run& run) {
  run.tasks.resize(run.dag->size());
  run.unfinished = run.dag->size();
  for (TaskIndex i = 0; i < run.dag->size(); ++i) {
    run.tasks[i].record.task = run.dag->task(i).id;
    run.tasks[i].record.generation = run.record.generation;
    run.tasks[i].upstream.total = static_cast<std::uint32_t>(run.dag->upstream(i).size());
  }
}

void Scheduler::Core::count_upstream(Run& run, TaskIndex index) {
  UpstreamCounts& counts = run.tasks[index].upstream;
  counts = {.total = counts.total};
  for (const TaskIndex before : run.dag->upstream(index)) {
    const TaskState state = run.tasks[before].record.state;
    counts.success += state == TaskState::Success ? 1 : 0;
    counts.skipped += state == TaskState::Skipped ? 1 : 0;
    counts.failed += state == TaskState::Failed || state == TaskState::UpstreamFailed ? 1 : 0;
  }
}

void Scheduler::Core::on(const event::RunsLoaded& event) {
  // Those that were running keep their places; the queued ones wait behind them.
  for (const event::RunsLoaded::Stored& stored : event.runs)
    if (stored.run.state != RunState::Queued) load(stored);
  for (const event::RunsLoaded::Stored& stored : event.runs)
    if (stored.run.state == RunState::Queued) load(stored);
}

void Scheduler::Core::load(const event::RunsLoaded::Stored& stored) {
  if (runs_.contains(stored.run.key)) return;
  auto run = std::make_unique<Run>();
  run->record = stored.run;
  run->dag = stored.dag;
  if (!stored.tasks.empty() || stored.run.state != RunState::Queued) make_tasks(*run);
  for (const TaskRecord& record : stored.tasks) {
    const std::optional<TaskIndex> index = run->dag->find(record.task);
    if (!index) {
      run->removed.push_back(record);
      continue;
    }
    run->tasks[*index].record = record;
    run->unfinished -= is_finished(record.state) ? 1 : 0;
    run->failed +=
        record.state == TaskState::Failed || record.state == TaskState::UpstreamFailed ? 1 : 0;
  }
  for (TaskIndex i = 0; i < run->tasks.size(); ++i) count_upstream(*run, i);
  Run& kept = *run;
  enqueue(std::move(run));
  if (kept.record.state == RunState::Running) resume(kept);
}

void Scheduler::Core::resume(Run& run) {
  ++dags_[run.record.key.dag].active;
  for (const TaskIndex i : run.dag->order()) {
    const Place place{&run, i};
    const TaskRecord& record = place.task().record;
    if (is_live(record.state)) {
      resume(place);
    } else if (record.state == TaskState::UpForRetry) {
      const Duration longest = std::max(place.spec().retry_delay, place.spec().max_retry_delay);
      const Duration left = record.retry_at.value_or(now_.wall) - now_.wall;
      arm(std::clamp(left, Duration::zero(), longest), Timer::Kind::Retry, place);
    } else if (record.state == TaskState::Scheduled) {
      pools_.add(place.spec().pool, place.spec().pool_slots, ready_task(place));
    } else {
      consider(place);
    }
  }
  if (run.unfinished == 0) finished_.push_back(run.record.key);
}

/// Takes up an attempt that may still be alive, with what was decided about it and what is left of
/// its time. That the run was cancelled comes first: clearing it afterwards would have taken that
/// back.
void Scheduler::Core::resume(const Place& place) {
  const TaskRecord& record = place.task().record;
  pools_.occupy(place.spec().pool, place.spec().pool_slots);
  place.task().heard = now_.running;
  if (place.run->record.cancelled) return kill(place, Ending::Why::Cancelled, kCancelled);
  if (record.state == TaskState::Restarting) return kill(place, Ending::Why::Cleared, "cleared");
  arm(options_.heartbeat_timeout, Timer::Kind::Silence, place);
  const auto& timeout = place.spec().execution_timeout;
  if (!timeout || !record.started_at) return;
  const Duration left = *record.started_at + *timeout - now_.wall;
  arm(std::clamp(left, Duration::zero(), *timeout), Timer::Kind::Timeout, place);
}

void Scheduler::Core::on(const event::RunCleared& event) {
  Run* run = find(event.run);
  if (run == nullptr || run->tasks.empty()) return;  // it has not started: nothing to clear
  const bool was_finished = is_finished(run->record.state);
  if (event.task && !run->dag->find(*event.task)) {
    if (was_finished) forget(*run);
    return;
  }
  ++run->record.generation;
  run->record.cancelled = false;
  if (!event.task) {
    if (was_finished) renew(*run);
    clear(*run, {run->dag->order().begin(), run->dag->order().end()});
  } else {
    clear(*run, run->dag->with_downstream(*run->dag->find(*event.task)));
  }
  if (was_finished) {
    run->record.state = RunState::Queued;
    run->record.reason = event.reason.value_or(run->record.reason);
    run->record.started_at.reset();
    run->record.finished_at.reset();
  }
  changed(*run);
  if (!was_finished) return;
  DagState& state = dags_[run->record.key.dag];
  state.waiting.emplace(in_line(*run), run);
  if (run->record.reason == RunReason::Schedule) ++state.waiting_by_schedule;
  start_runs(state);
}

/// Gives a finished run the newest version of its Dag. Epochs go on counting, so that an attempt of
/// before the clearing can never pass for one of after it.
void Scheduler::Core::renew(Run& run) {
  const auto& newest = dags_[run.record.key.dag].dag;
  if (!newest || newest->version() == run.dag->version()) return;
  const std::vector<Task> old = std::move(run.tasks);
  use(newest, run);
  run.tasks.clear();
  run.failed = 0;
  make_tasks(run);
  std::vector<TaskRecord> records = std::exchange(run.removed, {});
  for (const Task& task : old) records.push_back(task.record);
  for (TaskRecord& record : records) {
    if (const std::optional<TaskIndex> index = newest->find(record.task)) {
      run.tasks[*index].record.epoch = record.epoch;
      continue;
    }
    const bool was_there = std::exchange(record.state, TaskState::Removed) != TaskState::Removed;
    if (was_there) actions_.emplace_back(action::TaskChanged{run.record.key, record});
    run.removed.push_back(std::move(record));
  }
}

void Scheduler::Core::clear(Run& run, const std::vector<TaskIndex>& scope) {
  for (const TaskIndex i : scope) {
    const Place place{&run, i};
    Task& task = place.task();
    if (is_live(task.record.state)) {
      kill(place, Ending::Why::Cleared, "cleared");
      task.record.state = TaskState::Restarting;
      changed(place);
      continue;
    }
    if (task.record.state == TaskState::Scheduled)
      pools_.remove(place.spec().pool, ready_task(place));
    if (is_finished(task.record.state)) ++run.unfinished;
    if (task.record.state == TaskState::Failed || task.record.state == TaskState::UpstreamFailed)
      --run.failed;
    reset(place);
    changed(place);
  }
  for (const TaskIndex i : scope) {
    count_upstream(run, i);
    if (run.record.state == RunState::Running) consider({&run, i});
  }
}

void Scheduler::Core::on(const event::RunCancelled& event) {
  Run* run = find(event.run);
  if (run == nullptr || is_finished(run->record.state)) return;
  run->record.cancelled = true;
  DagState& state = dags_[run->record.key.dag];
  if (run->record.state == RunState::Queued) {
    state.waiting.erase(in_line(*run));
    if (run->record.reason == RunReason::Schedule) --state.waiting_by_schedule;
    ++state.active;  // close_finished_runs() takes it off
    if (run->tasks.empty()) make_tasks(*run);
  }
  changed(*run);
  std::vector<Place> had_run;
  for (TaskIndex i = 0; i < run->tasks.size(); ++i) {
    const Place place{run, i};
    const TaskRecord& record = place.task().record;
    if (is_live(record.state))
      kill(place, Ending::Why::Cancelled, kCancelled);
    else if (!is_finished(record.state) && record.attempt > 0)
      had_run.push_back(place);
  }
  const auto untouched = [](const Task& task) {
    return !is_live(task.record.state) && !is_finished(task.record.state) &&
           task.record.attempt == 0;
  };
  for (Task& task : run->tasks)
    if (untouched(task)) task.record.message = kCancelled;
  for (TaskIndex i = 0; i < run->tasks.size(); ++i)
    if (untouched(run->tasks[i])) settle({run, i}, TaskState::Skipped);
  // Behind the others, which are skipped and not upstream_failed.
  for (const Place& place : had_run) {
    std::string& message = place.task().record.message;
    message = fmt::format("{} before it was tried again{}", kCancelled,
                          message.empty() ? "" : "; its last attempt: " + message);
    settle(place, TaskState::Failed);
  }
}

void Scheduler::Core::forget(Run& run) {
  by_number_.erase(run.number);
  runs_.erase(RunKey(run.record.key));
}

/// Closes runs whose last task has finished; says whether there were any.
bool Scheduler::Core::close_finished_runs() {
  const std::vector<RunKey> finished = std::exchange(finished_, {});
  bool any = false;
  for (const RunKey& key : finished) {
    Run* run = find(key);
    if (run == nullptr || run->unfinished > 0) continue;
    any = true;
    run->record.state =
        run->record.cancelled || run->failed > 0 ? RunState::Failed : RunState::Success;
    run->record.finished_at = now_.wall;
    changed(*run);
    forget(*run);
    DagState& state = dags_[key.dag];
    --state.active;
    start_runs(state);
    follow_schedule(state);
  }
  return any;
}

}  // namespace millrace::orchestration
