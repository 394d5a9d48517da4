#pragma once

// Ctrl-C and its like, as a call on a thread of its own.

#include <functional>
#include <thread>

#include "base/file_descriptor.h"

namespace millrace::cli {

/// From its making on, SIGINT (Ctrl-C), SIGTERM and SIGHUP (the terminal was closed) call `stop`
/// once, on a thread of its own; the second one ends the process at once with exit code 130. Make
/// it before other threads: they must inherit that these signals are blocked. Where there is no
/// descriptor left for it, the signals end the process as they do without it.
class StopSignals {
 public:
  explicit StopSignals(std::function<void()> stop);
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;
  /// Waits for a `stop` that runs.
  ~StopSignals();

 private:
  void listen();
  void stop_or_leave();

  std::function<void()> stop_;
  FileDescriptor signals_;
  Pipe end_;
  std::thread listener_;
  std::thread stopping_;
};

}  // namespace millrace::cli
