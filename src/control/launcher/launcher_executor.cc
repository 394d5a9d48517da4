#include "launcher/launcher_executor.h"

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include <fmt/core.h>

#include "base/caught.h"
#include "base/id.h"
#include "base/log.h"
#include "execution/local_executor.h"
#include "launcher/launcher_link.h"
#include "launcher/launcher_protocol.h"
#include "launcher/silence.h"

namespace millrace::launcher {
namespace {

using orchestration::AttemptEnd;
using orchestration::AttemptId;
using orchestration::AttemptRequest;
using orchestration::ExecutorListener;
using orchestration::Outcome;

constexpr int kMostLost = 3;  // launchers, while one answer is waited for

constexpr Duration kShortestWhile = std::chrono::milliseconds(100);
// Errors of ours while its words are heard, with no end of an attempt heard between them.
constexpr int kMostErrors = 3;

}  // namespace

/// Callers speak to the launcher themselves, under the mutex; a thread hears what it says. That
/// thread alone takes a link away, when it has ended, and connects for attempts that wait to be
/// started. Whoever connects is alone in that, and does not hold the mutex: it may take a minute.
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
    std::optional<std::string> waiting;  // the line that starts it, until there is a launcher
    bool has_ended = false;              // the listener has heard so
    bool is_settled = false;
    std::optional<Duration> kill_grace;  // it is to end
  };
  enum class IfThereIsNone : std::uint8_t { Start, Leave };

  Status connect(std::unique_lock<std::mutex>& lock, IfThereIsNone if_none);
  Status reach(std::unique_lock<std::mutex>& lock, IfThereIsNone if_none);
  void use(std::shared_ptr<LauncherLink> link);
  bool any_waits() const;
  void connect_what_waits(std::unique_lock<std::mutex>& lock);
  void start_what_waits();
  void send(const Order& order) { send_line(to_line(order)); }
  void send_line(const std::string& line);
  Result<report::Answer> ask(std::unique_lock<std::mutex>& lock,
                             const std::function<Order(std::int64_t)>& order);
  void run();
  void hear_all(LauncherLink& link);
  void end_launcher(const std::string& why);
  void hear(const std::string& line);
  void hear(const report::Fence& fence);
  void hear(report::Finished finished);
  void hear(report::Answer answer);
  void end(const AttemptId& attempt, const std::function<void()>& tell);
  void end(std::unique_lock<std::mutex>& lock, const AttemptId& attempt,
           const std::function<void()>& tell);
  void fail(std::unique_lock<std::mutex>& lock, const AttemptId& attempt, const Error& why);
  void lose_link(std::unique_lock<std::mutex>& lock);
  void take_up_again(std::unique_lock<std::mutex>& lock, LauncherLink& lost);
  void ask_for_ends();
  void give_up_all(std::unique_lock<std::mutex>& lock);

  const LauncherExecutorOptions options_;
  const std::string token_;  // of what this server starts
  Silence silence_;
  ExecutorListener* listener_ = nullptr;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::shared_ptr<LauncherLink> link_;
  bool connecting_ = false;  // somebody is; who must know what comes of it waits
  bool rest_is_ended_ = false;
  std::map<AttemptId, Held> held_;
  // Orders that are answered, by id: those that somebody waits for, and those that ask the next
  // launcher for an attempt of the last one, which is lost otherwise.
  std::map<std::int64_t, std::optional<report::Answer>> waiting_;
  std::map<std::int64_t, AttemptId> asked_again_;
  std::string why_lost_;
  std::int64_t last_id_ = 0;
  bool leaving_ = false;
  int errors_ = 0;  // the thread's
  std::thread thread_;
};

Status LauncherExecutor::Client::open() {
  use(TRY(LauncherLink::find(options_.state, options_.patience)));
  thread_ = std::thread([this] { run(); });
  return {};
}

/// A launcher is there when it returns ok, if it was to be started.
Status LauncherExecutor::Client::connect(std::unique_lock<std::mutex>& lock,
                                         IfThereIsNone if_none) {
  changed_.wait(lock, [this] { return !connecting_; });
  if (leaving_) return Error(ErrorCode::Unavailable, "the executor was stopped");
  if (link_ != nullptr) return {};
  connecting_ = true;
  const Status connected = caught([&] { return reach(lock, if_none); });
  connecting_ = false;
  changed_.notify_all();
  return connected;
}

Status LauncherExecutor::Client::reach(std::unique_lock<std::mutex>& lock, IfThereIsNone if_none) {
  std::unique_ptr<LauncherLink> link;
  lock.unlock();
  const Status reached = caught([&]() -> Status {
    link = TRY(LauncherLink::find(options_.state, options_.patience));
    if (link == nullptr && if_none == IfThereIsNone::Start)
      link = TRY(LauncherLink::start(options_.state, options_.launcher, options_.patience));
    return {};
  });
  lock.lock();
  TRY(reached);
  if (leaving_) return Error(ErrorCode::Unavailable, "the executor was stopped");
  use(std::move(link));
  return {};
}

