#pragma once

// One server per project: who holds it is known, and a dead holder holds nothing.

#include <string>

#include "base/result.h"

namespace millrace::server {

/// An flock(2) on <state folder>/lock, which the kernel releases when the process ends, however it
/// ends. The file holds what people want to know of the holder: pid and since when, as JSON.
class ProjectLock {
 public:
  /// Errors: AlreadyExists names the holder's pid; Denied, Unavailable.
  static Result<ProjectLock> take(const std::string& state_folder, const std::string& since);
  ProjectLock(ProjectLock&& other) noexcept;
  ProjectLock& operator=(ProjectLock&&) = delete;
  ~ProjectLock();

 private:
  explicit ProjectLock(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace millrace::server
