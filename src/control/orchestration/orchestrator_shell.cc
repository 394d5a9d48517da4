#include "orchestration/orchestrator_shell.h"

#include <algorithm>

#include <fmt/core.h>

#include "base/log.h"

namespace millrace::orchestration {
namespace {

constexpr std::size_t kLargestBatch = 128;
// However far the next timer is, the clock is looked at this often: a machine that slept or whose
// time was set is noticed.
constexpr Duration kLongestWait = std::chrono::seconds(30);
// After reports that had to be put aside, so that an error of ours does not become a busy loop.
constexpr Duration kPauseAfterError = std::chrono::seconds(1);

}  // namespace

Status Orchestrator::Shell::start() {
  const Status begun = begin();
  const std::lock_guard lock(mutex_);
  stage_ = begun.ok() ? Stage::Running : Stage::Stopped;
  if (begun.ok())
    thread_ = std::thread([this] {
      const auto to_the_end = [this]() -> Status {
        run();
        return {};
      };
      for (Status ran = guarded(to_the_end); !ran.ok(); ran = guarded(to_the_end))
        log_error(ran.error().message());
    });
  stage_changed_.notify_all();
  return begun;
}

Status Orchestrator::Shell::begin() {
  {
    const std::lock_guard lock(mutex_);
    INVARIANT(stage_ == Stage::New, "an orchestrator is started once");
  }
  for (const auto& dag : all_dags())
    TRY(database_.write([&](metadata::Transaction& transaction) {
      return store_.save_dag(transaction, *dag, clock_.now());
    }));
  std::vector<Message> stored = TRY(read_store());
  TRY(executor_.end_the_rest());
  // Before what adopted attempts have reported meanwhile.
  const std::lock_guard lock(mutex_);
  queue_.insert(queue_.begin(), std::make_move_iterator(stored.begin()),
                std::make_move_iterator(stored.end()));
  return {};
}

void Orchestrator::Shell::stop(LiveAttempts attempts) {
  {
    std::unique_lock lock(mutex_);
    if (stopping_) {  // somebody else is at it
      stage_changed_.wait(lock, [this] { return stage_ == Stage::Stopped; });
      return;
    }
    if (stage_ != Stage::Running) {
      stage_ = Stage::Stopped;
      stage_changed_.notify_all();
      return;
    }
    stopping_ = true;
    at_the_end_ = attempts;
  }
  something_.notify_all();
  thread_.join();
  {
    const std::lock_guard lock(finished_mutex_);
    ended_ = true;
  }
  run_finished_.notify_all();
  if (attempts == LiveAttempts::Keep)
    executor_.detach(options_.kill_grace);
  else
    executor_.stop(options_.kill_grace);
  const std::lock_guard lock(mutex_);
  stage_ = Stage::Stopped;
  queue_.clear();
  stage_changed_.notify_all();
}

void Orchestrator::Shell::post(Event event, std::optional<AttemptEnd> end) {
  {
    const std::lock_guard lock(mutex_);
    queue_.emplace_back(Message{now(), std::move(event), std::move(end), {}, {}, {}});
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
void Orchestrator::Shell::resumable(const AttemptId& attempt, std::string token) {
  const auto keep = [this, attempt, token = std::move(token)] {
    const Status kept = database_.write([&](metadata::Transaction& transaction) {
      return store_.save_resume_token(transaction, attempt, token);
    });
    if (!kept.ok())
      log_warning(fmt::format("attempt {} will not be found again by another server: {}",
                              attempt.str(), kept.error().message()));
  };
  {
    const std::lock_guard lock(mutex_);
    queue_.emplace_back(keep);
  }
  something_.notify_one();
}
void Orchestrator::Shell::capacity(int attempts) {
  post(event::CapacityChanged{attempts});
}
void Orchestrator::Shell::may_commit(const AttemptId& attempt, std::function<void(bool)> answer) {
  std::unique_lock lock(fence_mutex_);
  const bool current = current_.contains(attempt);
  lock.unlock();
  answer(current);
}

void Orchestrator::Shell::tell(const Notice& notice) {
  const std::lock_guard lock(subscribers_mutex_);
  for (const auto& entry : subscribers_) entry.second(notice);
}

bool Orchestrator::Shell::wait(Duration pause) {
  std::unique_lock lock(mutex_);
  return !something_.wait_for(lock, pause, [this] { return stopping_; });
}

/// Until there is something to take, or it is time to stop.
void Orchestrator::Shell::wait_for_items(std::unique_lock<std::mutex>& lock) {
  const Duration timer = scheduler_.until_next_timer(now()).value_or(kLongestWait);
  something_.wait_for(lock, std::min(timer, kLongestWait),
                      [this] { return stopping_ || !queue_.empty(); });
  if (queue_.empty()) queue_.emplace_back(at_once(event::TimeIsNow{}));
}

void Orchestrator::Shell::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wait_for_items(lock);
    if (stopping_) break;
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
    if (!batch.empty()) take(std::move(batch));
    lock.lock();
  }
  std::deque<Item> left = std::exchange(queue_, {});
  lock.unlock();
  end(std::move(left));
}

/// What users still wait for is answered; reports that came are taken; what lives is interrupted,
/// or left to the next server.
void Orchestrator::Shell::end(std::deque<Item> left) {
  std::vector<Message> last;
  for (Item& item : left)
    if (auto* message = std::get_if<Message>(&item))
      last.push_back(std::move(*message));
    else
      std::get<std::function<void()>>(item)();
  last.push_back(at_once(event::Stopping{}));
  leaving_ = true;
  take(std::move(last));
  if (at_the_end_ == LiveAttempts::Keep) return;
  std::vector<Message> interrupted;
  for (const AttemptId& attempt : scheduler_.live_attempts())
    interrupted.push_back(at_once(event::AttemptLost{
        attempt, event::AttemptLost::Because::Interrupted, "the server was stopped while it ran"}));
  if (!interrupted.empty()) take(std::move(interrupted));
}

/// Decides about what came in. Where an error of ours forbids that, the reports are put aside, and
/// the attempts that ended with them count as lost.
void Orchestrator::Shell::take(std::vector<Message> batch) {
  std::vector<AttemptId> ended;
  for (const Message& message : batch)
    if (const AttemptId* attempt = ended_by(message.event)) ended.push_back(*attempt);
  const Status done = guarded([&] { return decide_and_do(std::move(batch)); });
  if (done.ok() || given_up_) return;
  log_error("reports of attempts were put aside: " + done.error().message());
  for (const AttemptId& attempt : ended) {
    handed_.erase(attempt);
    executor_.settled(attempt);
  }
  stale_ = true;
  if (wait(kPauseAfterError)) post(event::TimeIsNow{});
}

}  // namespace millrace::orchestration
