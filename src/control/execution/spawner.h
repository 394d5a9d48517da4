#pragma once

// Spawner: the call by which an attempt's process comes to be.

#include <memory>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/result.h"
#include "orchestration/executor.h"

namespace millrace::execution {

struct SpawnRequest {
  std::vector<std::string> command;      // searched in its PATH when it has no '/'
  std::vector<std::string> environment;  // NAME=value, all of it
  std::string working_folder;            // "": this process's
  int output_fd = -1;                    // becomes 1
  int error_fd = -1;                     // becomes 2
  int channel_fd = -1;                   // becomes kAttemptFd, unless it is -1
};

/// A child in a process group of its own, whose id is `pid`.
struct Child {
  pid_t pid = -1;
  int pidfd = -1;  // readable when it has ended; the caller closes it
};

struct ExitStatus {
  std::optional<int> code;
  std::optional<int> signal;
  Duration cpu = Duration::zero();
  std::uint64_t max_rss_bytes = 0;  // of it and the children that it waited for, the largest one
};

class Spawner {
 public:
  virtual ~Spawner() = default;
  /// Errors: NotFound or Denied (the command, the folder), Unavailable (no more processes),
  /// Exhausted (memory). The caller keeps its ends of the descriptors.
  virtual Result<Child> spawn(const SpawnRequest& request) = 0;
  /// Of a child that has ended; once.
  virtual ExitStatus reap(const Child& child) = 0;
  /// To the child's process group; nothing happens when it is gone.
  virtual void signal(const Child& child, int signal_number) = 0;
};

/// Children of this process. They have /dev/null as input, default signal handling, no other
/// descriptors, and are killed when the thread that spawned them ends (PR_SET_PDEATHSIG goes by
/// thread): spawn from a thread that lives as long as the program.
std::unique_ptr<Spawner> make_local_spawner();

}  // namespace millrace::execution
