#include "launcher/launcher_link.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "execution/processes.h"
#include "launcher/launcher.h"
#include "net/socket_path.h"

namespace millrace::launcher {
namespace {

using SteadyTime = std::chrono::steady_clock::time_point;

constexpr std::size_t kReadAtOnce = 1U << 16U;
constexpr int kConnectionFd = 3;
// Descriptors that the child places lie above those that it places them on.
constexpr int kAboveAll = 10;
constexpr off_t kLongestLog = 4 << 20;
// In which a launcher that lives sees that its socket's file was removed.
constexpr Duration kPatienceForSocket = std::chrono::seconds(3);

/// False when the socket is not readable by then.
bool wait_for_input(int fd, SteadyTime deadline) {
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
  pollfd watched{fd, POLLIN, 0};
  int ready = 0;
  do {
    ready =
        ::poll(&watched, 1, static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 60'000)));
  } while (ready < 0 && errno == EINTR);
  return ready > 0;
}

/// A launcher that does not read for so long is as good as none.
void limit_sending(int socket, Duration patience) {
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(patience);
  const timeval limit{static_cast<time_t>(seconds.count()), 0};
  ::setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

/// A connection to whoever listens there; closed when nobody does.
Result<FileDescriptor> connect_to(const std::string& path) {
  const net::SocketPath within_limits = TRY(net::SocketPath::of(path));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::ranges::copy(within_limits.get(), address.sun_path);
  FileDescriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket.is_open()) return file_error(errno, path);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0)
    return socket;
  if (errno == ENOENT || errno == ECONNREFUSED) return FileDescriptor();
  return file_error(errno, path).while_doing("reaching the launcher");
}

FileDescriptor open_process(pid_t pid) {
  return FileDescriptor(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
}

bool has_hung_up(const FileDescriptor& socket) {
  pollfd watched{socket.get(), 0, 0};
  return ::poll(&watched, 1, 0) > 0;
}

/// Whether a launcher lives, though nobody may listen.
Result<bool> is_locked(const std::string& state) {
  const std::string path = state + "/launcher.lock";
  const FileDescriptor lock(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!lock.is_open() && errno == ENOENT) return false;
  if (!lock.is_open()) return file_error(errno, path);
  return !TRY(try_lock_exclusively(lock, path));
}

/// Closed when no launcher lives, or when there is no way to it.
Result<FileDescriptor> connect_to_launcher(const std::string& state) {
  const SteadyTime deadline = std::chrono::steady_clock::now() + kPatienceForSocket;
  for (;;) {
    FileDescriptor socket = TRY(connect_to(socket_path(state)));
    if (socket.is_open() || std::chrono::steady_clock::now() >= deadline) return socket;
    if (!TRY(is_locked(state))) return socket;
    ::poll(nullptr, 0, 20);
  }
}

/// What the child's process is made with. The descriptors live until it is there.
class Spawning {
 public:
  Spawning() {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawnattr_init(&attributes_);
  }
  Spawning(const Spawning&) = delete;
  Spawning& operator=(const Spawning&) = delete;
  ~Spawning() {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
  }

  /// In a session of its own, at the root of the file system, with default signals and with no
  /// descriptor of ours but these.
  Result<pid_t> spawn(const std::vector<std::string>& command, int connection, int log) {
    sigset_t all;
    sigset_t none;
    ::sigfillset(&all);
    ::sigemptyset(&none);
    ::posix_spawnattr_setsigdefault(&attributes_, &all);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    ::posix_spawnattr_setflags(
        &attributes_,
        static_cast<short>(POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK));
    ::posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_adddup2(&actions_, log, STDOUT_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions_, log, STDERR_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions_, connection, kConnectionFd);
    ::posix_spawn_file_actions_addclosefrom_np(&actions_, kConnectionFd + 1);
    ::posix_spawn_file_actions_addchdir_np(&actions_, "/");
    std::vector<char*> arguments;
    arguments.reserve(command.size() + 1);
    for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    char* no_environment[] = {nullptr};
    pid_t pid = -1;
    const int error = ::posix_spawn(&pid, arguments[0], &actions_, &attributes_, arguments.data(),
                                    no_environment);
    if (error != 0)
      return Error(ErrorCode::Unavailable,
                   fmt::format("starting the launcher '{}': {}", command[0], std::strerror(error)));
    return pid;
  }

 private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

Result<FileDescriptor> open_log(const std::string& state) {
  const std::string path = state + "/launcher.log";
  FileDescriptor log(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!log.is_open()) return file_error(errno, path);
  struct stat about{};
  if (::fstat(log.get(), &about) == 0 && about.st_size > kLongestLog &&
      ::ftruncate(log.get(), 0) != 0)
    return file_error(errno, path);
  return FileDescriptor(::fcntl(log.get(), F_DUPFD_CLOEXEC, kAboveAll));
}

}  // namespace

Result<std::unique_ptr<LauncherLink>> LauncherLink::find(const std::string& state,
                                                         Duration patience) {
  FileDescriptor socket = TRY(connect_to_launcher(state));
  if (!socket.is_open()) return nullptr;
  ucred peer{};
  socklen_t size = sizeof(peer);
  if (::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
    return file_error(errno, socket_path(state));
  if (peer.uid != ::geteuid())
    return Error(ErrorCode::Denied,
                 fmt::format("the launcher of this project (pid {}) belongs to another user (uid "
                             "{}); run as that user, or have it end the launcher",
                             peer.pid, peer.uid));
  FileDescriptor process = open_process(peer.pid);
  // Had it ended before that, so that the number could be another's, its connection had as well.
  if (has_hung_up(socket)) return nullptr;
  limit_sending(socket.get(), patience);
  std::unique_ptr<LauncherLink> link(
      new LauncherLink(std::move(socket), peer.pid, std::move(process), false));
  const Result<Greeting> greeting = link->greet(state, patience);
  if (greeting.ok() && *greeting == Greeting::Fits) return link;
  if (greeting.ok() && *greeting == Greeting::IsLeaving) return nullptr;
  log_warning(fmt::format("the launcher with pid {} is ended with its attempts: {}", peer.pid,
                          greeting.ok() ? "it is of another version, or of a folder that was moved"
                                        : greeting.error().message()));
  TRY(link->end_launcher(patience));
  return nullptr;
}

Result<std::unique_ptr<LauncherLink>> LauncherLink::start(const std::string& state,
                                                          const std::vector<std::string>& command,
                                                          Duration patience) {
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
    return file_error(errno, "the launcher's connection");
  FileDescriptor ours(pair[0]);
  FileDescriptor theirs(pair[1]);
  theirs = FileDescriptor(::fcntl(theirs.get(), F_DUPFD_CLOEXEC, kAboveAll));
  const FileDescriptor log = TRY(open_log(state));
  if (!theirs.is_open() || !log.is_open()) return file_error(errno, "the launcher's descriptors");
  const pid_t pid = TRY(Spawning().spawn(command, theirs.get(), log.get()));
  theirs.close();
  limit_sending(ours.get(), patience);
  std::unique_ptr<LauncherLink> link(
      new LauncherLink(std::move(ours), pid, open_process(pid), true));
  Result<Greeting> greeting = link->greet(state, patience);
  if (greeting.ok() && *greeting == Greeting::Fits) return link;
  static_cast<void>(link->end_launcher(patience));
  const std::string how = link->how_it_ended();
  if (!greeting.ok()) return std::move(greeting).error().while_doing("starting the launcher");
  return Error(ErrorCode::Unavailable,
               fmt::format("the launcher did not come up{}; what it said is in {}/launcher.log",
                           how.empty() ? "" : ": it " + how, state));
}

/// Errors: Timeout; what it refuses with.
Result<LauncherLink::Greeting> LauncherLink::greet(const std::string& state, Duration patience) {
  order::Hello hello;
  hello.state = state;
  std::error_code error;
  hello.working_folder = std::filesystem::current_path(error).string();
  hello.environment = execution::own_environment();
  if (!send(to_line(Order(hello))).ok()) return Greeting::IsLeaving;
  const SteadyTime deadline = std::chrono::steady_clock::now() + patience;
  std::optional<std::string> line = lines_.next();
  while (!line) {
    if (!wait_for_input(socket_.get(), deadline))
      return Error(ErrorCode::Timeout, "the launcher does not say hello");
    std::array<char, kReadAtOnce> piece;
    const ssize_t size = ::recv(socket_.get(), piece.data(), piece.size(), 0);
    if (size <= 0 || !lines_.feed({piece.data(), static_cast<std::size_t>(size)}).ok())
      return Greeting::IsLeaving;
    line = lines_.next();
  }
  const Result<Report> first = report_from(*line);
  if (!first.ok()) return Greeting::DoesNotFit;
  if (const auto* refused = std::get_if<report::Refused>(&*first))
    return Error(ErrorCode::Unavailable, refused->message);
  const auto* theirs = std::get_if<report::Hello>(&*first);
  const bool fits =
      theirs != nullptr && theirs->version == kProtocolVersion && theirs->state == state;
  return fits ? Greeting::Fits : Greeting::DoesNotFit;
}

Status LauncherLink::send(const std::string& line) {
  std::string_view left = line;
  while (!left.empty()) {
    const ssize_t size = ::send(socket_.get(), left.data(), left.size(), MSG_NOSIGNAL);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) {
      hang_up();  // a line that was sent in part cannot be mended
      return Error(ErrorCode::Unavailable, "the launcher does not listen any more");
    }
    left.remove_prefix(static_cast<std::size_t>(size));
  }
  return {};
}

Result<std::optional<std::string>> LauncherLink::read(Duration a_while,
                                                      const std::function<void()>& silent) {
  for (;;) {
    if (std::optional<std::string> line = lines_.next()) return line;
    while (!wait_for_input(socket_.get(), std::chrono::steady_clock::now() + a_while)) silent();
    std::array<char, kReadAtOnce> piece;
    const ssize_t size = ::recv(socket_.get(), piece.data(), piece.size(), 0);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return std::optional<std::string>();
    TRY(lines_.feed({piece.data(), static_cast<std::size_t>(size)}));
  }
}

void LauncherLink::hang_up() {
  ::shutdown(socket_.get(), SHUT_RDWR);
}

Status LauncherLink::end_launcher(Duration patience) {
  if (process_.is_open()) {
    ::syscall(SYS_pidfd_send_signal, process_.get(), SIGKILL, nullptr, 0);
    if (wait_for_input(process_.get(), std::chrono::steady_clock::now() + patience)) return {};
  }
  return Error(ErrorCode::Unavailable,
               fmt::format("the launcher with pid {} cannot be ended; end it (kill -9), then try "
                           "again",
                           pid_));
}

std::string LauncherLink::how_it_ended() {
  if (process_.is_open() &&
      !wait_for_input(process_.get(), std::chrono::steady_clock::now() + std::chrono::seconds(1)))
    return "";
  // A child's number is its own until this.
  int status = 0;
  if (!is_child_ || ::waitpid(pid_, &status, WNOHANG) != pid_) return "has ended";
  is_child_ = false;
  if (WIFSIGNALED(status)) return fmt::format("was killed by signal {}", WTERMSIG(status));
  return fmt::format("ended with status {}", WEXITSTATUS(status));
}

}  // namespace millrace::launcher
