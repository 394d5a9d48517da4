#include "orchestration/orchestrator_shell.h"

#include <fmt/core.h>

#include "base/log.h"

namespace millrace::orchestration {
namespace {

constexpr std::size_t kLargestBatch = 128;
// However far the next timer is, the clock is looked at this often: a machine that slept or whose
// time was set is noticed.
constexpr Duration kLongestWait = std::chrono::seconds(30);
// Between tries to reach a store that fails.
constexpr Duration kShortestPause = std::chrono::milliseconds(50);
constexpr Duration kLongestPause = std::chrono::seconds(5);

}  // namespace

Status Orchestrator::Shell::start() {
  RunStore::Unfinished unfinished = TRY(store_.load_unfinished());
  for (const std::string& run : unfinished.unreadable)
    log_warning("a run is left as it is, since its Dag cannot be read: " + run);
  std::vector<Message> batch;
  batch.push_back(at_once(unfinished.loaded));
  for (const event::RunsLoaded::Stored& stored : unfinished.loaded.runs)
    for (const TaskRecord& task : stored.tasks)
      if (is_live(task.state))
        batch.push_back(at_once(event::AttemptLost{{stored.run.key, task.task, task.epoch},
                                                   event::AttemptLost::Because::ServerDied,
                                                   "the server ended while it ran"}));
  for (const auto& entry : dags_) {
    const RunStore::Progress progress = TRY(store_.load_progress(entry.first));
    TRY(database_.write([&](metadata::Transaction& transaction) {
      return store_.save_dag(transaction, *entry.second, clock_.now());
    }));
    batch.push_back(at_once(dag_added(entry.second, progress)));
  }
  const std::lock_guard lock(mutex_);
  INVARIANT(stage_ == Stage::New, "an orchestrator is started once");
  for (Message& message : batch) queue_.emplace_back(std::move(message));
  stage_ = Stage::Running;
  thread_ = std::thread([this] { run(); });
  return {};
}

void Orchestrator::Shell::stop() {
  {
    const std::lock_guard lock(mutex_);
    if (stage_ != Stage::Running) {
      stage_ = Stage::Stopped;
      return;
    }
    stopping_ = true;
  }
  something_.notify_all();
  thread_.join();
  {
    const std::lock_guard lock(finished_mutex_);
    ended_ = true;
  }
  run_finished_.notify_all();
  executor_.stop(options_.kill_grace);
  const std::lock_guard lock(mutex_);
  stage_ = Stage::Stopped;
  queue_.clear();
}

void Orchestrator::Shell::post(Event event, std::optional<AttemptEnd> end) {
  {
    const std::lock_guard lock(mutex_);
    queue_.emplace_back(Message{clock_.now(), std::move(event), std::move(end), {}, {}, {}});
  }
  something_.notify_one();
}

void Orchestrator::Shell::started(const AttemptId& attempt) {
  post(event::AttemptStarted{attempt});
}
void Orchestrator::Shell::heartbeat(const AttemptId& attempt) {
  post(event::Heartbeat{attempt});
}
void Orchestrator::Shell::finished(const AttemptId& attempt, AttemptEnd end) {
  event::AttemptFinished finished{attempt, end.outcome};
  post(std::move(finished), std::move(end));
}
void Orchestrator::Shell::lost(const AttemptId& attempt, std::string why) {
  post(event::AttemptLost{attempt, event::AttemptLost::Because::ExecutorLost, std::move(why)});
}
void Orchestrator::Shell::message(const AttemptId& attempt, AttemptMessage message) {
  tell(MessageNotice{attempt, std::move(message)});
}
bool Orchestrator::Shell::may_commit(const AttemptId& attempt) {
  const std::lock_guard lock(fence_mutex_);
  return current_.contains(attempt);
}

void Orchestrator::Shell::tell(const Notice& notice) {
  const std::lock_guard lock(subscribers_mutex_);
  for (const auto& entry : subscribers_) entry.second(notice);
}

void Orchestrator::Shell::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (queue_.empty()) {
      Duration wait = kLongestWait;
      const std::optional<Instant> timer = scheduler_.next_timer();
      if (timer) wait = std::clamp(*timer - clock_.now(), Duration::zero(), kLongestWait);
      something_.wait_for(lock, wait, [this] { return stopping_ || !queue_.empty(); });
      if (stopping_) break;
      if (queue_.empty()) queue_.emplace_back(at_once(event::TimeIsNow{}));
    }
    std::vector<Message> batch;
    std::function<void()> work;
    while (!queue_.empty() && batch.size() < kLargestBatch) {
      if (auto* message = std::get_if<Message>(&queue_.front())) {
        batch.push_back(std::move(*message));
      } else {
        if (!batch.empty()) break;
        work = std::move(std::get<std::function<void()>>(queue_.front()));
      }
      queue_.pop_front();
      if (work) break;
    }
    lock.unlock();
    if (work) work();
    if (!batch.empty()) decide_and_do(std::move(batch));
    lock.lock();
  }
  auto left = std::exchange(queue_, {});
  lock.unlock();
  // What users still wait for is answered; reports that came are taken; what lives is interrupted.
  std::vector<Message> last;
  for (auto& item : left)
    if (auto* message = std::get_if<Message>(&item))
      last.push_back(std::move(*message));
    else
      std::get<std::function<void()>>(item)();
  last.push_back(at_once(event::Stopping{}));
  decide_and_do(std::move(last));
  std::vector<Message> interrupted;
  for (const AttemptId& attempt : scheduler_.live_attempts())
    interrupted.push_back(at_once(event::AttemptLost{
        attempt, event::AttemptLost::Because::Interrupted, "the server was stopped while it ran"}));
  if (!interrupted.empty()) decide_and_do(std::move(interrupted));
}

