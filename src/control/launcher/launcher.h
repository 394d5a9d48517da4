#pragma once

// The launcher: a small process that runs the attempts of one project's state folder and outlives
// the servers that come and go. What it is told and what it tells: docs/formats/launcher.md.
//
// It holds <state>/launcher.lock, listens on <state>/launcher.sock, which only this user may open,
// and runs the attempts by a LocalExecutor. When it is killed, the kernel ends the first process of
// each attempt with it, and the next launcher what those had started.

#include <chrono>
#include <string>

#include "base/clock.h"
#include "base/result.h"

namespace millrace::launcher {

struct LauncherOptions {
  std::string state;  // the project's state folder, by its real path
  /// A socket whose other end the server holds that started this launcher: its first connection.
  /// -1: none.
  int first_connection = -1;
  /// How long it stays when nobody is connected and nothing runs.
  Duration leave_after = std::chrono::minutes(1);
  /// How long it waits for another launcher of this folder to be gone.
  Duration patience = std::chrono::seconds(10);
};

std::string socket_path(const std::string& state);

/// Returns when a server has told it to stop, or when nothing is left to do. Errors: AlreadyExists
/// when another launcher has the folder; those of the parts. The first connection is told of them.
Status run_launcher(const LauncherOptions& options, const Clock& clock);

}  // namespace millrace::launcher
