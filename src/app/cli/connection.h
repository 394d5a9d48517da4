#pragma once

// The way from the command line to a project's server.

#include <chrono>
#include <functional>
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
/// Prints a warning to standard error.
void warn(const std::string& words);
/// Prints a document as the verb's answer in JSON.
void print_json(const Json& document);

/// The project that `common` names, whole as far as `parts` ask. Errors: Invalid with every problem.
Result<project::Project> open_project(const Common& common, const project::Parts& parts = {});
/// The same of a project in which something is to run: with everything that `millrace check` finds,
/// so that a mistyped setting or SQL that does not bind lets nothing begin.
Result<project::Project> open_checked_project(const Common& common);

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
  /// target; Timeout when that does not answer, which is told as soon as it is noticed; those of
  /// Server::start.
  static Result<Connection> open(const project::Project& project,
                                 Attempts attempts = Attempts::Run);
  /// Only the running one. Errors: Unavailable when there is none, Timeout when it does not answer,
  /// Invalid as above.
  static Result<Connection> to_running(const project::Project& project);

  // As HttpClient's; when the server has gone and may be replaced, asks the new one. While an answer
  // takes long, what keeps the server from it is told on standard error. Errors: also Unavailable
  // when the server has ended, Timeout when it does not answer, each with what is to be done.

  Result<Json> get_json(const std::string& path);
  Result<Json> post_json(const std::string& path, const Json& body);

  /// How often the server was replaced: its events are numbered from 1 again.
  int replaced() const { return replaced_; }

 private:
  explicit Connection(const project::Project& project);
  static Result<Connection> to_running(const project::Project& project,
                                       std::chrono::seconds patience);
  Result<Json> ask(const std::function<Result<Json>(net::HttpClient&)>& request);
  Error explain(Error error) const;
  bool may_replace(const Error& error) const;
  Status replace();

  const project::Project* project_;
  std::unique_ptr<server::Server> server_;  // when it is ours
  std::unique_ptr<net::HttpClient> client_;
  Attempts attempts_ = Attempts::Run;
  std::int64_t pid_ = 0;              // of one that is not ours
  bool lives_for_a_command_ = false;  // the one of somebody else that we use
  int replaced_ = 0;
};

/// A server that is asked for its status and has not told it by then is no help.
inline constexpr std::chrono::seconds kLongestStatus(15);

/// The answer of a running server's status; what `to_running` asks. Errors: as there.
Result<Json> status_of_running(const project::Project& project,
                               std::chrono::seconds patience = kLongestStatus);

}  // namespace millrace::cli
