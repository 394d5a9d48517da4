#include <algorithm>

#include <fmt/core.h>

#include "base/hash.h"
#include "orchestration/scheduler_core.h"

namespace millrace::orchestration {
namespace {

// Between attempts that others were quicker than.
constexpr Duration kFirstConflictDelay = std::chrono::seconds(1);
constexpr Duration kMostConflictDelay = std::chrono::minutes(1);

/// Why an attempt ended that says it was cancelled, where it was not.
std::string from_outside(const std::string& words) {
  return "it was told to stop (SIGTERM), and not by Millrace: somebody else sent the signal, "
         "perhaps a guard of the machine's memory: " +
         words;
}

}  // namespace

std::optional<Scheduler::Core::Place> Scheduler::Core::living(const AttemptId& attempt,
                                                              std::string_view report) {
  const auto refuse = [&](std::string_view why) {
    actions_.emplace_back(action::Refused{
        attempt, fmt::format("'{}' of attempt {} was put aside: {}", report, attempt.str(), why)});
    return std::nullopt;
  };
  Run* run = find(attempt.run);
  if (run == nullptr) return refuse("its run is not active");
  const std::optional<TaskIndex> index = run->dag->find(attempt.task);
  if (!index || *index >= run->tasks.size()) return refuse("its run has no such task");
  const Place place{run, *index};
  ++touched_;
  if (place.task().record.map_index != attempt.map_index)
    return refuse("its task has no such map_index");
  if (place.task().record.epoch != attempt.epoch || !is_live(place.task().record.state))
    return refuse(fmt::format("the task has gone on (epoch {}, {})", place.task().record.epoch,
                              to_string(place.task().record.state)));
  return place;
}

std::optional<Scheduler::Core::Place> Scheduler::Core::current(const AttemptId& attempt,
                                                               std::string_view report) {
  const std::optional<Place> place = living(attempt, report);
  if (!place || !place->task().ending) return place;
  actions_.emplace_back(action::Refused{
      attempt, fmt::format("'{}' of attempt {} was put aside: it is being killed ({})", report,
                           attempt.str(), place->task().ending->message)});
  return std::nullopt;
}

void Scheduler::Core::on(const event::AttemptStarted& event) {
  if (const std::optional<Place> place = current(event.attempt, "started")) show_life(*place);
}

void Scheduler::Core::on(const event::Heartbeat& event) {
  if (const std::optional<Place> place = current(event.attempt, "heartbeat")) show_life(*place);
}

void Scheduler::Core::show_life(const Place& place) {
  place.task().heard = now_.running;
  if (place.task().record.state != TaskState::Queued) return;
  place.task().record.state = TaskState::Running;
  place.task().record.started_at = now_.wall;
  changed(place);
  if (const auto& timeout = place.spec().execution_timeout)
    arm(*timeout, Timer::Kind::Timeout, place);
}

void Scheduler::Core::on(const event::AttemptFinished& event) {
  const std::optional<Place> place = living(event.attempt, "finished");
  if (!place) return;
  if (place->task().ending)
    end_as_decided(*place);
  else
    end_as_reported(*place, event.outcome);
}

void Scheduler::Core::on(const event::AttemptLost& event) {
  const std::optional<Place> place = living(event.attempt, "lost");
  if (!place) return;
  if (place->task().ending)
    end_as_decided(*place);
  else
    end_as_lost(*place, event);
}

ReadyTask Scheduler::Core::ready_task(const Place& place) {
  ReadyTask ready = in_line(*place.run);
  ready.position = place.run->dag->position(place.index);
  ready.task = place.index;
  return ready;
}

/// Lets a task without a state go on, if what stands before it has ended.
void Scheduler::Core::consider(const Place& place) {
  ++touched_;
  if (place.task().record.state != TaskState::None) return;
  switch (decide(place.spec().trigger_rule, place.task().upstream)) {
    case Decision::Wait:
      return;
    case Decision::Run:
      return schedule(place);
    case Decision::Skip:
      return settle(place, TaskState::Skipped);
    case Decision::UpstreamFailed:
      return settle(place, TaskState::UpstreamFailed);
  }
}

void Scheduler::Core::schedule(const Place& place) {
  TaskRecord& record = place.task().record;
  record.state = TaskState::Scheduled;
  record.scheduled_at = now_.wall;
  record.retry_at.reset();
  changed(place);
  pools_.add(place.spec().pool, place.spec().pool_slots, ready_task(place));
}

/// Gives a task its last state, and those behind it theirs where that follows. A list instead of
/// recursion: a chain may be 100,000 tasks long.
void Scheduler::Core::settle(const Place& first, TaskState first_state) {
  std::vector<std::pair<TaskIndex, TaskState>> todo = {{first.index, first_state}};
  Run& run = *first.run;
  for (std::size_t at = 0; at < todo.size(); ++at) {
    const auto [index, state] = todo[at];
    Task& task = run.tasks[index];
    ++touched_;
    if (is_finished(task.record.state)) continue;
    if (task.record.state == TaskState::Scheduled)
      pools_.remove(run.dag->task(index).pool, ready_task({&run, index}));
    disarm({&run, index});
    const bool failed = state == TaskState::Failed || state == TaskState::UpstreamFailed;
    task.record.state = state;
    task.record.finished_at = now_.wall;
    changed({&run, index});
    run.failed += failed ? 1 : 0;
    if (--run.unfinished == 0) finished_.push_back(run.record.key);
    for (const TaskIndex next : run.dag->downstream(index)) {
      Task& after = run.tasks[next];
      ++touched_;
      after.upstream.success += state == TaskState::Success ? 1 : 0;
      after.upstream.skipped += state == TaskState::Skipped ? 1 : 0;
      after.upstream.failed += failed ? 1 : 0;
      if (after.record.state != TaskState::None) continue;
      const Decision decision = decide(run.dag->task(next).trigger_rule, after.upstream);
      if (decision == Decision::Run) schedule({&run, next});
      if (decision == Decision::Skip) todo.emplace_back(next, TaskState::Skipped);
      if (decision == Decision::UpstreamFailed) todo.emplace_back(next, TaskState::UpstreamFailed);
    }
  }
}

/// A short circuit: everything behind the task is skipped, whatever its trigger rule.
void Scheduler::Core::skip_downstream(const Place& place) {
  for (const TaskIndex i : place.run->dag->with_downstream(place.index)) {
    const Place behind{place.run, i};
    if (i == place.index || behind.task().record.state != TaskState::None) continue;
    behind.task().record.message = fmt::format("'{}' ended the work here", place.spec().id.str());
    settle(behind, TaskState::Skipped);
  }
}

void Scheduler::Core::dispatch() {
  while (const std::optional<ReadyTask> next = pools_.take())
    start({by_number_.at(next->run), next->task});
}

void Scheduler::Core::start(const Place& place) {
  Task& task = place.task();
  ++touched_;
  task.record.state = TaskState::Queued;
  task.record.queued_at = now_.wall;
  task.record.started_at.reset();
  task.record.finished_at.reset();
  ++task.record.attempt;
  ++task.record.epoch;
  task.ending.reset();
  task.heard = now_.running;
  changed(place);
  actions_.emplace_back(
      action::StartAttempt{attempt_of(place), task.record.generation, task.record.attempt});
  arm(options_.heartbeat_timeout, Timer::Kind::Silence, place);
}

void Scheduler::Core::kill(const Place& place, Ending::Why why, std::string message) {
  const bool already = place.task().ending.has_value();
  place.task().ending = Ending{why, message};
  if (already) return;
  actions_.emplace_back(action::KillAttempt{attempt_of(place), std::move(message)});
  disarm(place);
  arm(options_.kill_timeout, Timer::Kind::Kill, place);
}

void Scheduler::Core::release(const Place& place) {
  pools_.give_back(place.spec().pool, place.spec().pool_slots);
  place.task().ending.reset();
  disarm(place);
}

/// As if it had never run in this generation.
void Scheduler::Core::reset(const Place& place) {
  const TaskRecord& old = place.task().record;
  TaskRecord fresh;
  fresh.task = old.task;
  fresh.epoch = old.epoch;
  fresh.generation = place.run->record.generation;
  place.task().record = std::move(fresh);
  disarm(place);
}

void Scheduler::Core::close_attempt(const Place& place, AttemptState state,
                                    std::optional<ErrorCode> error, std::string message) {
  const AttemptId attempt = attempt_of(place);
  release(place);
  place.task().record.error = error;
  place.task().record.message = message;
  actions_.emplace_back(action::AttemptEnded{attempt, state, error, std::move(message)});
}

void Scheduler::Core::end_as_decided(const Place& place) {
  const Ending ending = *place.task().ending;
  switch (ending.why) {
    case Ending::Why::Timeout:
      close_attempt(place, AttemptState::Failed, ErrorCode::Timeout, ending.message);
      return fail(place, ErrorCode::Timeout, ending.message);
    case Ending::Why::Silent:
      close_attempt(place, AttemptState::Lost, ErrorCode::Unavailable, ending.message);
      return fail(place, ErrorCode::Unavailable, ending.message);
    case Ending::Why::Cancelled:
      close_attempt(place, AttemptState::Killed, ErrorCode::Cancelled, ending.message);
      return settle(place, TaskState::Failed);
    case Ending::Why::Cleared:
      close_attempt(place, AttemptState::Killed, ErrorCode::Cancelled, ending.message);
      reset(place);
      changed(place);
      return consider(place);
  }
}

void Scheduler::Core::end_as_reported(const Place& place, const Outcome& outcome) {
  switch (outcome.kind) {
    case Outcome::Kind::Success:
      close_attempt(place, AttemptState::Success, std::nullopt, "");
      return settle(place, TaskState::Success);
    case Outcome::Kind::SuccessSkipDownstream:
      close_attempt(place, AttemptState::Success, std::nullopt, "");
      skip_downstream(place);
      return settle(place, TaskState::Success);
    case Outcome::Kind::Skipped:
      close_attempt(place, AttemptState::Skipped, std::nullopt, outcome.message);
      return settle(place, TaskState::Skipped);
    case Outcome::Kind::Failed:
      // Whom we ask to stop has an ending, and is not asked how he ended.
      if (outcome.error == ErrorCode::Cancelled)
        return end_as_failed(place, std::nullopt, from_outside(outcome.message));
      return end_as_failed(place, outcome.error, outcome.message);
  }
}

void Scheduler::Core::end_as_failed(const Place& place, std::optional<ErrorCode> error,
                                    const std::string& message) {
  close_attempt(place, AttemptState::Failed, error, message);
  fail(place, error, message);
}

void Scheduler::Core::end_as_lost(const Place& place, const event::AttemptLost& lost) {
  using Because = event::AttemptLost::Because;
  close_attempt(place, AttemptState::Lost, ErrorCode::Unavailable, lost.message);
  TaskRecord& record = place.task().record;
  if (lost.because == Because::Interrupted) return schedule(place);
  if (lost.because == Because::ServerDied && ++record.losses <= options_.most_losses)
    return schedule(place);
  fail(place, ErrorCode::Unavailable, lost.message);
}

void Scheduler::Core::fail(const Place& place, std::optional<ErrorCode> error,
                           std::string message) {
  TaskRecord& record = place.task().record;
  record.error = error;
  record.message = std::move(message);
  if (error == ErrorCode::Conflict && record.conflicts < options_.most_conflicts) {
    ++record.conflicts;
    return retry(place, jittered(place, kFirstConflictDelay, record.conflicts, kMostConflictDelay));
  }
  ++record.failures;
  const bool worth_it = !error || is_retryable(*error);
  if (!worth_it || record.failures > place.spec().retries) return settle(place, TaskState::Failed);
  retry(place, retry_delay(place));
}

void Scheduler::Core::retry(const Place& place, Duration delay) {
  TaskRecord& record = place.task().record;
  record.state = TaskState::UpForRetry;
  record.finished_at = now_.wall;
  record.retry_at = now_.wall + delay;
  changed(place);
  arm(delay, Timer::Kind::Retry, place);
}

Duration Scheduler::Core::retry_delay(const Place& place) const {
  const TaskSpec& spec = place.spec();
  if (!spec.retry_exponential_backoff) return spec.retry_delay;
  return jittered(place, spec.retry_delay, place.task().record.failures, spec.max_retry_delay);
}

/// Full jitter (the AWS Architecture Blog's "Exponential Backoff And Jitter", 2015): any delay from
/// zero to the doubled one is as likely, so that what failed together does not come back together.
Duration Scheduler::Core::jittered(const Place& place, Duration first, int times,
                                   Duration longest) const {
  double most = static_cast<double>(first.count());
  for (int i = 1; i < times && i < 64; ++i) most *= 2;
  most = std::min(most, static_cast<double>(longest.count()));
  const std::uint64_t draw =
      stable_hash(fmt::format("{} {}", options_.seed, attempt_of(place).str()));
  const double share = static_cast<double>(draw >> 11U) / static_cast<double>(1ULL << 53U);
  return Duration(static_cast<std::int64_t>(most * share));
}

void Scheduler::Core::arm(Duration in, Timer::Kind kind, const Place& place) {
  disarm(kind, place);
  const TimerKey key{now_.running + in, ++last_timer_};
  timers_.emplace(key, Timer{kind, place.run->number, place.index});
  place.task().timers.at(static_cast<std::size_t>(kind)) = key;
}

void Scheduler::Core::disarm(Timer::Kind kind, const Place& place) {
  auto& timer = place.task().timers.at(static_cast<std::size_t>(kind));
  if (timer) timers_.erase(*timer);
  timer.reset();
}

/// A task takes its timers with it, so that one of 24 hours is not kept for an attempt of a second.
void Scheduler::Core::disarm(const Place& place) {
  for (const auto kind :
       {Timer::Kind::Retry, Timer::Kind::Timeout, Timer::Kind::Silence, Timer::Kind::Kill})
    disarm(kind, place);
}

void Scheduler::Core::fire_timers() {
  while (!points_.empty() && points_.begin()->first <= now_.wall) {
    DagState& state = dags_.at(points_.begin()->second);
    points_.erase(points_.begin());
    state.next.reset();
    follow_schedule(state);
  }
  while (!timers_.empty() && timers_.begin()->first.first <= now_.running) {
    const auto [key, timer] = *timers_.begin();
    const Place place{by_number_.at(timer.run), timer.task};
    disarm(timer.kind, place);
    ++touched_;
    fire(timer.kind, place, key.first);
  }
}

void Scheduler::Core::fire(Timer::Kind kind, const Place& place, Duration due) {
  switch (kind) {
    case Timer::Kind::Retry:
      return schedule(place);
    case Timer::Kind::Timeout:
      return kill(place, Ending::Why::Timeout,
                  fmt::format("it ran longer than its execution_timeout of {}",
                              format_duration(*place.spec().execution_timeout)));
    case Timer::Kind::Silence:
      return listen(place, due);
    case Timer::Kind::Kill:
      return end_as_decided(place);
  }
}

/// Kills an attempt that has not been heard for too long. When this is asked much too late, it was
/// the server that did not run, and it may not have read yet what the attempt said: the attempt
/// gets one interval more.
void Scheduler::Core::listen(const Place& place, Duration due) {
  Duration& heard = place.task().heard;
  if (now_.running - due > options_.heartbeat_timeout / 2) heard = now_.running;
  const Duration left = heard + options_.heartbeat_timeout - now_.running;
  if (left > Duration::zero()) return arm(left, Timer::Kind::Silence, place);
  kill(place, Ending::Why::Silent,
       fmt::format("no sign of life for {}", format_duration(options_.heartbeat_timeout)));
}

}  // namespace millrace::orchestration