/// Decides, stores, then does. What was decided stays decided when the store fails: it is stored
/// again and again until it is there, since doing it without would forget it, and forgetting it
/// would need a core that can go back.
void Orchestrator::Shell::decide_and_do(std::vector<Message> batch) {
  for (Duration pause = kShortestPause;; pause = std::min(pause * 2, kLongestPause)) {
    const Status stored = database_.write(
        [&](metadata::Transaction& transaction) { return try_to_store(transaction, batch); });
    if (stored.ok()) break;
    bool refused_now = false;  // by complete(): not the store's fault, decided otherwise at once
    for (const Message& message : batch)
      refused_now = refused_now || (message.refused && !message.actions);
    if (refused_now) continue;
    log_error("the store of runs does not answer; nothing is scheduled until it does: " +
              stored.error().message());
    if (!wait(pause)) return;  // stopping: what is not stored did not happen
  }
  for (const Message& message : batch)
    for (const Action& action : *message.actions) carry_out(action);
}

bool Orchestrator::Shell::wait(Duration pause) {
  std::unique_lock lock(mutex_);
  return !something_.wait_for(lock, pause, [this] { return stopping_; });
}

Status Orchestrator::Shell::try_to_store(metadata::Transaction& transaction,
                                         std::vector<Message>& batch) {
  std::vector<Action> all;
  for (Message& message : batch) {
    TRY(settle(transaction, message));
    all.insert(all.end(), message.actions->begin(), message.actions->end());
  }
  // One save for all: of several records of one thing only the last is written.
  TRY(store_.save(transaction, all, batch.back().at));
  for (const Message& message : batch) {
    const auto* finished = std::get_if<event::AttemptFinished>(&message.event);
    if (finished == nullptr || !message.end) continue;
    TRY(store_.save_end(transaction, finished->attempt, *message.end));
    for (const Action& action : *message.actions)
      if (const auto* end = std::get_if<action::AttemptEnded>(&action);
          end != nullptr && end->state == AttemptState::Success)
        TRY(store_.save_xcoms(transaction, end->attempt, *message.end));
  }
  return {};
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
    const bool decided_before = message.actions.has_value();
    bool counts = scheduler_.is_current(attempt);
    if (decided_before)
      for (const Action& action : *message.actions)
        if (const auto* end = std::get_if<action::AttemptEnded>(&action))
          counts = counts || end->state == AttemptState::Success;
    if (counts && !message.instance) message.instance = instance_of(attempt);
    if (counts && message.instance) {
      Status completed = hooks_.complete(transaction, *message.instance, message.end->result);
      if (!completed.ok()) {
        if (!decided_before) message.refused = completed.error();
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

void Orchestrator::Shell::carry_out(const Action& action) {
  if (const auto* created = std::get_if<action::RunCreated>(&action)) {
    tell(created->run);
  } else if (const auto* run = std::get_if<action::RunChanged>(&action)) {
    tell(run->run);
    if (is_finished(run->run.state)) {
      const std::lock_guard lock(finished_mutex_);
      run_finished_.notify_all();
    }
  } else if (const auto* task = std::get_if<action::TaskChanged>(&action)) {
    tell(TaskNotice{task->run, task->task});
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
  request.work = TRY(hooks_.prepare(instance));
  request.id = instance.attempt;
  request.generation = instance.generation;
  request.number = instance.number;
  request.resources = instance.task.resources;
  return executor_.start(std::move(request));
}

}  // namespace millrace::orchestration
