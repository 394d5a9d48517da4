#pragma once

// The way from the command line to a project's server.

#include <memory>
#include <string>

#include "base/result.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include "net/http_client.h"
#include "project/project.h"
#include "server/running_program.h"
#include "server/server.h"

namespace millrace::cli {

/// Prints the error to standard error, as JSON when asked to, and gives the exit code that fits it.
int fail(const Common& common, const Error& error);
/// Prints a document as the verb's answer in JSON.
void print_json(const Json& document);

/// The project that `common` names, whole as far as `parts` ask. Errors: Invalid with every problem.
Result<project::Project> open_project(const Common& common, const project::Parts& parts = {});

/// What a server of our own does about runs that are not finished: goes on with them, or leaves them
/// for a later one.
enum class Attempts : std::uint8_t { Run, Wait };

/// A server that answers: the project's own when it runs, or one of our own for as long as this
/// object lives.
///
/// A server that another command started for itself ends with that command. Then the one behind
/// this object takes its place: what ran is interrupted, and goes on from the store.
class Connection {
 public:
  /// `project` outlives the connection. Errors: Invalid when the running server is that of another
  /// target; those of Server::start.
  static Result<Connection> open(const project::Project& project,
                                 Attempts attempts = Attempts::Run);
  /// Only the running one. Errors: Unavailable when there is none, Invalid as above.
  static Result<Connection> to_running(const project::Project& project);

  // As HttpClient's; when the server has gone and may be replaced, asks the new one.

  Result<Json> get_json(const std::string& path);
  Result<Json> post_json(const std::string& path, const Json& body);

  /// How often the server was replaced: its events are numbered from 1 again.
  int replaced() const { return replaced_; }

 private:
  explicit Connection(const project::Project& project);
  bool may_replace(const Error& error) const;
  Status replace();

  const project::Project* project_;
  std::unique_ptr<server::Server> server_;  // when it is ours
  std::unique_ptr<net::HttpClient> client_;
  Attempts attempts_ = Attempts::Run;
  bool lives_for_a_command_ = false;  // the one of somebody else that we use
  int replaced_ = 0;
};

/// The answer of a running server's status; what `to_running` asks. Errors: as there.
Result<Json> status_of_running(const project::Project& project);

}  // namespace millrace::cli
