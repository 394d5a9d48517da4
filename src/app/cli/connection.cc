#include "cli/connection.h"

#include <cstdio>

#include <fmt/core.h>
#include <poll.h>

namespace millrace::cli {
namespace {

constexpr std::chrono::milliseconds kPatience(30'000);
constexpr std::chrono::milliseconds kPause(50);

constexpr std::chrono::seconds kLongestAnswer(120);
constexpr std::chrono::seconds kLongestStatus(15);  // a server that does not tell it is no help

std::unique_ptr<net::HttpClient> client_for(const project::Project& project,
                                            std::chrono::seconds timeout = kLongestAnswer) {
  return std::make_unique<net::HttpClient>(
      net::ClientOptions{.unix_path = server::socket_path(project), .timeout = timeout});
}

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

void print_json(const Json& document) {
  std::printf("%s\n", document.dump_pretty().c_str());
}

Result<project::Project> open_project(const Common& common, const project::Parts& parts) {
  return project::whole(TRY(project::load_project(common.project, common.target, parts)));
}

Result<Json> status_of_running(const project::Project& project) {
  const auto status = client_for(project, kLongestStatus)->get_json("/api/v1/status");
  if (!status.ok())
    return Error(ErrorCode::Unavailable,
                 "no server runs for this project (" + status.error().message() +
                     "); start one with `millrace up`, or see what ran with "
                     "`millrace runs`");
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
  Connection connection(project);
  const Json status = TRY(status_of_running(project));
  connection.lives_for_a_command_ = !status.bool_or("resident", true);
  if (status.bool_or("outdated", false))
    std::fprintf(stderr,
                 "%s the server still runs the program as it was before it was built anew; "
                 "`millrace down` and `millrace up` start the new one\n",
                 Terminal(stderr).paint(Colour::Yellow, "warning:").c_str());
  return connection;
}

Result<Connection> Connection::open(const project::Project& project, Attempts attempts) {
  // Another command's server may be about to end, or one may be about to begin.
  for (auto left = kPatience;; left -= kPause) {
    auto running = to_running(project);
    if (running.ok() || running.error().code() != ErrorCode::Unavailable) return running;
    auto server =
        server::Server::start(project, {.resident = false,
                                        .idle = attempts == Attempts::Wait,
                                        .attempt_command = {server::own_program(), "attempt"}});
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

Result<Json> Connection::get_json(const std::string& path) {
  auto answer = client_->get_json(path);
  if (answer.ok() || !may_replace(answer.error())) return answer;
  TRY(replace());
  return client_->get_json(path);
}

Result<Json> Connection::post_json(const std::string& path, const Json& body) {
  auto answer = client_->post_json(path, body);
  if (answer.ok() || !may_replace(answer.error())) return answer;
  TRY(replace());
  return client_->post_json(path, body);
}

}  // namespace millrace::cli
