#include "project/program.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file_descriptor.h"

extern char** environ;

namespace millrace::project {
namespace {

constexpr std::size_t kLargestAnswer = 4U << 20U;
constexpr std::size_t kMostWords = 2'000;
constexpr auto kPatience = std::chrono::seconds(10);

/// What a program prints: its answer, and the end of its words for people.
struct Printed {
  std::string answer;
  std::string words;
};

/// A program that was asked for its Dag.
struct Child {
  pid_t pid = -1;
  FileDescriptor output;
  FileDescriptor errors;
};

Error cannot_start(const std::string& path, int why) {
  if (why == EACCES || why == ENOEXEC)
    return Error(ErrorCode::Denied,
                 fmt::format("{}: {}; name the program that was built", path, std::strerror(why)));
  return Error(why == ENOENT ? ErrorCode::NotFound : ErrorCode::Unavailable,
               fmt::format("{}: {}; build it first", path, std::strerror(why)));
}

Result<Child> start(const std::string& path) {
  const std::string heard = fmt::format("what '{} describe' says", path);
  Pipe output = TRY(open_pipe(heard));
  Pipe errors = TRY(open_pipe(heard));
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, output.in.get(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, errors.in.get(), STDERR_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  // A group of its own, so that what the program starts can be ended with it.
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  posix_spawnattr_setpgroup(&attributes, 0);
  std::string program = path;
  std::string verb = "describe";
  std::array<char*, 3> argv = {program.data(), verb.data(), nullptr};
  Child child;
  const int failed =
      ::posix_spawn(&child.pid, path.c_str(), &actions, &attributes, argv.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) return cannot_start(path, failed);
  child.output = std::move(output.out);
  child.errors = std::move(errors.out);
  return child;
}

Error too_slow(const std::string& path) {
  return Error(ErrorCode::Timeout, fmt::format("'{} describe' did not end within 10 s", path));
}

/// Reads until the end of both, the deadline or the limit.
Result<Printed> read_all(const Child& child, const std::string& path, const Clock& clock,
                         Duration deadline) {
  Printed printed;
  std::array<pollfd, 2> streams = {
      {{child.output.get(), POLLIN, 0}, {child.errors.get(), POLLIN, 0}}};
  std::array<char, 65'536> buffer;
  while (streams[0].fd >= 0 || streams[1].fd >= 0) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - clock.running());
    if (left.count() <= 0 ||
        ::poll(streams.data(), streams.size(), static_cast<int>(left.count())) == 0)
      return too_slow(path);
    for (pollfd& stream : streams) {
      if (stream.fd < 0 || stream.revents == 0) continue;
      std::string& text = &stream == streams.data() ? printed.answer : printed.words;
      const ssize_t got = ::read(stream.fd, buffer.data(), buffer.size());
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) stream.fd = -1;  // poll passes over it
      if (got > 0) text.append(buffer.data(), static_cast<std::size_t>(got));
    }
    if (printed.answer.size() > kLargestAnswer)
      return Error(ErrorCode::Invalid, fmt::format("'{} describe' printed more than 4 MiB", path));
    if (printed.words.size() > kMostWords)
      printed.words.erase(0, printed.words.size() - kMostWords);
  }
  while (printed.words.ends_with('\n')) printed.words.pop_back();
  return printed;
}

/// The status with which the child ends by itself, which it may do long after it closed its
/// streams. Nothing at the deadline.
std::optional<int> end_of(pid_t child, const Clock& clock, Duration deadline) {
  int status = 0;
  while (::waitpid(child, &status, WNOHANG) == 0) {
    if (clock.running() >= deadline) return std::nullopt;
    ::poll(nullptr, 0, 1);
  }
  return status;
}

/// Waits for the answer and for the end. A child that is too slow or says too much is killed, with
/// all that it has started.
Result<std::string> answer_of(Child child, const std::string& path) {
  const auto clock = make_system_clock();
  const Duration deadline = clock->running() + kPatience;
  Result<Printed> printed = read_all(child, path, *clock, deadline);
  child.output.close();
  child.errors.close();
  const auto status = printed.ok() ? end_of(child.pid, *clock, deadline) : std::nullopt;
  if (!status.has_value()) {
    ::kill(-child.pid, SIGKILL);
    ::waitpid(child.pid, nullptr, 0);
    return printed.ok() ? too_slow(path) : std::move(printed).error();
  }
  if (!WIFEXITED(*status) || WEXITSTATUS(*status) != 0)
    return Error(ErrorCode::Unavailable,
                 fmt::format("'{} describe' failed: {}", path,
                             printed->words.empty() ? "it gave no reason" : printed->words));
  return std::move(printed->answer);
}

Result<orchestration::DagSpec> read_dag(const std::string& answer) {
  orchestration::DagSpec spec = TRY(orchestration::DagSpec::from_json(TRY(Json::parse(answer))));
  TRY(orchestration::Dag::make(spec));
  for (const auto& task : spec.tasks)
    if (task.kind != "program")
      return Error(ErrorCode::Invalid, fmt::format("the task '{}' is of kind '{}'; a program's "
                                                   "tasks are of kind program",
                                                   task.id.str(), task.kind));
  return spec;
}

}  // namespace

Result<orchestration::DagSpec> describe_program(const std::string& path) {
  const std::string answer = TRY(answer_of(TRY(start(path)), path));
  return TRY_DOING(path + " describe", read_dag(answer));
}

}  // namespace millrace::project
