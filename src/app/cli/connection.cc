#include "cli/connection.h"

#include <cerrno>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include <fmt/core.h>
#include <poll.h>
#include <unistd.h>

#include "server/project_lock.h"
#include "tasks/check_project.h"

namespace millrace::cli {
namespace {

constexpr std::chrono::milliseconds kPatience(30'000);
constexpr std::chrono::milliseconds kPause(50);

constexpr std::chrono::seconds kLongestAnswer(120);
constexpr std::chrono::seconds kMoment(5);  // after which a person wants to know
constexpr int kSilences = 12;               // of a moment each, after which nobody waits longer

std::unique_ptr<net::HttpClient> client_for(const project::Project& project,
                                            std::chrono::seconds timeout = kLongestAnswer) {
  return std::make_unique<net::HttpClient>(
      net::ClientOptions{.unix_path = server::socket_path(project), .timeout = timeout});
}

/// "" when it is not that one, or the server answers already.
std::string waits_for_launcher(const project::Project& project) {
  const std::int64_t launcher = server::ProjectLock::launcher_waited_for(project.state);
  if (launcher == 0) return "";
  return fmt::format(
      "a server with pid {0} starts, and waits for the launcher (pid {1}), the process that runs "
      "the "
      "attempts, for up to a minute; if it was stopped let it go on (`kill -CONT {1}`), or end it "
      "with its attempts (`kill -9 {1}`)",
      server::ProjectLock::holder(project.state), launcher);
}

Error not_answering(const project::Project& project) {
  if (std::string words = waits_for_launcher(project); !words.empty())
    return Error(ErrorCode::Timeout, std::move(words));
  const std::int64_t pid = server::ProjectLock::holder(project.state);
  return Error(ErrorCode::Timeout,
               fmt::format("a server with pid {0} holds this project and does not answer: it is "
                           "stopped, or the machine is too busy. Wait, or end it with `kill -9 "
                           "{0}`: its runs go on at the next start (`millrace up`)",
                           pid));
}

Error no_server(const project::Project& project) {
  const std::int64_t pid = server::ProjectLock::holder(project.state);
  if (pid > 0 && ::access(server::socket_path(project).c_str(), W_OK) != 0 && errno == EACCES)
    return Error(
        ErrorCode::Denied,
        fmt::format("the server of this project (pid {}) answers the user that started it; "
                    "everybody may ask the address of its status ('status' of the target "
                    "'{}' in millrace.yml)",
                    pid, project.target.name));
  if (std::string words = waits_for_launcher(project); !words.empty())
    return Error(ErrorCode::Unavailable, std::move(words));
  return Error(
      ErrorCode::Unavailable,
      "no server runs for this project; start one with `millrace up`, or see what ran with "
      "`millrace runs`");
}

/// Whether nothing listens any more: a server that only refused to answer still does.
bool is_gone(const project::Project& project) {
  const auto answer =
      client_for(project, std::chrono::seconds(1))->send(net::Method::Get, "/api/v1/status");
  return !answer.ok() && answer.error().code() == ErrorCode::Unavailable;
}

/// As long as it lives, somebody waits for an answer. After a while it asks the server what keeps it
/// from giving one, and says so: once for each cause.
class Impatience {
 public:
  explicit Impatience(const project::Project& project) {
    // Where there is too little for this, it is waited in silence.
    try {
      thread_ = std::jthread([&project](const std::stop_token& stop) {
        try {
          watch(project, stop);
        } catch (const std::exception&) {
          return;
        }
      });
    } catch (const std::exception&) {
      return;
    }
  }

 private:
  static void watch(const project::Project& project, const std::stop_token& stop) {
    std::mutex mutex;
    std::condition_variable_any never;
    std::unique_lock lock(mutex);
    const auto waits = [&] { never.wait_for(lock, stop, kMoment, [] { return false; }); };
    std::string told;
    // The follower's questions wait for a moment by themselves.
    for (waits(), waits(); !stop.stop_requested(); waits()) {
      const auto status = client_for(project, kMoment)->get_json("/api/v1/status");
      if (stop.stop_requested()) return;
      std::string words;
      if (status.ok()) words = status->string_or("trouble", "");
      if (!status.ok() && status.error().code() == ErrorCode::Timeout)
        words = not_answering(project).message();
      if (!words.empty() && words != told) warn(words);
      told = words;
    }
  }

  std::jthread thread_;
};

}  // namespace

int fail(const Common& common, const Error& error) {
  if (common.json)
    print_json(Json::object({{"error", Json::object({{"code", to_string(error.code())},
                                                     {"message", error.message()}})}}));
  else
    std::fprintf(stderr, "%s %s\n", Terminal(stderr).paint(Colour::Red, "error:").c_str(),
                 error.message().c_str());
  switch (error.code()) {
    case ErrorCode::Invalid:
    case ErrorCode::NotFound:
    case ErrorCode::AlreadyExists:
    case ErrorCode::Unsupported:
    case ErrorCode::Denied:
      return kMistake;
    case ErrorCode::DataQuality:
      return kFailed;
    case ErrorCode::Cancelled:
      return kInterrupted;
    default:
      return kUnavailable;
  }
}

void warn(const std::string& words) {
  std::fprintf(stderr, "%s %s\n", Terminal(stderr).paint(Colour::Yellow, "warning:").c_str(),
               words.c_str());
}

void print_json(const Json& document) {
  std::printf("%s\n", document.dump_pretty().c_str());
}

Result<project::Project> open_project(const Common& common, const project::Parts& parts) {
  return project::whole(TRY(project::load_project(common.project, common.target, parts)));
}

Result<project::Project> open_checked_project(const Common& common) {
  project::Loaded loaded = TRY(project::load_project(common.project, common.target));
  TRY(tasks::check_before_run(loaded));
  return project::whole(std::move(loaded));
}

Result<Json> status_of_running(const project::Project& project, std::chrono::seconds patience) {
  const auto status = client_for(project, patience)->get_json("/api/v1/status");
  if (!status.ok() && status.error().code() == ErrorCode::Timeout) return not_answering(project);
  if (!status.ok()) return no_server(project);
  const std::string target = status->string_or("target", "");
  if (target != project.target.name)
    return Error(
        ErrorCode::Invalid,
        fmt::format("the server of this project (pid {}) runs with the target '{}', and "
                    "'{}' was asked for; say --target {} to use it, or stop it with "
                    "`millrace down --target {}`",
                    status->integer_or("pid", 0), target, project.target.name, target, target));
  return *status;
}

Connection::Connection(const project::Project& project)
    : project_(&project), client_(client_for(project)) {}

Result<Connection> Connection::to_running(const project::Project& project) {
  return to_running(project, kLongestStatus);
}

Result<Connection> Connection::to_running(const project::Project& project,
                                          std::chrono::seconds patience) {
  Connection connection(project);
  const Json status = TRY(status_of_running(project, patience));
  connection.pid_ = status.integer_or("pid", 0);
  connection.lives_for_a_command_ = !status.bool_or("resident", true);
  if (status.bool_or("outdated", false))
    warn(
        "the server still runs the program as it was before it was built anew; `millrace down` and "
        "`millrace up` start the new one");
  return connection;
}

Result<Connection> Connection::open(const project::Project& project, Attempts attempts) {
  // Another command's server may be about to end, or one may be about to begin.
  int silences = 0;
  for (auto left = kPatience;; left -= kPause) {
    auto running = to_running(project, kMoment);
    if (!running.ok() && running.error().code() == ErrorCode::Timeout && ++silences < kSilences) {
      if (silences == 1) warn(running.error().message());
      continue;
    }
    if (running.ok() || running.error().code() != ErrorCode::Unavailable) return running;
    auto server =
        server::Server::start(project, {.resident = false,
                                        .idle = attempts == Attempts::Wait,
                                        .attempt_command = {server::own_program(), "attempt"},
                                        .launcher_command = {server::own_program(), "launcher"}});
    if (server.ok()) {
      Connection connection(project);
      connection.server_ = *std::move(server);
      connection.attempts_ = attempts;
      return connection;
    }
    if (server.error().code() != ErrorCode::AlreadyExists || left <= kPause)
      return std::move(server).error();
    ::poll(nullptr, 0, static_cast<int>(kPause.count()));
  }
}

bool Connection::may_replace(const Error& error) const {
  return lives_for_a_command_ && error.code() == ErrorCode::Unavailable;
}

Status Connection::replace() {
  Connection next = TRY(open(*project_, attempts_));
  server_ = std::move(next.server_);
  client_ = std::move(next.client_);
  lives_for_a_command_ = next.lives_for_a_command_;
  ++replaced_;
  return {};
}

Error Connection::explain(Error error) const {
  if (server_ != nullptr) return error;
  if (error.code() == ErrorCode::Timeout) return not_answering(*project_);
  if (error.code() != ErrorCode::Unavailable || !is_gone(*project_)) return error;
  return Error(
      ErrorCode::Unavailable,
      fmt::format("the server of this project (pid {}) has ended before it answered; what "
                  "it had taken (`millrace runs`) goes on at the next start: `millrace up`",
                  pid_));
}

Result<Json> Connection::ask(const std::function<Result<Json>(net::HttpClient&)>& request) {
  std::optional<Impatience> impatience;
  if (server_ == nullptr) impatience.emplace(*project_);
  auto answer = request(*client_);
  if (answer.ok()) return answer;
  if (!may_replace(answer.error())) return explain(std::move(answer).error());
  impatience.reset();
  TRY(replace());
  return request(*client_);
}

Result<Json> Connection::get_json(const std::string& path) {
  return ask([&](net::HttpClient& client) { return client.get_json(path); });
}

Result<Json> Connection::post_json(const std::string& path, const Json& body) {
  return ask([&](net::HttpClient& client) { return client.post_json(path, body); });
}

}  // namespace millrace::cli
