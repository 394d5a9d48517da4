#include "project/program.h"

#include <array>
#include <cerrno>
#include <cstring>

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
constexpr auto kPatience = std::chrono::seconds(10);

/// Reads until the end of `fd`, the deadline or the limit.
Result<std::string> read_all(int fd, const std::string& path) {
  const auto clock = make_system_clock();
  const Instant deadline = clock->now() + kPatience;
  std::string text;
  std::array<char, 65'536> buffer;
  for (;;) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - clock->now());
    pollfd wait{fd, POLLIN, 0};
    if (left.count() <= 0 || ::poll(&wait, 1, static_cast<int>(left.count())) == 0)
      return Error(ErrorCode::Timeout,
                   fmt::format("'{} describe' did not answer within 10 s", path));
    const ssize_t got = ::read(fd, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(got));
    if (text.size() > kLargestAnswer)
      return Error(ErrorCode::Invalid, fmt::format("'{} describe' printed more than 4 MiB", path));
  }
}

}  // namespace

Result<orchestration::DagSpec> describe_program(const std::string& path) {
  std::array<int, 2> output{};
  if (::pipe2(output.data(), O_CLOEXEC) != 0)
    return Error(ErrorCode::Exhausted, std::strerror(errno));
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, output[1], STDOUT_FILENO);
  std::string program = path;
  std::string verb = "describe";
  std::array<char*, 3> argv = {program.data(), verb.data(), nullptr};
  pid_t child = -1;
  const int failed = ::posix_spawn(&child, path.c_str(), &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  ::close(output[1]);
  if (failed != 0) {
    ::close(output[0]);
    return Error(failed == ENOENT ? ErrorCode::NotFound : ErrorCode::Unavailable,
                 fmt::format("{}: {}; build it first", path, std::strerror(failed)));
  }
  Result<std::string> text = read_all(output[0], path);
  ::close(output[0]);
  if (!text.ok()) ::kill(child, SIGKILL);
  int status = 0;
  ::waitpid(child, &status, 0);
  if (!text.ok()) return std::move(text).error();
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    return Error(ErrorCode::Unavailable, fmt::format("'{} describe' failed", path));
  const Json document = TRY_DOING(path + " describe", Json::parse(*text));
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
