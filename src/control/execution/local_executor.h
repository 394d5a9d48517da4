#pragma once

// LocalExecutor: attempts as processes of this machine.
//
// Each attempt is a process in a group of its own. Its outputs are read into its log, its channel
// (docs/formats/attempt.md) is listened to, its memory is watched where it has a limit, and its end
// is noticed at once by its pidfd. One thread serves them all.
//
// An attempt ends for us when its own process ends; what is left of its group is killed then. One that
// was asked to end does so when its whole group has ended, or its grace is over. When
// this process dies, however it dies, the kernel kills the attempts' own processes; what those had
// started is ended by the next executor of the same owner, before it starts anything.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "execution/spawner.h"
#include "orchestration/executor.h"

namespace millrace::execution {

struct LocalExecutorOptions {
  std::string log_folder;            // of attempt_log_path
  std::vector<std::string> program;  // for attempts that bring no command of their own
  /// Names whose attempts these are, for as long as their processes may live: a folder that one
  /// executor at a time has for itself, by its real path. Empty: nobody looks for them later.
  std::string owner;
  Duration heartbeat = std::chrono::seconds(5);
  Duration memory_check = std::chrono::milliseconds(250);
  std::uint64_t log_limit_bytes = 64U << 20U;
};

class LocalExecutor final : public orchestration::Executor {
 public:
  /// Ends what attempts of the same owner have left running (survivors.h). Errors: Unavailable
  /// when that cannot be done within 10 s, or the machine gives no descriptors.
  static Result<std::unique_ptr<LocalExecutor>> make(LocalExecutorOptions options,
                                                     const Clock& clock,
                                                     std::unique_ptr<Spawner> spawner);
  /// Stops without grace.
  ~LocalExecutor() override;

  /// Whether start() would take the request. Errors: its Invalid.
  static Status check(const orchestration::AttemptRequest& request);

  void listen(orchestration::ExecutorListener& listener) override;
  /// Errors: Unavailable after stop(); Invalid for a request document above the protocol's limit.
  /// That a command cannot be run is told by finished().
  Status start(orchestration::AttemptRequest request) override;
  /// SIGTERM to the group, SIGKILL to what is left of it after `grace`.
  void kill(const orchestration::AttemptId& attempt, Duration grace) override;
  void stop(Duration grace) override;

 private:
  class Loop;
  explicit LocalExecutor(std::unique_ptr<Loop> loop);
  std::unique_ptr<Loop> loop_;
};

}  // namespace millrace::execution
