#pragma once

// The way from the command line to a project's server.

#include <memory>
#include <string>

#include "base/result.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include "net/http_client.h"
#include "project/project.h"
#include "server/server.h"

namespace millrace::cli {

/// Prints the error to standard error, as JSON when asked to, and gives the exit code that fits it.
int fail(const Common& common, const Error& error);
/// Prints a document as the verb's answer in JSON.
void print_json(const Json& document);

/// The project that `common` names, whole. Errors: Invalid with every problem.
Result<project::Project> open_project(const Common& common);

/// A server that answers: the project's own when it runs, or one of our own for as long as this
/// object lives.
class Connection {
 public:
  /// Errors: those of Server::start.
  static Result<Connection> open(const project::Project& project);
  /// Only the running one. Errors: Unavailable when there is none.
  static Result<Connection> to_running(const project::Project& project);

  net::HttpClient& client() { return *client_; }
  bool embedded() const { return server_ != nullptr; }

 private:
  std::unique_ptr<server::Server> server_;
  std::unique_ptr<net::HttpClient> client_;
};

/// This program, as it was started: what runs attempts.
std::string own_program();

}  // namespace millrace::cli
