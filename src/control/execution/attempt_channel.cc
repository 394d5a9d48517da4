#include "execution/attempt_channel.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <thread>

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/caught.h"
#include "base/file.h"
#include "base/file_descriptor.h"
#include "base/log.h"
#include "base/utf8.h"
#include "execution/attempt_protocol.h"

namespace millrace::execution {
namespace {

using SteadyTime = std::chrono::steady_clock::time_point;

constexpr int kExitTemporary = 75;  // sysexits.h: EX_TEMPFAIL
constexpr std::size_t kLongestText = 1U << 17U;

Error supervisor_gone() {
  return {ErrorCode::Unavailable, "the attempt's supervisor is gone"};
}

Result<FileDescriptor> channel_of_environment() {
  const char* text = std::getenv(kAttemptFdVariable);
  if (text == nullptr)
    return Error(ErrorCode::NotFound,
                 fmt::format("this process was not started as an attempt ({} is not set)",
                             kAttemptFdVariable));
  const std::string_view number = text;
  int fd = -1;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), fd);
  if (error != std::errc() || end != number.data() + number.size() || fd < 0 ||
      ::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
    return Error(ErrorCode::Invalid, fmt::format("{} is '{}', which is no open descriptor",
                                                 kAttemptFdVariable, number));
  // What this process starts is no attempt.
  ::unsetenv(kAttemptFdVariable);
  return FileDescriptor(fd);
}

/// Waits for the first line.
Result<std::string> read_line(int fd, LineReader& lines) {
  for (;;) {
    if (std::optional<std::string> line = lines.next()) return *std::move(line);
    char piece[4096];
    const ssize_t size = ::read(fd, piece, sizeof(piece));
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return file_error(errno, "the attempt's channel");
    if (size == 0) return supervisor_gone();
    TRY(lines.feed({piece, static_cast<std::size_t>(size)}));
  }
}

Result<ChannelRequest> to_request(const Json& message) {
  const std::int64_t version = TRY(message.integer_at("millrace_attempt"));
  if (version != kProtocolVersion)
    return Error(
        ErrorCode::Unsupported,
        fmt::format("the supervisor speaks version {} of the attempt protocol, this program "
                    "version {}",
                    version, kProtocolVersion));
  const Json& attempt = message["attempt"];
  ChannelRequest request;
  request.attempt.run.dag = orchestration::DagId(TRY(attempt.string_at("dag")));
  request.attempt.run.run = orchestration::RunId(TRY(attempt.string_at("run")));
  request.attempt.task = orchestration::TaskId(TRY(attempt.string_at("task")));
  request.attempt.map_index =
      static_cast<int>(attempt.integer_or("map_index", orchestration::kNotMapped));
  request.attempt.epoch = static_cast<int>(TRY(attempt.integer_at("epoch")));
  request.generation = static_cast<int>(TRY(attempt.integer_at("generation")));
  request.number = static_cast<int>(TRY(attempt.integer_at("number")));
  request.resources.threads = static_cast<int>(message["resources"].integer_or("threads", 0));
  request.resources.memory_bytes =
      static_cast<std::uint64_t>(message["resources"].integer_or("memory_bytes", 0));
  request.document = message["document"];
  return request;
}

}  // namespace

class AttemptChannel::Inside {
 public:
  explicit Inside(Options options) : options_(options) {}
  ~Inside();

  Status open();
  Status send(const Json& message);
  Status ask_fence();
  void on_cancel(std::function<void()> stop);
  bool cancelled() const { return cancelled_; }
  const ChannelRequest& request() const { return request_; }

 private:
  void run();
  void run_or_leave();
  void hear();
  void take(const std::string& line);
  void cancel();
  void supervisor_left();
  int milliseconds_to_wait(SteadyTime beat) const;

  const Options options_;
  ChannelRequest request_;
  Duration heartbeat_ = std::chrono::seconds(5);
  FileDescriptor channel_;
  FileDescriptor signals_;
  FileDescriptor bell_;
  LineReader lines_;
  std::thread thread_;
  std::atomic<bool> cancelled_ = false;
  std::optional<SteadyTime> leave_at_;  // the thread's

  std::mutex sending_;
  bool broken_ = false;  // a line was sent in part, or not at all

  std::mutex mutex_;
  std::condition_variable answered_;
  bool gone_ = false;
  std::int64_t last_question_ = 0;
  std::map<std::int64_t, bool> answers_;
  std::function<void()> stop_;
};

