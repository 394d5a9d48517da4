// up, down: the project's server.

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>
#include <stop_token>
#include <utility>

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "cli/connection.h"
#include "cli/stop_signals.h"
#include "server/project_lock.h"
#include "tasks/check_project.h"

namespace millrace::cli {
namespace {

// It waits for a launcher that does not answer, 30 s for each of its first two answers.
constexpr std::chrono::milliseconds kPatienceToStart(90'000);
constexpr std::chrono::milliseconds kBetweenLooks(100);
constexpr std::chrono::seconds kLongestLook(2);
// A server waits 10 s for its attempts, 30 s more for a launcher that does not answer, and 10 s for
// who still asks.
constexpr int kPatienceToStop = 600;
constexpr std::string_view kError = "error: ";  // of fail(), not said twice

/// A server comes up with SQL that does not bind, since it answers predictions, too: what runs over
/// that SQL fails and says so. Dags that do not say what they seem to are another thing.
Result<project::Project> open_for_server(const Common& common) {
  project::Loaded loaded = TRY(project::load_project(common.project, common.target));
  if (loaded.problems.empty()) loaded.problems = tasks::problems_of_dags(loaded);
  return project::whole(std::move(loaded));
}

Status serve(const Common& common) {
  const project::Project project = TRY(open_for_server(common));
  std::stop_source asked;
  const StopSignals signals([&] { asked.request_stop(); });
  auto started =
      server::Server::start(project, {.resident = true,
                                      .attempt_command = {server::own_program(), "attempt"},
                                      .launcher_command = {server::own_program(), "launcher"}});
  // Of one that holds the project and does not answer another word helps.
  if (!started.ok() && started.error().code() == ErrorCode::AlreadyExists)
    if (const auto holder = status_of_running(project);
        !holder.ok() && holder.error().code() == ErrorCode::Timeout)
      return holder.error();
  const auto server = TRY(std::move(started));
  const std::stop_callback stop(asked.get_token(), [&] { server->request_stop(); });
  log_info(fmt::format("{} is up: predictions at {}, status at http://{}/api/v1/status",
                       project.name, server->endpoint_address(), server->status_address()));
  server->wait();
  log_info("stopping");
  server->stop();
  return {};
}

/// Becomes `millrace up` of the same project, in a session of its own, with its words in the file `log`.
[[noreturn]] void become_server(const project::Project& project, const std::string& program,
                                int log) {
  ::setsid();
  const int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  ::dup2(null, STDIN_FILENO);
  ::dup2(log, STDOUT_FILENO);
  ::dup2(log, STDERR_FILENO);
  ::execl(program.c_str(), program.c_str(), "up", "--project", project.root.c_str(), "--target",
          project.target.name.c_str(), nullptr);
  ::_exit(127);
}

/// What a server that ended said since its log had `before` bytes.
Error why_it_ended(const std::string& log, std::size_t before, int status) {
  std::string words = read_file(log).value_or("");
  words.erase(0, std::min(before, words.size()));
  while (!words.empty() && words.back() == '\n') words.pop_back();
  const std::size_t said = words.rfind(kError);
  if (said == 0 || (said != std::string::npos && words[said - 1] == '\n'))
    words.erase(said, kError.size());
  const bool mistake = WIFEXITED(status) && WEXITSTATUS(status) == kMistake;
  return {mistake ? ErrorCode::Invalid : ErrorCode::Unavailable,
          "the server did not come up: " + (words.empty() ? "it said nothing" : words)};
}

/// Who may not write there starts no server; its own words could not be kept either.
Result<FileDescriptor> open_log(const project::Project& project, const std::string& log) {
  const Status made = make_folders_in(project.root, project.state);
  FileDescriptor file(
      made.ok() ? ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644) : -1);
  if (file.get() >= 0) return file;
  const Error why = made.ok() ? file_error(errno, log) : made.error();
  return Error(why.code(),
               fmt::format("{}; a server keeps its state in {}: let this user write there, or give "
                           "the target another `state` in millrace.yml",
                           why.message(), project.state));
}

/// Starts `millrace up` again in the background and waits until it answers. Returns its status.
Result<Json> detach(const Common& common) {
  const project::Project project = TRY(open_for_server(common));
  const auto running = status_of_running(project);
  if (running.ok())
    return Error(ErrorCode::AlreadyExists,
                 fmt::format("a server runs for this project already (pid {}){}; stop it with "
                             "`millrace down`",
                             running->integer_or("pid", 0),
                             running->bool_or("outdated", false)
                                 ? ", with the program as it was before it was built anew"
                                 : ""));
  if (running.error().code() != ErrorCode::Unavailable) return running.error();
  const std::string log = project.state + "/server.log";
  const FileDescriptor words = TRY(open_log(project, log));
  const std::size_t before = read_file(log).value_or("").size();
  const std::string program = server::own_program();
  const pid_t child = ::fork();
  if (child < 0)
    return Error(ErrorCode::Exhausted,
                 fmt::format("starting the server's process: {}; free some memory, or allow more "
                             "processes (`ulimit -u`)",
                             std::strerror(errno)));
  if (child == 0) become_server(project, program, words.get());
  std::string told;
  for (auto left = kPatienceToStart; left.count() > 0;) {
    auto status = status_of_running(project, kLongestLook);
    if (status.ok()) return status;
    int ended = 0;
    if (::waitpid(child, &ended, WNOHANG) == child) return why_it_ended(log, before, ended);
    const bool was_long = status.error().code() == ErrorCode::Timeout;
    if (!was_long) ::poll(nullptr, 0, static_cast<int>(kBetweenLooks.count()));
    left -= was_long ? kLongestLook : kBetweenLooks;
    const bool is_odd = left < kPatienceToStart - kLongestLook;
    if (is_odd && server::ProjectLock::launcher_waited_for(project.state) != 0 &&
        status.error().message() != told)
      warn(told = status.error().message());
  }
  return Error(ErrorCode::Timeout, "the server does not answer after " +
                                       std::to_string(kPatienceToStart.count() / 1'000) +
                                       " s; its words are in " + log);
}

/// What keeps a server that stops from its end, "" when nothing does; none when it has ended. Not by
/// whether the socket's file is there: the folder may have been moved under the server.
std::optional<std::string> trouble_of_stopping(const project::Project& project) {
  net::HttpClient client(
      {.unix_path = server::socket_path(project), .timeout = std::chrono::seconds(1)});
  const auto status = client.get_json("/api/v1/status");
  if (status.ok()) return status->string_or("trouble", "");
  if (status.error().code() == ErrorCode::Unavailable) return std::nullopt;
  return "";
}

Result<Json> stop_running(const Common& common, const DownArguments& arguments) {
  const project::Project project = TRY(open_project(common, project::Parts::config()));
  const Json status = TRY(status_of_running(project));
  Connection connection = TRY(Connection::to_running(project));
  TRY(connection.post_json("/api/v1/shutdown",
                           Json::object({{"keep_attempts", arguments.keep_attempts}})));
  std::string told;
  for (int i = 0; i < kPatienceToStop; ++i) {
    const auto trouble = trouble_of_stopping(project);
    if (!trouble) return Json::object({{"stopped", true}, {"pid", status.integer_or("pid", 0)}});
    if (!trouble->empty() && *trouble != std::exchange(told, *trouble))
      warn("the server is stopping, and waits: " + *trouble);
    ::poll(nullptr, 0, 100);
  }
  return Error(ErrorCode::Timeout,
               fmt::format("the server is still stopping after {} s{}", kPatienceToStop / 10,
                           told.empty() ? "" : ": " + told));
}

}  // namespace

int up(const Common& common, const UpArguments& arguments) {
  if (!arguments.detach) {
    const Status served = serve(common);
    return served.ok() ? kSuccess : fail(common, served.error());
  }
  const Result<Json> status = detach(common);
  if (!status.ok()) return fail(common, status.error());
  if (common.json)
    print_json(*status);
  else
    std::printf(
        "the server is up; predictions at %s, status at http://%s/api/v1/status; `millrace down` "
        "stops it\n",
        status->string_or("endpoint", "").c_str(), status->string_or("status", "").c_str());
  return kSuccess;
}

int down(const Common& common, const DownArguments& arguments) {
  const Result<Json> stopped = stop_running(common, arguments);
  if (!stopped.ok()) return fail(common, stopped.error());
  if (common.json)
    print_json(*stopped);
  else
    std::printf("the server has stopped\n");
  return kSuccess;
}

}  // namespace millrace::cli
