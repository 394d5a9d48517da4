#include "execution/local_executor.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <unordered_map>

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/caught.h"
#include "base/file.h"
#include "base/log.h"
#include "base/size.h"
#include "execution/local_attempt.h"
#include "execution/processes.h"
#include "execution/survivors.h"

namespace millrace::execution {

using orchestration::AttemptEnd;
using orchestration::AttemptId;
using orchestration::AttemptRequest;
using orchestration::ExecutorListener;
using orchestration::Outcome;
using orchestration::Preparation;
using SteadyTime = LocalAttempt::SteadyTime;

namespace {

constexpr Duration kPatienceWithSurvivors = std::chrono::seconds(10);

/// What `work` throws becomes Internal: nobody stands behind the executor's thread, and all attempts
/// would end with it.
template <typename Work>
Status guarded(const AttemptId& attempt, Work&& work) {
  Status done = caught(work);
  if (!done.ok())
    done =
        Error(ErrorCode::Internal, fmt::format("attempt {} met an error of the executor's own: {}",
                                               attempt.str(), done.error().message()));
  if (!done.ok()) log_error(done.error().message());
  return done;
}

/// The same of what concerns no attempt, or many.
template <typename Work>
void guarded(Work&& work) {
  const Status done = caught(work);
  if (!done.ok()) log_error("the executor met an error of its own: " + done.error().message());
}

}  // namespace

/// The thread, and all that it alone touches.
class LocalExecutor::Loop {
 public:
  Loop(LocalExecutorOptions options, const Clock& clock, std::unique_ptr<Spawner> spawner)
      : options_(std::move(options)), clock_(clock), spawner_(std::move(spawner)) {}
  ~Loop() { stop(Duration::zero()); }

  Status open();
  void listen(ExecutorListener& listener) { listener_ = &listener; }
  Status start(AttemptRequest request);
  void kill(const AttemptId& attempt, Duration grace);
  void stop(Duration grace);

 private:
  enum class What : std::uint8_t { Ended, RestEnded, Channel, Output, Errors };
  /// What a descriptor of the epoll set stands for.
  struct Watched {
    LocalAttempt* attempt = nullptr;
    What what = What::Ended;
  };

  void run();
  void take_orders();
  void begin_or_fail(AttemptRequest request);
  void begin(AttemptRequest request);
  void begin_kill(LocalAttempt& attempt, Duration grace);
  bool watch(int fd, LocalAttempt& attempt, What what);
  void unwatch(int fd);
  void serve_or_end(int fd, std::uint32_t events);
  void serve(int fd, std::uint32_t events);
  void serve_channel(LocalAttempt& attempt, int fd, std::uint32_t events);
  void pass_questions(LocalAttempt& attempt);
  void listen_for_writing(const LocalAttempt& attempt);
  void end_with_its_group(LocalAttempt& attempt);
  void end(LocalAttempt& attempt);
  void fail(const AttemptId& attempt, const Error& error);
  void keep_time();
  void check_memory();
  int milliseconds_to_wait() const;
  void order(std::function<void()> what);
  void ring() const;

  LocalExecutorOptions options_;
  const Clock& clock_;
  std::unique_ptr<Spawner> spawner_;
  ExecutorListener* listener_ = nullptr;

  std::mutex mutex_;
  std::deque<std::function<void()>> orders_;
  bool stopping_ = false;

  FileDescriptor epoll_;
  FileDescriptor bell_;
  std::thread thread_;

  // The thread's.
  bool leaving_ = false;
  std::map<AttemptId, std::unique_ptr<LocalAttempt>> attempts_;
  std::unordered_map<int, Watched> watched_;
  std::set<int> writing_;  // channels that are watched for room to write
  SteadyTime memory_at_;
};

Status LocalExecutor::Loop::open() {
  epoll_ = FileDescriptor(::epoll_create1(EPOLL_CLOEXEC));
  bell_ = FileDescriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!epoll_.is_open() || !bell_.is_open()) return file_error(errno, "the executor's descriptors");
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = bell_.get();
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, bell_.get(), &event) != 0)
    return file_error(errno, "the executor's descriptors");
  thread_ = std::thread([this] { run(); });
  return {};
}

void LocalExecutor::Loop::ring() const {
  const std::uint64_t one = 1;
  // It fails only when the bell has been rung often enough already.
  [[maybe_unused]] const ssize_t written = ::write(bell_.get(), &one, sizeof(one));
}

Status LocalExecutor::Loop::start(AttemptRequest request) {
  TRY(check(request));
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return Error(ErrorCode::Unavailable, "the executor was stopped");
    orders_.emplace_back(
        [this, request = std::move(request)]() mutable { begin_or_fail(std::move(request)); });
  }
  ring();
  return {};
}