Status AttemptChannel::Inside::open() {
  channel_ = TRY(channel_of_environment());
  const std::string line = TRY(read_line(channel_.get(), lines_));
  const Json message = TRY_DOING("reading the attempt's request", from_line(line));
  request_ = TRY_DOING("reading the attempt's request", to_request(message));
  const double seconds = message.number_or("heartbeat_seconds", 5);
  if (seconds > 0 && seconds < 3'600)
    heartbeat_ = Duration(static_cast<std::int64_t>(seconds * 1e6));
  sigset_t terminate;
  ::sigemptyset(&terminate);
  ::sigaddset(&terminate, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &terminate, nullptr);
  signals_ = FileDescriptor(::signalfd(-1, &terminate, SFD_CLOEXEC | SFD_NONBLOCK));
  bell_ = FileDescriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!signals_.is_open() || !bell_.is_open()) return file_error(errno, "the attempt's signals");
  TRY(send(Json::object({{"type", "hello"}, {"millrace_attempt", kProtocolVersion}})));
  thread_ = std::thread([this] { run_or_leave(); });
  return {};
}

AttemptChannel::Inside::~Inside() {
  if (!thread_.joinable()) return;
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(bell_.get(), &one, sizeof(one));
  thread_.join();
}

Status AttemptChannel::Inside::send(const Json& message) {
  const std::string line = TRY(to_line(message));
  const std::lock_guard lock(sending_);
  std::string_view left = line;
  while (!left.empty() && !broken_) {
    const ssize_t size = ::send(channel_.get(), left.data(), left.size(), MSG_NOSIGNAL);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) broken_ = true;
    if (size > 0) left.remove_prefix(static_cast<std::size_t>(size));
  }
  if (broken_) return supervisor_gone();
  return {};
}

Status AttemptChannel::Inside::ask_fence() {
  if (cancelled_) return Error(ErrorCode::Denied, "the attempt is being ended");
  std::int64_t question = 0;
  {
    const std::lock_guard lock(mutex_);
    question = ++last_question_;
  }
  TRY(send(Json::object({{"type", "fence"}, {"id", question}})));
  std::unique_lock lock(mutex_);
  answered_.wait(lock, [&] { return gone_ || answers_.contains(question); });
  const auto answer = answers_.find(question);
  if (answer == answers_.end()) return supervisor_gone();
  const bool allowed = answer->second;
  answers_.erase(answer);
  if (allowed) return {};
  return Error(ErrorCode::Denied,
               fmt::format("attempt {} is not the current one any more, so it may "
                           "commit nothing",
                           request_.attempt.str()));
}

void AttemptChannel::Inside::on_cancel(std::function<void()> stop) {
  {
    const std::lock_guard lock(mutex_);
    if (!cancelled_) {
      stop_ = std::move(stop);
      return;
    }
  }
  stop();
}

void AttemptChannel::Inside::cancel() {
  std::function<void()> stop;
  {
    const std::lock_guard lock(mutex_);
    if (cancelled_.exchange(true)) return;
    stop = std::exchange(stop_, nullptr);
  }
  if (stop) stop();
}

void AttemptChannel::Inside::supervisor_left() {
  {
    const std::lock_guard lock(mutex_);
    if (gone_) return;
    gone_ = true;
  }
  answered_.notify_all();
  leave_at_ = std::chrono::steady_clock::now() + options_.leave_after;
  cancel();
}

void AttemptChannel::Inside::take(const std::string& line) {
  const Result<Json> message = from_line(line);
  if (!message.ok() || message->string_or("type", "") != "fence_answer") return;
  {
    const std::lock_guard lock(mutex_);
    answers_[message->integer_or("id", 0)] = message->bool_or("allowed", false);
  }
  answered_.notify_all();
}

void AttemptChannel::Inside::hear() {
  char piece[4096];
  const ssize_t size = ::recv(channel_.get(), piece, sizeof(piece), MSG_DONTWAIT);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (size <= 0 || !lines_.feed({piece, static_cast<std::size_t>(size)}).ok())
    return supervisor_left();
  while (const std::optional<std::string> line = lines_.next()) take(*line);
}

