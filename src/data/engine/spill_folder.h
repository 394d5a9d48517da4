#pragma once

// Where one engine spills: a folder of its own under one that many processes share.
//
// DuckDB names its spill files alike in every process and locks none of them, so two engines in one
// folder would write into each other's files. Each gets "<shared>/<pid>", locked (flock) as long as
// it lives and deleted with it. A process that was killed leaves its folder unlocked; the next
// engine that opens in the same shared folder sweeps it.

#include <string>
#include <utility>

#include "base/file_descriptor.h"
#include "base/result.h"

namespace millrace::engine {

class SpillFolder {
 public:
  /// Makes `shared` if it is missing, sweeps what dead processes left in it, and takes a folder
  /// there. Errors: Denied, Exhausted, Unavailable.
  static Result<SpillFolder> take(const std::string& shared);
  SpillFolder(SpillFolder&& other) noexcept = default;
  SpillFolder& operator=(SpillFolder&&) = delete;
  ~SpillFolder();

  const std::string& path() const { return path_; }

 private:
  SpillFolder(std::string path, FileDescriptor lock)
      : path_(std::move(path)), lock_(std::move(lock)) {}

  std::string path_;
  FileDescriptor lock_;  // of the folder itself
};

}  // namespace millrace::engine