void LocalExecutor::Loop::order(std::function<void()> what) {
  {
    const std::lock_guard lock(mutex_);
    orders_.push_back(std::move(what));
  }
  ring();
}

void LocalExecutor::Loop::kill(const AttemptId& attempt, Duration grace) {
  order([this, attempt, grace] {
    if (const auto found = attempts_.find(attempt); found != attempts_.end())
      begin_kill(*found->second, grace);
  });
}

void LocalExecutor::Loop::stop(Duration grace) {
  {
    const std::lock_guard lock(mutex_);
    if (!stopping_)
      orders_.emplace_back([this, grace] {
        leaving_ = true;
        for (const auto& entry : attempts_) begin_kill(*entry.second, grace);
      });
    stopping_ = true;
  }
  if (!thread_.joinable()) return;
  ring();
  thread_.join();
}

void LocalExecutor::Loop::run() {
  std::array<epoll_event, 64> events{};
  while (!leaving_ || !attempts_.empty()) {
    const int count =
        ::epoll_wait(epoll_.get(), events.data(), events.size(), milliseconds_to_wait());
    bool rung = false;
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      if (event.data.fd == bell_.get())
        rung = true;
      else
        serve_or_end(event.data.fd, event.events);
    }
    // Last, since a new attempt's descriptors may take numbers that this round has closed, and an
    // old event must not be taken for one of theirs.
    guarded([&] {
      if (rung) take_orders();
    });
    guarded([this] { keep_time(); });
  }
}

void LocalExecutor::Loop::take_orders() {
  std::uint64_t rings = 0;
  [[maybe_unused]] const ssize_t read = ::read(bell_.get(), &rings, sizeof(rings));
  std::deque<std::function<void()>> orders;
  {
    const std::lock_guard lock(mutex_);
    orders.swap(orders_);
  }
  for (const auto& order : orders) guarded(order);
}

void LocalExecutor::Loop::begin_or_fail(AttemptRequest request) {
  const AttemptId id = request.id;
  const Status begun = guarded(id, [&] { begin(std::move(request)); });
  if (begun.ok()) return;
  const auto found = attempts_.find(id);
  if (found == attempts_.end()) return fail(id, begun.error());
  found->second->condemn(begun.error());
  end(*found->second);
}

void LocalExecutor::Loop::begin(AttemptRequest request) {
  if (leaving_) return;
  const AttemptId id = request.id;
  if (request.work.command.empty()) request.work.command = options_.program;
  const std::string path =
      attempt_log_path(options_.log_folder, id, request.generation, request.number);
  Result<AttemptLog> log = AttemptLog::create(path, id, options_.log_limit_bytes, clock_);
  if (!log.ok()) return fail(id, std::move(log).error().while_doing("making the attempt's log"));
  auto started = LocalAttempt::start(std::move(request), *std::move(log), *spawner_,
                                     options_.heartbeat, options_.owner);
  if (!started.ok()) return fail(id, started.error());
  LocalAttempt& attempt = **started;
  attempts_[id] = *std::move(started);
  attempt.beats_at = std::chrono::steady_clock::now() + options_.heartbeat;
  listener_->started(id);
  if (!watch(attempt.child().pidfd, attempt, What::Ended) ||
      !watch(attempt.output_fd(), attempt, What::Output) ||
      !watch(attempt.error_fd(), attempt, What::Errors) ||
      (attempt.speaks() && !watch(attempt.channel_fd(), attempt, What::Channel))) {
    // Nobody would hear of its end.
    const Error why = file_error(errno, "watching the attempt's process");
    attempt.condemn(why);
    return end(attempt);
  }
  if (attempt.speaks()) {
    attempt.write_channel();
    listen_for_writing(attempt);
  }
}

void LocalExecutor::Loop::fail(const AttemptId& attempt, const Error& error) {
  AttemptEnd end;
  // A command that is not there will not be there in a minute; any other reason may pass.
  const bool hopeless = error.code() == ErrorCode::NotFound || error.code() == ErrorCode::Denied;
  end.outcome = {Outcome::Kind::Failed, hopeless ? ErrorCode::Invalid : error.code(),
                 error.message()};
  listener_->finished(attempt, std::move(end));
}

void LocalExecutor::Loop::begin_kill(LocalAttempt& attempt, Duration grace) {
  const SteadyTime at = std::chrono::steady_clock::now() + grace;
  if (grace <= Duration::zero()) {
    spawner_->signal(attempt.child(), SIGKILL);
    if (attempt.rest.is_open()) attempt.kill_at = at;
  } else if (!attempt.kill_at || *attempt.kill_at > at) {
    if (!attempt.kill_at) spawner_->signal(attempt.child(), SIGTERM);
    attempt.kill_at = at;
  }
}