int AttemptChannel::Inside::milliseconds_to_wait(SteadyTime beat) const {
  const SteadyTime next = leave_at_.value_or(beat);
  const auto wait =
      std::chrono::ceil<std::chrono::milliseconds>(next - std::chrono::steady_clock::now());
  return static_cast<int>(std::clamp<std::int64_t>(wait.count(), 0, 60'000));
}

void AttemptChannel::Inside::run() {
  SteadyTime beat = std::chrono::steady_clock::now() + heartbeat_;
  for (;;) {
    // A channel that is closed is always readable, and no longer of interest.
    pollfd watched[3] = {{leave_at_ ? -1 : channel_.get(), POLLIN, 0},
                         {signals_.get(), POLLIN, 0},
                         {bell_.get(), POLLIN, 0}};
    ::poll(watched, 3, milliseconds_to_wait(beat));
    if (watched[2].revents != 0) return;
    if (watched[1].revents != 0) {
      signalfd_siginfo signal;
      [[maybe_unused]] const ssize_t size = ::read(signals_.get(), &signal, sizeof(signal));
      cancel();
    }
    if (watched[0].revents != 0) hear();
    const SteadyTime now = std::chrono::steady_clock::now();
    if (leave_at_ && now >= *leave_at_) ::_exit(kExitTemporary);
    if (!leave_at_ && now >= beat) {
      beat = now + heartbeat_;
      if (!send(Json::object({{"type", "heartbeat"}})).ok()) supervisor_left();
    }
  }
}

/// Without its thread the attempt would be there, say nothing, and not hear that it is to end.
void AttemptChannel::Inside::run_or_leave() {
  const Status ran = caught([this] { run(); });
  if (ran.ok()) return;
  log_error("the attempt's channel met an error of ours, and the attempt ends: " +
            ran.error().message());
  ::_exit(kExitTemporary);
}

AttemptChannel::AttemptChannel(std::unique_ptr<Inside> inside) : inside_(std::move(inside)) {}
AttemptChannel::~AttemptChannel() = default;

Result<std::unique_ptr<AttemptChannel>> AttemptChannel::open(Options options) {
  auto inside = std::make_unique<Inside>(options);
  TRY(inside->open());
  return std::unique_ptr<AttemptChannel>(new AttemptChannel(std::move(inside)));
}

const ChannelRequest& AttemptChannel::request() const {
  return inside_->request();
}

Status AttemptChannel::log(std::string_view level, std::string_view message) {
  return inside_->send(Json::object(
      {{"type", "log"}, {"level", level}, {"message", to_utf8(message.substr(0, kLongestText))}}));
}

Status AttemptChannel::progress(double fraction, std::string_view message) {
  constexpr std::int64_t kParts = 1'000;
  const double part = std::isnan(fraction) ? 0 : std::clamp(fraction, 0.0, 1.0) * kParts;
  return inside_->send(Json::object({{"type", "progress"},
                                     {"done", static_cast<std::int64_t>(part)},
                                     {"total", kParts},
                                     {"message", to_utf8(message.substr(0, kLongestText))}}));
}

Status AttemptChannel::metrics(const Json& values) {
  return inside_->send(Json::object({{"type", "metrics"}, {"values", values}}));
}

Status AttemptChannel::xcom(std::string_view key, const Json& value) {
  return inside_->send(Json::object({{"type", "xcom"}, {"key", key}, {"value", value}}));
}

Status AttemptChannel::lineage(const Json& event) {
  return inside_->send(Json::object({{"type", "lineage"}, {"event", event}}));
}

Status AttemptChannel::ask_fence() {
  return inside_->ask_fence();
}

Status AttemptChannel::succeed(const Json& result, Downstream downstream) {
  return inside_->send(Json::object({{"type", "result"},
                                     {"status", "success"},
                                     {"value", result},
                                     {"skip_downstream", downstream == Downstream::IsSkipped}}));
}

Status AttemptChannel::skip(std::string_view reason) {
  return inside_->send(Json::object({{"type", "result"},
                                     {"status", "skipped"},
                                     {"message", to_utf8(reason.substr(0, kLongestText))}}));
}

Status AttemptChannel::fail(const Error& error) {
  return inside_->send(
      Json::object({{"type", "result"},
                    {"status", "failed"},
                    {"code", to_string(error.code())},
                    {"message", to_utf8(error.message().substr(0, kLongestText))}}));
}

bool AttemptChannel::cancelled() const {
  return inside_->cancelled();
}

void AttemptChannel::on_cancel(std::function<void()> stop) {
  inside_->on_cancel(std::move(stop));
}

}  // namespace millrace::execution
