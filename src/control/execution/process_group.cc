#include "execution/process_group.h"

#include <csignal>

#include "base/caught.h"
#include "base/log.h"
#include "execution/processes.h"

namespace millrace::execution {

ProcessGroup::~ProcessGroup() {
  if (is_reaped_) return;
  const Status reaped = caught([this] { reap(); });
  if (!reaped.ok()) log_error("reaping an attempt's process: " + reaped.error().message());
}

void ProcessGroup::end(Duration grace) {
  if (grace <= Duration::zero()) return kill();
  if (is_killed_) return;
  const SteadyTime at = std::chrono::steady_clock::now() + grace;
  if (kill_at_ && *kill_at_ <= at) return;
  if (!kill_at_) spawner_.signal(child_, SIGTERM);
  kill_at_ = at;
}

/// Nobody waits for the rest any longer, also where one of it cannot be ended (another user's).
void ProcessGroup::kill() {
  spawner_.signal(child_, SIGKILL);
  is_killed_ = true;
  if (rest_.is_open()) kill_at_ = std::chrono::steady_clock::now();
}

bool ProcessGroup::keep_time(SteadyTime now) {
  if (!kill_at_ || *kill_at_ > now) return false;
  spawner_.signal(child_, SIGKILL);
  is_killed_ = true;
  kill_at_.reset();
  return rest_.is_open();
}

bool ProcessGroup::hold_rest() {
  rest_.close();
  if (!kill_at_ || is_killed_) return false;
  rest_ = hold_one_of(child_.pid);
  return rest_.is_open();
}

ExitStatus ProcessGroup::reap() {
  spawner_.signal(child_, SIGKILL);
  is_reaped_ = true;
  return spawner_.reap(child_);
}

}  // namespace millrace::execution