bool LocalExecutor::Loop::watch(int fd, LocalAttempt& attempt, What what) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return false;
  watched_[fd] = {&attempt, what};
  return true;
}

void LocalExecutor::Loop::unwatch(int fd) {
  watched_.erase(fd);
  writing_.erase(fd);
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

/// An error of ours that comes between is how the attempt ended, and concerns no other.
void LocalExecutor::Loop::serve_or_end(int fd, std::uint32_t events) {
  const auto found = watched_.find(fd);
  if (found == watched_.end()) return;  // of an attempt that ended in this round
  const AttemptId id = found->second.attempt->id();
  const bool was_ending =
      found->second.what == What::Ended || found->second.what == What::RestEnded;
  const Status served = guarded(id, [&] { serve(fd, events); });
  const auto attempt = attempts_.find(id);
  if (served.ok() || attempt == attempts_.end()) return;
  unwatch(fd);
  attempt->second->condemn(served.error());
  spawner_->signal(attempt->second->child(), SIGKILL);
  if (!was_ending) return;
  std::erase_if(watched_, [&](const auto& one) { return one.second.attempt->id() == id; });
  attempts_.erase(attempt);
  fail(id, served.error());
}

void LocalExecutor::Loop::serve(int fd, std::uint32_t events) {
  const auto found = watched_.find(fd);
  if (found == watched_.end()) return;  // of an attempt that ended in this round
  LocalAttempt& attempt = *found->second.attempt;
  bool open = true;
  switch (found->second.what) {
    case What::Ended:
    case What::RestEnded:
      unwatch(fd);
      return end_with_its_group(attempt);
    case What::Channel:
      return serve_channel(attempt, fd, events);
    case What::Output:
      open = attempt.read_output();
      break;
    case What::Errors:
      open = attempt.read_error();
      break;
  }
  // The kernel took a closed descriptor out of the epoll set; its number may be another's soon.
  if (!open) watched_.erase(fd);
}

void LocalExecutor::Loop::serve_channel(LocalAttempt& attempt, int fd, std::uint32_t events) {
  const bool was_condemned = attempt.condemned();
  if ((events & ~static_cast<std::uint32_t>(EPOLLOUT)) != 0 && !attempt.read_channel(*listener_)) {
    watched_.erase(fd);
    writing_.erase(fd);
    return;
  }
  if (attempt.condemned() && !was_condemned) spawner_->signal(attempt.child(), SIGKILL);
  pass_questions(attempt);
  attempt.write_channel();
  listen_for_writing(attempt);
}

/// The answers come from any thread, and maybe when the attempt has ended.
void LocalExecutor::Loop::pass_questions(LocalAttempt& attempt) {
  for (const std::int64_t question : attempt.take_questions())
    listener_->may_commit(attempt.id(), [this, id = attempt.id(), question](bool allowed) {
      order([this, id, question, allowed] {
        const auto found = attempts_.find(id);
        if (found == attempts_.end() || !found->second->speaks()) return;
        found->second->answer(question, allowed);
        found->second->write_channel();
        listen_for_writing(*found->second);
      });
    });
}

void LocalExecutor::Loop::listen_for_writing(const LocalAttempt& attempt) {
  const int fd = attempt.channel_fd();
  const bool wanted = attempt.wants_to_write();
  if (wanted == writing_.contains(fd)) return;
  epoll_event event{};
  event.events = static_cast<std::uint32_t>(EPOLLIN) | (wanted ? EPOLLOUT : 0U);
  event.data.fd = fd;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event);
  if (wanted)
    writing_.insert(fd);
  else
    writing_.erase(fd);
}

/// Its own process has ended. Where it was asked to end, what it has started (`cd x && tool`) has the
/// rest of the grace as well. There is no descriptor of a group, so that one process of it is watched
/// after the other, until none lives.
void LocalExecutor::Loop::end_with_its_group(LocalAttempt& attempt) {
  attempt.rest.close();
  const bool has_grace =
      attempt.kill_at && *attempt.kill_at < SteadyTime::max() && !attempt.condemned();
  if (has_grace) attempt.rest = hold_one_of(attempt.child().pid);
  if (attempt.rest.is_open() && watch(attempt.rest.get(), attempt, What::RestEnded)) return;
  end(attempt);
}

void LocalExecutor::Loop::end(LocalAttempt& attempt) {
  // While it is not reaped its group's number is its own: what is left of the group ends with it.
  spawner_->signal(attempt.child(), SIGKILL);
  const ExitStatus exit = spawner_->reap(attempt.child());
  for (const int fd : {attempt.child().pidfd, attempt.rest.get(), attempt.output_fd(),
                       attempt.error_fd(), attempt.channel_fd()})
    if (fd >= 0) unwatch(fd);
  const AttemptId id = attempt.id();
  AttemptEnd how = attempt.finish(exit, *listener_);
  attempts_.erase(id);
  listener_->finished(id, std::move(how));
}

