#pragma once

// LauncherLink: a server's connection to its launcher, from the search for one that lives to the
// first lines both ways.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/file_descriptor.h"
#include "base/result.h"
#include "execution/attempt_protocol.h"
#include "launcher/launcher_protocol.h"

namespace millrace::launcher {

class LauncherLink {
 public:
  /// To the launcher of the folder that lives; none when there is none. One that does not fit
  /// (another version, another place) is ended; one whose socket's file was removed has a moment to
  /// make it anew. Errors: Denied for another user's; Unavailable when it cannot be ended.
  static Result<std::unique_ptr<LauncherLink>> find(const std::string& state, Duration patience);
  /// Starts one by `command`, whose descriptor 3 is the connection. Errors: what it says when it
  /// cannot serve; Unavailable, Exhausted.
  static Result<std::unique_ptr<LauncherLink>> start(const std::string& state,
                                                     const std::vector<std::string>& command,
                                                     Duration patience);

  pid_t pid() const { return pid_; }
  /// Waits for nothing but room in the socket. Errors: Unavailable.
  Status send(const std::string& line);
  /// Waits for the next line; none when the connection has ended. `silent` is called whenever nothing
  /// has come for `a_while`. Errors: Invalid for a line that is too long.
  Result<std::optional<std::string>> read(Duration a_while, const std::function<void()>& silent);
  /// Makes read() and send() of other threads end.
  void hang_up();
  /// Kills the launcher and its attempts; returns when it is gone, or after `patience`.
  Status end_launcher(Duration patience);
  /// How the launcher ended, for people: "was killed by signal 9", "has ended" when no more is known;
  /// "" when it lives. Gives it a second, since one that has hung up may be about to end.
  std::string how_it_ended();

 private:
  LauncherLink(FileDescriptor socket, pid_t pid, FileDescriptor process, bool is_child)
      : socket_(std::move(socket)), pid_(pid), process_(std::move(process)), is_child_(is_child) {}
  enum class Greeting : std::uint8_t { Fits, DoesNotFit, IsLeaving };
  Result<Greeting> greet(const std::string& state, Duration patience);

  FileDescriptor socket_;
  execution::LineReader lines_{kLongestLine};
  pid_t pid_;               // for people: it may be another's one day
  FileDescriptor process_;  // its pidfd
  bool is_child_;
};

}  // namespace millrace::launcher
