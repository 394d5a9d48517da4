#include "launcher/launcher_executor.h"

#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include <fmt/core.h>

#include "base/id.h"
#include "base/log.h"
#include "execution/local_executor.h"
#include "launcher/launcher_link.h"
#include "launcher/launcher_protocol.h"

namespace millrace::launcher {
namespace {

using orchestration::AttemptId;
using orchestration::AttemptRequest;
using orchestration::ExecutorListener;
using SteadyTime = std::chrono::steady_clock::time_point;

constexpr int kMostLost = 3;  // launchers, while one answer is waited for

/// How long a launcher that runs attempts, and so has something to say, has said nothing. It is asked
/// while other threads wait for that launcher.
class Silence {
 public:
  explicit Silence(Duration odd) : odd_(odd) {}

  void speaks_with(pid_t launcher) {
    launcher_ = launcher;
    heard();
  }
  void heard() { since_ = std::chrono::steady_clock::now(); }
  void wait_for_one() {
    if (waits_for_++ == 0) heard();
  }
  void one_has_ended() { --waits_for_; }

  /// In a sentence; "" while it is not odd.
  std::string trouble() const {
    if (waits_for_ == 0 || std::chrono::steady_clock::now() - since_.load() < odd_) return "";
    // The same words as long as it is silent: who follows a run is told once.
    return fmt::format(
        "the launcher (pid {0}), the process that runs the attempts, has said nothing for more "
        "than "
        "{1} s; if it was stopped let it go on (`kill -CONT {0}`), or end it with its attempts "
        "(`kill -9 {0}`)",
        launcher_.load(), std::chrono::duration_cast<std::chrono::seconds>(odd_).count());
  }

 private:
  const Duration odd_;
  std::atomic<pid_t> launcher_ = 0;
  std::atomic<int> waits_for_ = 0;  // attempts
  std::atomic<SteadyTime> since_ = SteadyTime();
};

}  // namespace

/// Callers speak to the launcher themselves, under the mutex; a thread hears what it says. That
/// thread alone takes a link away, when it has ended.
class LauncherExecutor::Client {
 public:
  explicit Client(LauncherExecutorOptions options)
      : options_(std::move(options)), token_(new_uuid()), silence_(options_.odd_silence) {}
  ~Client() { leave(); }

  Status open();
  void listen(ExecutorListener& listener) { listener_ = &listener; }
  const std::string& token() const { return token_; }
  Status start(AttemptRequest request);
  bool adopt(const AttemptId& attempt, const std::string& token);
  Status end_the_rest();
  void settled(const AttemptId& attempt);
  void kill(const AttemptId& attempt, Duration grace);
  void stop(Duration grace);
  void leave();
  std::string trouble() const { return silence_.trouble(); }

 private:
  /// An attempt that was started or adopted, until its end has come and is settled.
  struct Held {
    std::string token;
    bool has_ended = false;  // the listener has heard so
    bool is_settled = false;
  };

  Status connect();
  void use(std::shared_ptr<LauncherLink> link);
  void send(const Order& order);
  Result<report::Answer> ask(std::unique_lock<std::mutex>& lock,
                             const std::function<Order(std::int64_t)>& order);
  void run();
  void end_launcher(const std::string& why);
  void hear(const std::string& line);
  void hear(const report::Fence& fence);
  void hear(report::Finished finished);
  void hear(report::Answer answer);
  void end(const AttemptId& attempt, const std::function<void()>& tell);
  void lose_link(std::unique_lock<std::mutex>& lock);
  void ask_for_ends();
  void give_up_all(std::unique_lock<std::mutex>& lock);

