#pragma once

// One project being run: the scheduler with its attempts, the endpoint, and the API through which
// the command line asks.
//
// The API listens on a Unix domain socket in the project's state folder, which only this user may
// open; TCP (loopback unless told otherwise) answers predictions and a read-only status.

#include <memory>
#include <string>

#include "base/result.h"
#include "project/project.h"

namespace millrace::server {

struct ServerOptions {
  /// `millrace up`: schedules make runs, and TCP answers. Otherwise the server lives for one
  /// command: runs start only when they are asked for, and nothing listens on TCP.
  bool resident = true;
  /// Starts no attempt: what is stored of runs can be changed, and nothing goes on by it. What runs
  /// already (of a server that was killed) is left to the next one.
  bool idle = false;
  /// The program that runs attempts, with its arguments.
  std::vector<std::string> attempt_command;
  /// The program that becomes the launcher, with its arguments; "--state FOLDER" is added.
  std::vector<std::string> launcher_command;
};

/// Where the API of a project's server listens.
std::string socket_path(const project::Project& project);

class Server {
 public:
  /// Takes the project's lock, opens its stores, continues unfinished runs, loads what is in
  /// Production, listens. Errors: AlreadyExists when another server holds the project or a port is
  /// taken; those of the parts.
  static Result<std::unique_ptr<Server>> start(project::Project project, ServerOptions options);
  /// stop().
  ~Server();

  /// Returns when someone asked the server to stop: over the API, or by request_stop().
  void wait();
  /// Safe to call from a signal handler's thread, not from the handler itself.
  void request_stop();
  /// Answers what has begun, ends all attempts (they count as interrupted), unless who asked it to
  /// stop over the API wanted to keep them for the next server, and releases the project.
  void stop();

  std::string endpoint_address() const;
  std::string status_address() const;  // "" unless resident

 private:
  struct State;
  explicit Server(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace millrace::server