void LocalExecutor::Loop::keep_time() {
  const SteadyTime now = std::chrono::steady_clock::now();
  std::vector<int> rests;
  for (const auto& [id, attempt] : attempts_) {
    if (attempt->kill_at && *attempt->kill_at <= now) {
      spawner_->signal(attempt->child(), SIGKILL);
      attempt->kill_at = SteadyTime::max();
      if (attempt->rest.is_open()) rests.push_back(attempt->rest.get());
    }
    // For those that do not speak, being there is the sign of life.
    if (attempt->request().work.speaks == Preparation::Speaks::Nothing &&
        attempt->beats_at <= now) {
      attempt->beats_at = now + options_.heartbeat;
      listener_->heartbeat(id);
    }
  }
  // Also where one of them cannot be ended (another user's).
  for (const int fd : rests) serve_or_end(fd, 0);
  if (now < memory_at_) return;
  memory_at_ = now + options_.memory_check;
  check_memory();
}

void LocalExecutor::Loop::check_memory() {
  std::map<pid_t, std::uint64_t> groups;
  for (const auto& entry : attempts_)
    if (entry.second->request().resources.memory_bytes > 0) groups[entry.second->child().pid] = 0;
  if (groups.empty()) return;
  measure_groups(groups);
  for (const auto& [id, attempt] : attempts_) {
    const std::uint64_t limit = attempt->request().resources.memory_bytes;
    const auto found = groups.find(attempt->child().pid);
    if (found == groups.end()) continue;
    attempt->peak_group_bytes = std::max(attempt->peak_group_bytes, found->second);
    if (limit == 0 || found->second <= limit || attempt->condemned()) continue;
    attempt->condemn(
        {ErrorCode::Exhausted,
         fmt::format("it used {} of memory, more than its limit of {}; raise "
                     "resources.memory_bytes of task '{}', or let it hold less at once",
                     format_bytes(found->second), format_bytes(limit), id.task.str())});
    spawner_->signal(attempt->child(), SIGKILL);
  }
}

int LocalExecutor::Loop::milliseconds_to_wait() const {
  SteadyTime next = SteadyTime::max();
  for (const auto& entry : attempts_) {
    const LocalAttempt& attempt = *entry.second;
    if (attempt.kill_at) next = std::min(next, *attempt.kill_at);
    if (attempt.request().work.speaks == Preparation::Speaks::Nothing)
      next = std::min(next, attempt.beats_at);
    if (attempt.request().resources.memory_bytes > 0) next = std::min(next, memory_at_);
  }
  if (next == SteadyTime::max()) return -1;
  const auto wait =
      std::chrono::ceil<std::chrono::milliseconds>(next - std::chrono::steady_clock::now());
  return static_cast<int>(std::clamp<std::int64_t>(wait.count(), 0, 60'000));
}

LocalExecutor::LocalExecutor(std::unique_ptr<Loop> loop) : loop_(std::move(loop)) {}
LocalExecutor::~LocalExecutor() = default;

Result<std::unique_ptr<LocalExecutor>> LocalExecutor::make(LocalExecutorOptions options,
                                                           const Clock& clock,
                                                           std::unique_ptr<Spawner> spawner) {
  if (!options.owner.empty()) {
    const int ended = TRY(end_survivors(options.owner, kPatienceWithSurvivors));
    if (ended > 0)
      log_warning(
          fmt::format("ended {} processes that attempts of an earlier server had left", ended));
  }
  auto loop = std::make_unique<Loop>(std::move(options), clock, std::move(spawner));
  TRY(loop->open());
  return std::unique_ptr<LocalExecutor>(new LocalExecutor(std::move(loop)));
}

Status LocalExecutor::check(const AttemptRequest& request) {
  if (request.work.speaks != Preparation::Speaks::Protocol) return {};
  // The rest of the request line is ids, far below a kilobyte.
  const std::size_t size = request.work.document.dump().size();
  if (size + 4'096 <= kLongestLine) return {};
  return Error(ErrorCode::Invalid,
               fmt::format("the request of attempt {} has {} bytes; the limit is {}, larger things "
                           "are passed by reference",
                           request.id.str(), size, kLongestLine - 4'096));
}

void LocalExecutor::listen(ExecutorListener& listener) {
  loop_->listen(listener);
}
Status LocalExecutor::start(AttemptRequest request) {
  return loop_->start(std::move(request));
}
void LocalExecutor::kill(const AttemptId& attempt, Duration grace) {
  loop_->kill(attempt, grace);
}
void LocalExecutor::stop(Duration grace) {
  loop_->stop(grace);
}

}  // namespace millrace::execution