  const LauncherExecutorOptions options_;
  const std::string token_;  // of what this server starts
  Silence silence_;
  ExecutorListener* listener_ = nullptr;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::shared_ptr<LauncherLink> link_;
  std::map<AttemptId, Held> held_;
  // Orders that are answered, by id: those that somebody waits for, and those that ask the next
  // launcher for an attempt of the last one, which is lost otherwise.
  std::map<std::int64_t, std::optional<report::Answer>> waiting_;
  std::map<std::int64_t, AttemptId> asked_again_;
  std::string why_lost_;
  std::int64_t last_id_ = 0;
  bool leaving_ = false;
  std::thread thread_;
};

Status LauncherExecutor::Client::open() {
  use(TRY(LauncherLink::find(options_.state, options_.patience)));
  thread_ = std::thread([this] { run(); });
  return {};
}

/// A launcher is there when it returns ok.
Status LauncherExecutor::Client::connect() {
  if (leaving_) return Error(ErrorCode::Unavailable, "the executor was stopped");
  if (link_ != nullptr) return {};
  use(TRY(LauncherLink::find(options_.state, options_.patience)));
  if (link_ == nullptr)
    use(TRY(LauncherLink::start(options_.state, options_.launcher, options_.patience)));
  return {};
}

/// Nothing happens when there is none.
void LauncherExecutor::Client::use(std::shared_ptr<LauncherLink> link) {
  if (link == nullptr) return;
  link_ = std::move(link);
  silence_.speaks_with(link_->pid());
  changed_.notify_all();
}

/// What cannot be sent is lost with the link, which the thread notices.
void LauncherExecutor::Client::send(const Order& order) {
  if (link_ != nullptr) static_cast<void>(link_->send(to_line(order)));
}

Result<report::Answer> LauncherExecutor::Client::ask(
    std::unique_lock<std::mutex>& lock, const std::function<Order(std::int64_t)>& order) {
  const std::int64_t id = ++last_id_;
  waiting_[id] = std::nullopt;
  const std::shared_ptr<LauncherLink> asked = link_;
  send(order(id));
  const bool in_time = changed_.wait_for(
      lock, options_.patience, [&] { return waiting_[id].has_value() || link_ != asked; });
  std::optional<report::Answer> answer = std::move(waiting_[id]);
  waiting_.erase(id);
  if (answer) return *std::move(answer);
  return Error(ErrorCode::Unavailable,
               in_time ? "the launcher has ended" : "the launcher does not answer");
}

Status LauncherExecutor::Client::start(AttemptRequest request) {
  TRY(execution::LocalExecutor::check(request));
  if (request.work.command.empty()) request.work.command = options_.program;
  const std::lock_guard lock(mutex_);
  TRY(connect());
  const AttemptId id = request.id;
  held_[id] = {token_, false, false};
  silence_.wait_for_one();
  send(order::Start{std::move(request), token_});
  return {};
}

bool LauncherExecutor::Client::adopt(const AttemptId& attempt, const std::string& token) {
  std::unique_lock lock(mutex_);
  if (const Status connected = connect(); !connected.ok()) {
    log_warning(connected.error().message());
    return false;
  }
  // Its reports may come before this thread goes on.
  held_[attempt] = {token, false, false};
  silence_.wait_for_one();
  const auto answer =
      ask(lock, [&](std::int64_t id) { return Order(order::Adopt{id, attempt, token}); });
  const bool adopted = answer.ok() && answer->ok;
  if (!adopted && held_.erase(attempt) == 1) silence_.one_has_ended();
  return adopted;
}

/// Where the launcher is lost meanwhile, of the one that is there then; with one that has ended all
/// of it has ended, and the next one begins with that.
Status LauncherExecutor::Client::end_the_rest() {
  std::unique_lock lock(mutex_);
  for (int lost = 0; link_ != nullptr; ++lost) {
    const std::shared_ptr<LauncherLink> asked = link_;
    const auto answer = ask(lock, [](std::int64_t id) { return Order(order::EndTheRest{id}); });
    if (answer.ok() && answer->ok) return {};
    if (answer.ok()) return Error(ErrorCode::Unavailable, answer->message);
    if (link_ == asked || lost == kMostLost) return answer.error();
    if (link_ == nullptr) use(TRY(LauncherLink::find(options_.state, options_.patience)));
  }
  return {};
}

void LauncherExecutor::Client::settled(const AttemptId& attempt) {
  const std::lock_guard lock(mutex_);
  const auto found = held_.find(attempt);
  if (found == held_.end()) return;
  send(order::Settled{attempt});
  if (found->second.has_ended)
    held_.erase(found);
  else
    found->second.is_settled = true;
}

void LauncherExecutor::Client::kill(const AttemptId& attempt, Duration grace) {
  const std::lock_guard lock(mutex_);
  if (const auto found = held_.find(attempt); found != held_.end() && !found->second.has_ended)
    send(order::Kill{attempt, grace});
}

void LauncherExecutor::Client::stop(Duration grace) {
  {
    std::unique_lock lock(mutex_);
    if (!leaving_ && link_ != nullptr) {
      leaving_ = true;
      const std::shared_ptr<LauncherLink> told = link_;
      send(order::Stop{grace});
      if (!changed_.wait_for(lock, grace + options_.patience, [&] { return link_ != told; })) {
        log_error("the launcher does not stop; it is killed with its attempts");
        static_cast<void>(told->end_launcher(options_.patience));
      }
      told->how_it_ended();  // when it is gone nothing of it is in the way of the next server
    }
  }
  leave();
}

/// Attempts go on, and so does the launcher.
void LauncherExecutor::Client::leave() {
  {
    const std::lock_guard lock(mutex_);
    leaving_ = true;
    if (link_ != nullptr) link_->hang_up();
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void LauncherExecutor::Client::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return link_ != nullptr || leaving_; });
    if (link_ == nullptr) return;
    const std::shared_ptr<LauncherLink> link = link_;
    lock.unlock();
    for (;;) {
      const Result<std::optional<std::string>> line = link->read();
      if (!line.ok()) end_launcher(line.error().message());
      if (!line.ok() || !line->has_value()) break;
      silence_.heard();
      hear(**line);
    }
    lock.lock();
    lose_link(lock);
  }
}

/// It would say the same again to the next server.
void LauncherExecutor::Client::end_launcher(const std::string& why) {
  log_error("the launcher said what cannot be understood, and is ended with its attempts: " + why);
  const std::lock_guard lock(mutex_);
  if (link_ != nullptr) static_cast<void>(link_->end_launcher(options_.patience));
}

