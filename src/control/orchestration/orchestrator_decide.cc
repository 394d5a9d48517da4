#include <algorithm>

#include <fmt/core.h>

#include "base/caught.h"
#include "base/log.h"
#include "orchestration/orchestrator_shell.h"

namespace millrace::orchestration {
namespace {

// Between tries to reach a store that fails.
constexpr Duration kShortestPause = std::chrono::milliseconds(50);
constexpr Duration kLongestPause = std::chrono::seconds(5);

/// Whether the store refuses what we give it, so that it is no use to ask again.
bool is_refusal(const Error& error) {
  return error.code() == ErrorCode::Invalid || error.code() == ErrorCode::AlreadyExists ||
         error.code() == ErrorCode::Internal;
}

/// A hook's answer; an exception of its becomes Internal, with the task's name.
template <typename Hook>
auto guarded_hook(const TaskInstance& instance, Hook&& hook) {
  return caught(hook, [&](const std::string& what) {
    return Error(ErrorCode::Internal, fmt::format("task '{}' met an error of our own: {}",
                                                  instance.task.id.str(), what));
  });
}

}  // namespace

/// Decides, stores, then does. What was decided stays decided while the store fails: it is stored
/// again and again until it is there, since doing it without would forget it.
Status Orchestrator::Shell::decide_and_do(std::vector<Message> batch) {
  if (given_up_) return *given_up_;
  rebuilt_ = false;
  follow_clock(batch);
  if (stale_) TRY(rebuild(batch));
  Asking asking{clock_.running()};
  for (;;) {
    refused_now_ = false;
    Status stored = database_.write(
        [&](metadata::Transaction& transaction) { return try_to_store(transaction, batch); });
    if (stored.ok()) break;
    if (refused_now_) {  // not the store's fault: decided otherwise at once
      if (stale_) TRY(rebuild(batch));
      continue;
    }
    if (is_refusal(stored.error())) {
      stale_ = true;
      return stored;
    }
    set_trouble("the store of runs does not answer; nothing is scheduled until it does: " +
                stored.error().message());
    if (!ask_again(asking, stored.error())) return *given_up_;
  }
  set_trouble("");
  if (rebuilt_) reopen_fence();
  settle_ends(batch);
  for (const Message& message : batch)
    for (const Action& action : *message.actions) carry_out(action);
  return {};
}

bool Orchestrator::Shell::ask_again(Asking& asking, const Error& why) {
  if (asking.last) {
    give_up(
        "the server was stopped while its store of runs did not answer, and what was asked last is "
        "not stored: " +
        why.message());
    return false;
  }
  const Duration waited = clock_.running() - asking.since;
  if (options_.store_patience && waited >= *options_.store_patience) {
    give_up(fmt::format(
        "the store of runs has not answered for {}, and nothing waits for it any longer: {}. What "
        "was stored is kept: make room on its disk, or mend what it says, and ask again",
        format_duration(waited), why.message()));
    return false;
  }
  asking.pause = std::clamp(asking.pause * 2, kShortestPause, kLongestPause);
  asking.last = !wait(asking.pause);
  return true;
}

void Orchestrator::Shell::give_up(std::string because) {
  {
    const std::lock_guard lock(finished_mutex_);
    given_up_ = Error(ErrorCode::Unavailable, std::move(because));
  }
  run_finished_.notify_all();
}

void Orchestrator::Shell::set_trouble(std::string trouble) {
  if (!trouble.empty()) log_error(trouble);
  const std::lock_guard lock(finished_mutex_);
  trouble_ = std::move(trouble);
}

/// All that a new core must know: what is unfinished, which of its attempts are lost, and the Dags.
Result<std::vector<Orchestrator::Shell::Message>> Orchestrator::Shell::read_store() {
  RunStore::Unfinished unfinished = TRY(store_.load_unfinished());
  for (const std::string& run : unfinished.unreadable)
    log_warning("a run is left as it is, since its Dag cannot be read: " + run);
  std::vector<Message> all;
  if (leaving_) all.push_back(at_once(event::Stopping{}));
  if (capacity_) all.push_back(at_once(event::CapacityChanged{*capacity_}));
  all.push_back(at_once(unfinished.loaded));
  for (const event::RunsLoaded::Stored& stored : unfinished.loaded.runs)
    for (const TaskRecord& task : stored.tasks) {
      const AttemptId attempt{stored.run.key, task.task, task.epoch, task.map_index};
      if (is_live(task.state) && !handed_.contains(attempt) &&
          !adopt(stored.run, task, attempt, unfinished))
        all.push_back(at_once(event::AttemptLost{attempt, event::AttemptLost::Because::ServerDied,
                                                 "the server ended while it ran"}));
    }
  for (auto& dag : all_dags()) all.push_back(at_once(TRY(dag_added(std::move(dag)))));
  for (Message& message : all) message.from_store = true;
  return all;
}

/// Whether the executor has found again what an earlier server had started.
bool Orchestrator::Shell::adopt(const RunRecord& run, const TaskRecord& task,
                                const AttemptId& attempt, const RunStore::Unfinished& unfinished) {
  const auto token = unfinished.resume_tokens.find(attempt);
  if (token == unfinished.resume_tokens.end()) return false;
  const bool counts =
      !run.cancelled && task.state != TaskState::Restarting;  // it is not being killed
  const auto open_fence = [&](bool open) {
    const std::lock_guard lock(fence_mutex_);
    if (open && counts)
      current_.insert(attempt);
    else
      current_.erase(attempt);
  };
  open_fence(true);  // before: it may ask as soon as it is adopted
  const bool adopted = executor_.adopt(attempt, token->second);
  if (adopted)
    handed_.insert(attempt);
  else
    open_fence(false);
  return adopted;
}

/// A new core that knows what is stored, and nothing of what it had decided about the batch.
Status Orchestrator::Shell::rebuild(std::vector<Message>& batch) {
  Asking asking{clock_.running()};
  Result<std::vector<Message>> stored = read_store();
  while (!stored.ok()) {
    set_trouble("the store of runs cannot be read; nothing is scheduled until it can: " +
                stored.error().message());
    if (!ask_again(asking, stored.error())) return *given_up_;
    stored = read_store();
  }
  std::erase_if(batch, [](const Message& message) { return message.from_store; });
  for (Message& message : batch) message.actions.reset();
  batch.insert(batch.begin(), std::make_move_iterator(stored->begin()),
               std::make_move_iterator(stored->end()));
  scheduler_ = Scheduler(options_.scheduler);
  stale_ = false;
  rebuilt_ = true;
  return {};
}

/// A wall clock that was set back: points of schedules may come a second time, and the Dags learn
/// anew which of them have their run.
void Orchestrator::Shell::follow_clock(std::vector<Message>& batch) {
  const Instant now = clock_.now();
  if (now < latest_)
    for (auto& dag : all_dags()) {
      Result<Event> added = dag_added(std::move(dag));
      if (!added.ok()) return log_error("after the clock was set: " + added.error().message());
      batch.insert(batch.begin(), at_once(*std::move(added)));
    }
  latest_ = now;
}

Status Orchestrator::Shell::try_to_store(metadata::Transaction& transaction,
                                         std::vector<Message>& batch) {
  std::vector<Action> all;
  for (Message& message : batch) {
    TRY(settle(transaction, message));
    all.insert(all.end(), message.actions->begin(), message.actions->end());
  }
  // One save for all: of several records of one thing only the last is written.
  TRY(store_.save(transaction, all, batch.back().at.wall, executor_.resume_token()));
  for (Message& message : batch) {
    const Status stored = store_end(transaction, message);
    if (stored.ok()) continue;
    if (is_refusal(stored.error()) && !message.refused) {
      refuse(message, stored.error());
      message.end->result = Json();
      message.end->xcoms = Json::object();
    }
    return stored;
  }
  return {};
}

/// What has been stored of ends, or was of no use, need not be told again.
void Orchestrator::Shell::settle_ends(const std::vector<Message>& batch) {
  for (const Message& message : batch)
    if (const AttemptId* attempt = ended_by(message.event)) executor_.settled(*attempt);
}

Status Orchestrator::Shell::store_end(metadata::Transaction& transaction, const Message& message) {
  const auto* finished = std::get_if<event::AttemptFinished>(&message.event);
  if (finished == nullptr || !message.end) return {};
  TRY(store_.save_end(transaction, finished->attempt, *message.end));
  for (const Action& action : *message.actions)
    if (const auto* end = std::get_if<action::AttemptEnded>(&action);
        end != nullptr && end->state == AttemptState::Success)
      TRY(store_.save_xcoms(transaction, end->attempt, *message.end));
  return {};
}

/// Its success does not count. If it was decided that it does, that decision is not stored.
void Orchestrator::Shell::refuse(Message& message, const Error& why) {
  message.refused = why;
  refused_now_ = true;
  if (message.actions) stale_ = true;
}

bool Orchestrator::Shell::wants_completion(const Message& message) const {
  const auto* finished = std::get_if<event::AttemptFinished>(&message.event);
  return finished != nullptr && message.end && !message.refused &&
         (finished->outcome.kind == Outcome::Kind::Success ||
          finished->outcome.kind == Outcome::Kind::SuccessSkipDownstream);
}

/// Lets the hook take part in the transaction, then decides. A hook that says no is remembered and
/// the transaction given up: the next one decides that the attempt failed.
Status Orchestrator::Shell::settle(metadata::Transaction& transaction, Message& message) {
  if (wants_completion(message)) {
    const AttemptId& attempt = std::get<event::AttemptFinished>(message.event).attempt;
    bool counts = scheduler_.is_current(attempt);
    if (message.actions)  // decided by an earlier try
      for (const Action& action : *message.actions)
        if (const auto* end = std::get_if<action::AttemptEnded>(&action))
          counts = counts || end->state == AttemptState::Success;
    if (counts && !message.instance) message.instance = instance_of(attempt);
    if (counts && message.instance) {
      const Status completed = guarded_hook(*message.instance, [&] {
        return hooks_.complete(transaction, *message.instance, message.end->result);
      });
      if (!completed.ok()) {
        refuse(message, completed.error());
        return completed;
      }
    }
  }
  if (!message.actions) decide(message);
  return {};
}

void Orchestrator::Shell::decide(Message& message) {
  if (message.refused) {
    auto& finished = std::get<event::AttemptFinished>(message.event);
    finished.outcome = {Outcome::Kind::Failed, message.refused->code(), message.refused->message()};
  }
  if (const auto* changed = std::get_if<event::CapacityChanged>(&message.event))
    capacity_ = changed->attempts;
  message.actions = scheduler_.step(message.at, message.event);
  update_fence(*message.actions);
}

/// Closes the fence the moment something is decided, opens it only when the decision is stored
/// (start_attempt).
void Orchestrator::Shell::update_fence(const std::vector<Action>& actions) {
  const std::lock_guard lock(fence_mutex_);
  for (const Action& action : actions) {
    if (const auto* end = std::get_if<action::AttemptEnded>(&action)) current_.erase(end->attempt);
    if (const auto* kill = std::get_if<action::KillAttempt>(&action)) current_.erase(kill->attempt);
  }
}

/// As a new core sees it: it closed the fence also for what it decided and forgot.
void Orchestrator::Shell::reopen_fence() {
  const std::lock_guard lock(fence_mutex_);
  current_.clear();
  for (const AttemptId& attempt : handed_)
    if (scheduler_.is_current(attempt)) current_.insert(attempt);
}

void Orchestrator::Shell::carry_out(const Action& action) {
  if (const auto* created = std::get_if<action::RunCreated>(&action)) {
    tell(created->run);
  } else if (const auto* run = std::get_if<action::RunChanged>(&action)) {
    tell(run->run);
    if (is_finished(run->run.state)) {
      const std::lock_guard lock(finished_mutex_);
      ++ends_;
      run_finished_.notify_all();
    }
  } else if (const auto* task = std::get_if<action::TaskChanged>(&action)) {
    tell(TaskNotice{task->run, task->task});
  } else if (const auto* end = std::get_if<action::AttemptEnded>(&action)) {
    handed_.erase(end->attempt);
  } else if (const auto* start = std::get_if<action::StartAttempt>(&action)) {
    start_attempt(*start);
  } else if (const auto* kill = std::get_if<action::KillAttempt>(&action)) {
    executor_.kill(kill->attempt, options_.kill_grace);
  } else if (const auto* refused = std::get_if<action::Refused>(&action)) {
    log_debug(refused->reason);
  }
}

std::optional<TaskInstance> Orchestrator::Shell::instance_of(const AttemptId& attempt) const {
  const auto view = scheduler_.find(attempt.run);
  const TaskRecord* record = scheduler_.find_task(attempt.run, attempt.task);
  if (!view || record == nullptr) return std::nullopt;
  TaskInstance instance;
  instance.run = view->run;
  instance.task = view->dag.task(*view->dag.find(attempt.task));
  instance.attempt = attempt;
  instance.generation = record->generation;
  instance.number = record->attempt;
  return instance;
}

void Orchestrator::Shell::start_attempt(const action::StartAttempt& start) {
  handed_.insert(start.attempt);
  Status started = Error(ErrorCode::Cancelled, "it was ended before it had started");
  // A later message of the same batch may have decided to end it.
  if (scheduler_.is_current(start.attempt)) {
    {
      const std::lock_guard lock(fence_mutex_);
      current_.insert(start.attempt);
    }
    started = prepare_and_start(*instance_of(start.attempt));
    if (started.ok()) return;
  }
  AttemptEnd end;
  end.outcome = {Outcome::Kind::Failed, started.error().code(), started.error().message()};
  finished(start.attempt, std::move(end));
}

Status Orchestrator::Shell::prepare_and_start(TaskInstance instance) {
  instance.upstream_results = TRY_DOING("reading the results of the upstream tasks",
                                        store_.results(instance.run.key, instance.task.upstream));
  AttemptRequest request;
  request.work = TRY(guarded_hook(instance, [&] { return hooks_.prepare(instance); }));
  request.id = instance.attempt;
  request.generation = instance.generation;
  request.number = instance.number;
  request.resources = instance.task.resources;
  return executor_.start(std::move(request));
}

}  // namespace millrace::orchestration
