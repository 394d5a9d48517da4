#pragma once

// One server per project: who holds it is known, and a dead holder holds nothing.

#include <cstdint>
#include <string>
#include <utility>

#include "base/file_descriptor.h"
#include "base/result.h"

namespace millrace::server {

/// An flock(2) on <state folder>/lock, which the kernel releases when the process ends, however it
/// ends. The file holds what people want to know of the holder, as JSON: pid, since when, and whether it
/// is still starting and so answers nobody.
class ProjectLock {
 public:
  /// Errors: AlreadyExists names the holder's pid, for whose name it waits up to a second; Denied;
  /// Unavailable, also when the folder was moved meanwhile.
  static Result<ProjectLock> take(const std::string& state_folder, const std::string& since);

  /// From now on its holder answers.
  void note_that_it_has_started() const;
  /// Errors: Unavailable when the folder was moved or replaced since the lock was taken. What is
  /// written by its path lands elsewhere then, and what is open goes on in the folder that was moved.
  Status check_place() const;
  /// The pid of the process that holds the lock now, as far as the file tells; 0 when it is none
  /// that lives. Takes it, shared, for a moment, for which take() waits.
  static std::int64_t holder(const std::string& state_folder);
  /// The launcher that the holder waits for while it starts; 0 when it has started, or there is none.
  static std::int64_t launcher_waited_for(const std::string& state_folder);

 private:
  ProjectLock(std::string path, std::string since, FileDescriptor file)
      : path_(std::move(path)), since_(std::move(since)), file_(std::move(file)) {}
  Status write_holder(bool is_starting) const;
  std::string path_;
  std::string since_;
  FileDescriptor file_;
};

}  // namespace millrace::server
