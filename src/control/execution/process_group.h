#pragma once

// ProcessGroup: the process of an attempt and what it has started, until none of them is left.
//
// Asked to end, the group hears SIGTERM, and what lives of it after its grace SIGKILL. Its own process
// ends first, or last: where the group was asked to end, what that process has started (`cd x && tool`)
// has the rest of the grace as well. There is no descriptor of a group, so that one process of it is
// held after the other. Until then its own process is not reaped: the group's number stays its own.

#include <chrono>
#include <optional>

#include "base/file_descriptor.h"
#include "base/time.h"
#include "execution/spawner.h"

namespace millrace::execution {

class ProcessGroup {
 public:
  using SteadyTime = std::chrono::steady_clock::time_point;

  /// Of a child that the spawner has started; takes its pidfd. The spawner outlives it.
  ProcessGroup(const Child& child, Spawner& spawner)
      : child_(child), pidfd_(child.pidfd), spawner_(spawner) {}
  /// Kills and reaps what nobody has reaped.
  ~ProcessGroup();
  ProcessGroup(const ProcessGroup&) = delete;
  ProcessGroup& operator=(const ProcessGroup&) = delete;

  pid_t id() const { return child_.pid; }
  /// Readable when its own process has ended.
  int process_fd() const { return pidfd_.get(); }
  /// Readable when the one that is held of the rest has ended; -1 while none is.
  int rest_fd() const { return rest_.get(); }

  /// The shortest grace counts; without one it is killed.
  void end(Duration grace);
  void kill();
  /// When keep_time() has something to do.
  std::optional<SteadyTime> deadline() const { return kill_at_; }
  /// Kills it when its grace is over. True when only the rest of it was waited for.
  bool keep_time(SteadyTime now);
  /// Its own process, or the one that was held, has ended: holds another one that lives and has some
  /// grace left. False when nobody is to be waited for.
  bool hold_rest();
  /// Its own process has ended: kills what is left, and says how it ended. Once.
  ExitStatus reap();

 private:
  Child child_;
  FileDescriptor pidfd_;
  FileDescriptor rest_;
  Spawner& spawner_;
  std::optional<SteadyTime> kill_at_;
  bool is_killed_ = false;
  bool is_reaped_ = false;
};

}  // namespace millrace::execution