/// Nothing happens when there is none.
void LauncherExecutor::Client::use(std::shared_ptr<LauncherLink> link) {
  if (link == nullptr) return;
  link_ = std::move(link);
  silence_.speaks_with(link_->pid());
  changed_.notify_all();
}

bool LauncherExecutor::Client::any_waits() const {
  return std::ranges::any_of(held_, [](const auto& one) { return one.second.waiting.has_value(); });
}

/// The thread's. Where there is no launcher and none can be started what waits for one is over.
void LauncherExecutor::Client::connect_what_waits(std::unique_lock<std::mutex>& lock) {
  const Status connected = connect(lock, IfThereIsNone::Start);
  if (connected.ok()) return;
  std::vector<AttemptId> all;
  for (const auto& [attempt, held] : held_)
    if (held.waiting) all.push_back(attempt);
  for (const AttemptId& attempt : all) fail(lock, attempt, connected.error());
}

void LauncherExecutor::Client::start_what_waits() {
  for (auto& [attempt, held] : held_) {
    if (!held.waiting) continue;
    silence_.wait_for_one();
    send_line(*std::exchange(held.waiting, std::nullopt));
  }
}

/// What cannot be sent is lost with the link, which the thread notices.
void LauncherExecutor::Client::send_line(const std::string& line) {
  if (link_ != nullptr) static_cast<void>(link_->send(line));
}

Result<report::Answer> LauncherExecutor::Client::ask(
    std::unique_lock<std::mutex>& lock, const std::function<Order(std::int64_t)>& order) {
  // Of many questions the first one waits.
  if (silence_.owes_an_answer()) return Error(ErrorCode::Unavailable, silence_.no_answer());
  const std::int64_t id = ++last_id_;
  waiting_[id] = std::nullopt;
  const std::shared_ptr<LauncherLink> asked = link_;
  send(order(id));
  const bool in_time = changed_.wait_for(
      lock, options_.patience, [&] { return waiting_[id].has_value() || link_ != asked; });
  std::optional<report::Answer> answer = std::move(waiting_[id]);
  waiting_.erase(id);
  if (answer) return *std::move(answer);
  if (in_time) return Error(ErrorCode::Unavailable, "the launcher has ended");
  silence_.did_not_answer();
  log_warning(silence_.no_answer());
  return Error(ErrorCode::Unavailable, silence_.no_answer());
}

Status LauncherExecutor::Client::start(AttemptRequest request) {
  TRY(execution::LocalExecutor::check(request));
  if (request.work.command.empty()) request.work.command = options_.program;
  const AttemptId id = request.id;
  Held held{.token = token_, .waiting = to_line(Order(order::Start{std::move(request), token_}))};
  const std::lock_guard lock(mutex_);
  if (leaving_) return Error(ErrorCode::Unavailable, "the executor was stopped");
  held_.insert_or_assign(id, std::move(held));
  if (link_ != nullptr) start_what_waits();
  changed_.notify_all();
  return {};
}

/// Once the rest has been ended there is nothing that could be adopted.
bool LauncherExecutor::Client::adopt(const AttemptId& attempt, const std::string& token) {
  std::unique_lock lock(mutex_);
  if (rest_is_ended_) return false;
  if (const Status connected = connect(lock, IfThereIsNone::Start); !connected.ok()) {
    log_warning(connected.error().message());
    return false;
  }
  // Its reports may come before this thread goes on.
  held_.insert_or_assign(attempt, Held{.token = token});
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
    if (answer.ok() && answer->ok) break;
    if (answer.ok()) return Error(ErrorCode::Unavailable, answer->message);
    if (link_ == asked || lost == kMostLost) return answer.error();
    TRY(connect(lock, IfThereIsNone::Leave));
  }
  rest_is_ended_ = true;
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
  std::unique_lock lock(mutex_);
  const auto found = held_.find(attempt);
  if (found == held_.end() || found->second.has_ended) return;
  if (found->second.waiting)
    return fail(lock, attempt, {ErrorCode::Cancelled, "it was ended before it had begun"});
  found->second.kill_grace = grace;
  send(order::Kill{attempt, grace});
}

void LauncherExecutor::Client::stop(Duration grace) {
  {
    std::unique_lock lock(mutex_);
    std::erase_if(held_, [](const auto& one) { return one.second.waiting.has_value(); });
    changed_.wait(lock, [this] { return !connecting_; });
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

/// Attempts go on, and so does the launcher; what waits for one is started first.
void LauncherExecutor::Client::leave() {
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !connecting_ && !any_waits(); });
    leaving_ = true;
    if (link_ != nullptr) link_->hang_up();
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void LauncherExecutor::Client::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return link_ != nullptr || leaving_ || any_waits(); });
    if (link_ == nullptr && leaving_) return;
    if (link_ == nullptr) {
      const Status told = caught([&] { connect_what_waits(lock); });
      if (!told.ok()) log_error("attempts that wait for a launcher: " + told.error().message());
      changed_.notify_all();
      continue;
    }
    start_what_waits();
    changed_.notify_all();
    const std::shared_ptr<LauncherLink> link = link_;
    lock.unlock();
    const Status heard = caught([&] { hear_all(*link); });
    if (!heard.ok()) {
      log_error("hearing the launcher met an error of ours, and begins anew: " +
                heard.error().message());
      if (++errors_ >= kMostErrors) end_launcher("it broke this server again and again");
      link->hang_up();
    }
    lock.lock();
    const Status lost = caught([&] { lose_link(lock); });
    if (!lost.ok())
      log_error("losing the launcher met an error of ours: " + lost.error().message());
    if (!lock.owns_lock()) lock.lock();
    connecting_ = false;
    changed_.notify_all();
  }
}