void LauncherExecutor::Client::hear(const std::string& line) {
  Result<Report> heard = report_from(line);
  if (!heard.ok()) return end_launcher(heard.error().message() + ": " + line.substr(0, 200));
  if (auto* finished = std::get_if<report::Finished>(&*heard)) return hear(std::move(*finished));
  if (auto* answer = std::get_if<report::Answer>(&*heard)) return hear(std::move(*answer));
  if (const auto* fence = std::get_if<report::Fence>(&*heard)) return hear(*fence);
  if (const auto* started = std::get_if<report::Started>(&*heard))
    listener_->started(started->attempt);
  else if (const auto* beat = std::get_if<report::Heartbeat>(&*heard))
    listener_->heartbeat(beat->attempt);
  else if (auto* said = std::get_if<report::Said>(&*heard))
    listener_->message(said->attempt, std::move(said->message));
}

void LauncherExecutor::Client::hear(const report::Fence& fence) {
  listener_->may_commit(fence.attempt, [this, id = fence.id](bool allowed) {
    const std::lock_guard lock(mutex_);
    send(order::FenceAnswer{id, allowed});
  });
}

void LauncherExecutor::Client::hear(report::Finished finished) {
  end(finished.attempt, [&] { listener_->finished(finished.attempt, std::move(finished.end)); });
}

void LauncherExecutor::Client::hear(report::Answer answer) {
  std::unique_lock lock(mutex_);
  if (const auto found = waiting_.find(answer.id); found != waiting_.end()) {
    found->second = std::move(answer);
    return changed_.notify_all();
  }
  const auto again = asked_again_.extract(answer.id);
  lock.unlock();
  if (again.empty() || answer.ok) return;
  end(again.mapped(), [&] { listener_->lost(again.mapped(), why_lost_); });
}

/// Once for each attempt that we hold, whoever says it again.
void LauncherExecutor::Client::end(const AttemptId& attempt, const std::function<void()>& tell) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = held_.find(attempt);
    if (found == held_.end() || found->second.has_ended) return;
    found->second.has_ended = true;
    silence_.one_has_ended();
    if (found->second.is_settled) held_.erase(found);
  }
  tell();
}

/// Another launcher may know how attempts of this one ended: from the file that it left.
void LauncherExecutor::Client::lose_link(std::unique_lock<std::mutex>& lock) {
  const std::shared_ptr<LauncherLink> lost = std::exchange(link_, nullptr);
  asked_again_.clear();
  changed_.notify_all();
  if (leaving_) return;
  const std::string how = lost->how_it_ended();
  why_lost_ = fmt::format("the launcher (pid {}), the process that ran the attempt, {}",
                          lost->pid(), how.empty() ? "has ended" : how);
  log_error(fmt::format("{}; {} attempts with it", why_lost_, held_.size()));
  if (held_.empty()) return;
  const Status connected = connect();
  if (connected.ok()) return ask_for_ends();
  log_error(connected.error().message());
  give_up_all(lock);
}

void LauncherExecutor::Client::ask_for_ends() {
  for (const auto& [attempt, held] : held_) {
    const std::int64_t id = ++last_id_;
    asked_again_[id] = attempt;
    send(order::Adopt{id, attempt, held.token});
  }
  send(order::EndTheRest{++last_id_});
}

void LauncherExecutor::Client::give_up_all(std::unique_lock<std::mutex>& lock) {
  std::vector<AttemptId> all;
  for (const auto& entry : held_) all.push_back(entry.first);
  lock.unlock();
  for (const AttemptId& attempt : all) end(attempt, [&] { listener_->lost(attempt, why_lost_); });
  lock.lock();
}

LauncherExecutor::LauncherExecutor(std::unique_ptr<Client> client) : client_(std::move(client)) {}
LauncherExecutor::~LauncherExecutor() = default;

Result<std::unique_ptr<LauncherExecutor>> LauncherExecutor::make(LauncherExecutorOptions options) {
  auto client = std::make_unique<Client>(std::move(options));
  TRY(client->open());
  return std::unique_ptr<LauncherExecutor>(new LauncherExecutor(std::move(client)));
}

void LauncherExecutor::listen(ExecutorListener& listener) {
  client_->listen(listener);
}
std::string LauncherExecutor::resume_token() const {
  return client_->token();
}
Status LauncherExecutor::start(AttemptRequest request) {
  return client_->start(std::move(request));
}
bool LauncherExecutor::adopt(const AttemptId& attempt, const std::string& token) {
  return client_->adopt(attempt, token);
}
Status LauncherExecutor::end_the_rest() {
  return client_->end_the_rest();
}
void LauncherExecutor::settled(const AttemptId& attempt) {
  client_->settled(attempt);
}
void LauncherExecutor::kill(const AttemptId& attempt, Duration grace) {
  client_->kill(attempt, grace);
}
void LauncherExecutor::stop(Duration grace) {
  client_->stop(grace);
}
void LauncherExecutor::detach(Duration) {
  client_->leave();
}
std::string LauncherExecutor::trouble() const {
  return client_->trouble();
}

}  // namespace millrace::launcher
