#include "cli/connection.h"

#include <array>
#include <cstdio>

#include <unistd.h>

namespace millrace::cli {
namespace {

std::unique_ptr<net::HttpClient> client_for(const project::Project& project) {
  return std::make_unique<net::HttpClient>(net::ClientOptions{
      .unix_path = server::socket_path(project), .timeout = std::chrono::seconds(120)});
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

Result<project::Project> open_project(const Common& common) {
  return project::whole(TRY(project::load_project(common.project, common.target)));
}

Result<Connection> Connection::to_running(const project::Project& project) {
  Connection connection;
  connection.client_ = client_for(project);
  const auto status = connection.client_->get_json("/api/v1/status");
  if (!status.ok())
    return Error(ErrorCode::Unavailable, "no server runs for this project (" +
                                             status.error().message() +
                                             "); start one with `millrace up`");
  return connection;
}

Result<Connection> Connection::open(const project::Project& project) {
  auto running = to_running(project);
  if (running.ok()) return running;
  Connection connection;
  connection.server_ = TRY(server::Server::start(
      project, {.resident = false, .attempt_command = {own_program(), "attempt"}}));
  connection.client_ = client_for(project);
  return connection;
}

std::string own_program() {
  std::array<char, 4'096> path{};
  const ssize_t length = ::readlink("/proc/self/exe", path.data(), path.size() - 1);
  return length > 0 ? std::string(path.data(), static_cast<std::size_t>(length)) : "millrace";
}

}  // namespace millrace::cli
