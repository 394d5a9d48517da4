#pragma once

// What a server that stays says of its runs, for whoever reads its output or its log file: a line
// when a run begins and one when it ends, and one for each task that failed, with its reason.

#include <functional>
#include <set>
#include <string>

#include "base/log.h"
#include "orchestration/orchestrator.h"

namespace millrace::server {

class RunJournal {
 public:
  using Say = std::function<void(LogLevel level, const std::string& words)>;
  explicit RunJournal(Say say) : say_(std::move(say)) {}

  /// One call at a time, as Orchestrator::subscribe calls.
  void hear(const orchestration::Notice& notice);

 private:
  void hear_run(const orchestration::RunRecord& run);
  void hear_task(const orchestration::TaskNotice& notice);

  Say say_;
  std::set<orchestration::RunKey> running_;
};

}  // namespace millrace::server