/// Until the connection ends.
void LauncherExecutor::Client::hear_all(LauncherLink& link) {
  const Duration a_while = std::max<Duration>(options_.odd_silence / 2, kShortestWhile);
  std::string told;
  const auto tell_silence = [&] {
    const std::string trouble = silence_.trouble();
    if (!trouble.empty() && trouble != std::exchange(told, trouble)) log_warning(trouble);
  };
  for (;;) {
    const Result<std::optional<std::string>> line = link.read(a_while, tell_silence);
    if (!line.ok()) end_launcher(line.error().message());
    if (!line.ok() || !line->has_value()) return;
    silence_.heard();
    told.clear();
    hear(**line);
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
  errors_ = 0;
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

void LauncherExecutor::Client::end(const AttemptId& attempt, const std::function<void()>& tell) {
  std::unique_lock lock(mutex_);
  end(lock, attempt, tell);
}

/// Once for each attempt that we hold, whoever says it again. The mutex is free while it is told.
void LauncherExecutor::Client::end(std::unique_lock<std::mutex>& lock, const AttemptId& attempt,
                                   const std::function<void()>& tell) {
  const auto held = held_.find(attempt);
  if (held == held_.end() || held->second.has_ended) return;
  held->second.has_ended = true;
  std::optional<std::string> waiting = std::exchange(held->second.waiting, std::nullopt);
  if (!waiting) silence_.one_has_ended();
  if (held->second.is_settled) held_.erase(held);
  lock.unlock();
  try {
    tell();
  } catch (...) {
    // It is asked for again, or fails to start again, and is told then.
    lock.lock();
    if (const auto found = held_.find(attempt); found != held_.end()) {
      found->second.has_ended = false;
      if (!waiting) silence_.wait_for_one();
      found->second.waiting = std::move(waiting);
    }
    throw;
  }
  lock.lock();
}

/// Of one that has not been started.
void LauncherExecutor::Client::fail(std::unique_lock<std::mutex>& lock, const AttemptId& attempt,
                                    const Error& why) {
  AttemptEnd how;
  how.outcome = {Outcome::Kind::Failed, why.code(), why.message()};
  end(lock, attempt, [&] { listener_->finished(attempt, std::move(how)); });
}

/// run() says when it is over: until then nobody else connects.
void LauncherExecutor::Client::lose_link(std::unique_lock<std::mutex>& lock) {
  const std::shared_ptr<LauncherLink> lost = std::exchange(link_, nullptr);
  asked_again_.clear();
  connecting_ = true;
  changed_.notify_all();
  if (!leaving_) take_up_again(lock, *lost);
}

/// Another launcher may know how attempts of this one ended: from the file that it left. Where only
/// the connection has ended it is this one again.
void LauncherExecutor::Client::take_up_again(std::unique_lock<std::mutex>& lock,
                                             LauncherLink& lost) {
  lock.unlock();
  const std::string how = lost.how_it_ended();
  lock.lock();
  why_lost_ = fmt::format("the launcher (pid {}), the process that ran the attempt, {}", lost.pid(),
                          how.empty() ? "has ended the connection" : how);
  const auto with_it =
      std::ranges::count_if(held_, [](const auto& one) { return !one.second.waiting.has_value(); });
  log_error(fmt::format("{}; {} attempts with it", why_lost_, with_it));
  if (with_it == 0) return;
  // Another launcher would say the same.
  if (errors_ >= kMostErrors) {
    errors_ = 0;
    return give_up_all(lock);
  }
  const Status connected = reach(lock, IfThereIsNone::Start);
  if (connected.ok()) return ask_for_ends();
  log_error(connected.error().message());
  give_up_all(lock);
}

/// And says again what may not have come to the ears of a launcher that lives.
void LauncherExecutor::Client::ask_for_ends() {
  for (const auto& [attempt, held] : held_) {
    if (held.waiting) continue;
    const std::int64_t id = ++last_id_;
    asked_again_[id] = attempt;
    send(order::Adopt{id, attempt, held.token});
    if (held.kill_grace) send(order::Kill{attempt, *held.kill_grace});
    if (held.is_settled) send(order::Settled{attempt});
  }
  send(order::EndTheRest{++last_id_});
}

void LauncherExecutor::Client::give_up_all(std::unique_lock<std::mutex>& lock) {
  std::vector<AttemptId> all;
  for (const auto& [attempt, held] : held_)
    if (!held.waiting) all.push_back(attempt);
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
