#pragma once

// The runs that this command has asked for: what Ctrl-C cancels.

#include <functional>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "project/project.h"

namespace millrace::cli {

/// Thread-safe.
class AskedRuns {
 public:
  explicit AskedRuns(const project::Project& project) : project_(project) {}

  /// Sends `request` and keeps the runs of its answer; a cancel() meanwhile waits for it, so that no
  /// run begins that it does not know.
  Result<Json> ask(const std::function<Result<Json>()>& request);
  /// Cancels what was asked for and has not ended. Where there is nothing to cancel the process
  /// ends: with exit code 130.
  void cancel();
  /// Whether cancel() was called.
  bool cancelled() const;

 private:
  const project::Project& project_;
  mutable std::mutex mutex_;
  std::vector<std::pair<std::string, std::string>> runs_;  // Dag, run
  bool cancelled_ = false;
};

}  // namespace millrace::cli
