#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file_descriptor.h"
#include "execution/attempt_protocol.h"
#include "execution/spawner.h"

namespace millrace::execution {
namespace {

/// What the child does between vfork and exec, prepared by the parent: the child shares the
/// parent's memory and may call nothing that allocates.
struct Plan {
  const char* program = nullptr;
  char* const* arguments = nullptr;
  char* const* environment = nullptr;
  const char* working_folder = nullptr;
  int input_fd = -1;
  int output_fd = -1;
  int error_fd = -1;
  int channel_fd = -1;
  pid_t parent = -1;
  int report_fd = -1;  // closed by exec; before that it can say what failed
  sigset_t signals;    // the parent's, before it blocked them all
};

/// What the child reports when it cannot become what it should.
struct Failure {
  enum Step : std::uint8_t { Folder, Descriptors, Exec };
  Step step = Exec;
  int error = 0;
};

void default_signals() {
  struct sigaction plain{};
  plain.sa_handler = SIG_DFL;
  for (int number = 1; number < NSIG; ++number)
    if (number != SIGKILL && number != SIGSTOP) ::sigaction(number, &plain, nullptr);
}

/// dup2 that also works in place: the copy must outlive exec.
bool place(int from, int to) {
  if (from == to) return ::fcntl(from, F_SETFD, 0) == 0;
  return ::dup2(from, to) == to;
}

[[noreturn]] void become(Plan& plan) {
  const auto give_up = [&plan](Failure::Step step) {
    const Failure failure{step, errno};
    [[maybe_unused]] const ssize_t size = ::write(plan.report_fd, &failure, sizeof(failure));
    ::_exit(127);
  };
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != plan.parent) ::_exit(127);  // it died before the line above took effect
  default_signals();
  if (plan.working_folder != nullptr && ::chdir(plan.working_folder) != 0) give_up(Failure::Folder);
  if (!place(plan.input_fd, 0) || !place(plan.output_fd, 1) || !place(plan.error_fd, 2))
    give_up(Failure::Descriptors);
  if (plan.channel_fd >= 0 && !place(plan.channel_fd, kAttemptFd)) give_up(Failure::Descriptors);
  const unsigned first_unused = plan.channel_fd >= 0 ? kAttemptFd + 1 : kAttemptFd;
  // At exec, so that a failure can still be reported.
  constexpr unsigned close_at_exec = 1U << 2U;  // CLOSE_RANGE_CLOEXEC of linux/close_range.h
  ::syscall(SYS_close_range, first_unused, ~0U, close_at_exec);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execve(plan.program, plan.arguments, plan.environment);
  give_up(Failure::Exec);
  ::_exit(127);
}

// vfork, since fork copies the page tables of a server that may hold gigabytes: a child is there in
// well under a millisecond whatever the server's size. Not inlined, so that nothing of the caller's
// frame can be changed by the child.
[[gnu::noinline]] pid_t make_child(Plan& plan) {
  const pid_t pid = ::vfork();  // NOLINT(bugprone-unsafe-functions)
  if (pid == 0) become(plan);
  return pid;
}

/// The file that a command's first word means in the child's environment.
Result<std::string> find_program(const std::string& name,
                                 const std::vector<std::string>& environment) {
  if (name.empty()) return Error(ErrorCode::Invalid, "an empty command cannot be run");
  if (name.find('/') != std::string::npos) return name;
  std::string_view left = "/usr/bin:/bin";
  for (const std::string& entry : environment)
    if (entry.starts_with("PATH=")) left = std::string_view(entry).substr(5);
  while (!left.empty()) {
    const std::size_t colon = std::min(left.find(':'), left.size());
    std::string candidate = std::string(left.substr(0, colon)) + "/" + name;
    if (colon > 0 && ::access(candidate.c_str(), X_OK) == 0) return candidate;
    left.remove_prefix(std::min(colon + 1, left.size()));
  }
  return Error(ErrorCode::NotFound,
               fmt::format("the command '{}' is not in PATH; install it, or write its path", name));
}

Error spawn_error(int number, const std::string& what) {
  const ErrorCode code = number == ENOENT || number == ENOTDIR   ? ErrorCode::NotFound
                         : number == EACCES || number == ENOEXEC ? ErrorCode::Denied
                         : number == ENOMEM                      ? ErrorCode::Exhausted
                         : number == E2BIG                       ? ErrorCode::Invalid
                                                                 : ErrorCode::Unavailable;
  return {code, fmt::format("{}: {}", what, std::strerror(number))};
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> all;
  all.reserve(texts.size() + 1);
  for (const std::string& text : texts) all.push_back(const_cast<char*>(text.c_str()));
  all.push_back(nullptr);
  return all;
}

/// A copy above the descriptors that the child's own take, so that placing one cannot overwrite
/// another.
FileDescriptor raised(int fd) {
  return FileDescriptor(fd < 0 ? -1 : ::fcntl(fd, F_DUPFD_CLOEXEC, 10));
}

class LocalSpawner final : public Spawner {
 public:
  Result<Child> spawn(const SpawnRequest& request) override {
    if (request.command.empty()) return Error(ErrorCode::Invalid, "there is no command to run");
    const std::string program = TRY(find_program(request.command[0], request.environment));
    const std::vector<char*> arguments = pointers(request.command);
    const std::vector<char*> environment = pointers(request.environment);
    const FileDescriptor nothing(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    const FileDescriptor input = raised(nothing.get());
    const FileDescriptor output = raised(request.output_fd);
    const FileDescriptor error = raised(request.error_fd);
    const FileDescriptor channel = raised(request.channel_fd);
    Plan plan;
    plan.program = program.c_str();
    plan.arguments = arguments.data();
    plan.environment = environment.data();
    if (!request.working_folder.empty()) plan.working_folder = request.working_folder.c_str();
    plan.input_fd = input.get();
    plan.output_fd = output.get();
    plan.error_fd = error.get();
    plan.channel_fd = channel.get();
    plan.parent = ::getpid();
    int report[2];
    if (::pipe2(report, O_CLOEXEC) != 0) return spawn_error(errno, "starting a process");
    const FileDescriptor reading(report[0]);
    FileDescriptor writing(report[1]);
    plan.report_fd = ::fcntl(writing.get(), F_DUPFD_CLOEXEC, 10);
    writing = FileDescriptor(plan.report_fd);
    const pid_t pid = start(plan);
    if (pid < 0) return spawn_error(errno, "starting a process");
    writing.close();
    Failure failure;
    // The end of the pipe: exec has closed it.
    if (::read(reading.get(), &failure, sizeof(failure)) != sizeof(failure)) return watch(pid);
    ::waitpid(pid, nullptr, 0);
    switch (failure.step) {
      case Failure::Folder:
        return spawn_error(failure.error, "entering the folder '" + request.working_folder + "'");
      case Failure::Descriptors:
        return spawn_error(failure.error, "setting up the process");
      case Failure::Exec:
        return spawn_error(failure.error, "running '" + program + "'");
    }
    return spawn_error(failure.error, "running '" + program + "'");
  }

  ExitStatus reap(const Child& child) override {
    int status = 0;
    struct rusage used{};
    while (::wait4(child.pid, &status, 0, &used) < 0 && errno == EINTR) {
    }
    ExitStatus exit;
    if (WIFEXITED(status)) exit.code = WEXITSTATUS(status);
    if (WIFSIGNALED(status)) exit.signal = WTERMSIG(status);
    const auto micros = [](const timeval& time) {
      return Duration(std::int64_t{time.tv_sec} * 1'000'000 + time.tv_usec);
    };
    exit.cpu = micros(used.ru_utime) + micros(used.ru_stime);
    exit.max_rss_bytes = static_cast<std::uint64_t>(used.ru_maxrss) * 1024U;
    return exit;
  }

  void signal(const Child& child, int signal_number) override {
    if (child.pid > 1) ::kill(-child.pid, signal_number);
  }

 private:
  /// With all signals blocked meanwhile: a handler that ran in the child would run on our memory.
  static pid_t start(Plan& plan) {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &plan.signals);
    const pid_t pid = make_child(plan);
    const int error = errno;
    ::pthread_sigmask(SIG_SETMASK, &plan.signals, nullptr);
    errno = error;
    return pid;
  }

  static Result<Child> watch(pid_t pid) {
    const int pidfd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
    if (pidfd >= 0) {
      ::fcntl(pidfd, F_SETFD, FD_CLOEXEC);
      return Child{pid, pidfd};
    }
    const int error = errno;
    ::kill(-pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    return spawn_error(error, "watching a process");
  }
};

}  // namespace

std::unique_ptr<Spawner> make_local_spawner() {
  return std::make_unique<LocalSpawner>();
}

}  // namespace millrace::execution
