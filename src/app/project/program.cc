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

Error too_slow(const std::string& path) {
  return Error(ErrorCode::Timeout, fmt::format("'{} describe' did not end within 10 s", path));
}

/// Reads until the end of both, the deadline or the limit.
Result<Printed> read_all(int output, int errors, const std::string& path, const Clock& clock,
                         Instant deadline) {
  Printed printed;
  std::array<pollfd, 2> streams = {{{output, POLLIN, 0}, {errors, POLLIN, 0}}};
  std::array<char, 65'536> buffer;
  while (streams[0].fd >= 0 || streams[1].fd >= 0) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - clock.now());
    if (left.count() <= 0 ||
        ::poll(streams.data(), streams.size(), static_cast<int>(left.count())) == 0)
      return too_slow(path);
    for (pollfd& stream : streams) {
      if (stream.fd < 0 || stream.revents == 0) continue;
      std::string& text = stream.fd == output ? printed.answer : printed.words;
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
std::optional<int> end_of(pid_t child, const Clock& clock, Instant deadline) {
  int status = 0;
  while (::waitpid(child, &status, WNOHANG) == 0) {
    if (clock.now() >= deadline) return std::nullopt;
    ::poll(nullptr, 0, 1);
  }
  return status;
}

Error no_pipe(int why, const std::string& path) {
  return Error(
      ErrorCode::Exhausted,
      fmt::format("'{} describe' cannot be heard: {}; see `ulimit -n`", path, std::strerror(why)));
}

}  // namespace

Result<orchestration::DagSpec> describe_program(const std::string& path) {
  std::array<int, 2> output{};
  std::array<int, 2> errors{};
  if (::pipe2(output.data(), O_CLOEXEC) != 0) return no_pipe(errno, path);
  if (::pipe2(errors.data(), O_CLOEXEC) != 0) {
    const int why = errno;
    ::close(output[0]);
    ::close(output[1]);
    return no_pipe(why, path);
  }
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, output[1], STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, errors[1], STDERR_FILENO);
  std::string program = path;
  std::string verb = "describe";
  std::array<char*, 3> argv = {program.data(), verb.data(), nullptr};
  pid_t child = -1;
  const int failed = ::posix_spawn(&child, path.c_str(), &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  ::close(output[1]);
  ::close(errors[1]);
  if (failed != 0) {
    ::close(output[0]);
    ::close(errors[0]);
    if (failed == EACCES || failed == ENOEXEC)
      return Error(ErrorCode::Denied, fmt::format("{}: {}; name the program that was built", path,
                                                  std::strerror(failed)));
    return Error(failed == ENOENT ? ErrorCode::NotFound : ErrorCode::Unavailable,
                 fmt::format("{}: {}; build it first", path, std::strerror(failed)));
  }
  const auto clock = make_system_clock();
  const Instant deadline = clock->now() + kPatience;
  Result<Printed> printed = read_all(output[0], errors[0], path, *clock, deadline);
  ::close(output[0]);
  ::close(errors[0]);
  const auto status = printed.ok() ? end_of(child, *clock, deadline) : std::nullopt;
  if (!status.has_value()) {
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    return printed.ok() ? too_slow(path) : std::move(printed).error();
  }
  if (!WIFEXITED(*status) || WEXITSTATUS(*status) != 0)
    return Error(ErrorCode::Unavailable,
                 fmt::format("'{} describe' failed: {}", path,
                             printed->words.empty() ? "it gave no reason" : printed->words));
  const Json document = TRY_DOING(path + " describe", Json::parse(printed->answer));
  orchestration::DagSpec spec =
      TRY_DOING(path + " describe", orchestration::DagSpec::from_json(document));
  TRY_DOING(path + " describe", orchestration::Dag::make(spec));
  for (const auto& task : spec.tasks)
    if (task.kind != "program")
      return Error(
          ErrorCode::Invalid,
          fmt::format("{} describe: the task '{}' is of kind '{}'; a program's tasks are of "
                      "kind program",
                      path, task.id.str(), task.kind));
  return spec;
}

}  // namespace millrace::project
