#pragma once

// The folders of a local store: ways down from its root that never follow a symbolic link, so that
// no key, and nobody who can place links below the root, leads out of it.

#include <mutex>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "base/file_descriptor.h"
#include "base/result.h"

namespace millrace::storage {

/// "a/b/c" is {"a/b", "c"}; "c" is {"", "c"}.
struct KeyParts {
  std::string_view folder;
  std::string name;
};
KeyParts split_key(std::string_view key);

class LocalTree {
 public:
  /// Makes `root`, durably, where it is missing.
  static Result<LocalTree> open(const std::string& root);
  LocalTree(LocalTree&& other) noexcept
      : path_(std::move(other.path_)), root_(std::move(other.root_)) {}

  /// Absolute.
  const std::string& path() const { return path_; }
  std::string path_of(std::string_view relative) const;

  /// Opens an existing folder; "" is the root. Errors: NotFound, Denied (a symbolic link on the
  /// way).
  Result<FileDescriptor> folder(std::string_view relative) const;
  /// The same, made where it is missing. The names of all folders on the way are on disk when this
  /// returns. Errors: Invalid (a file is in the way), Denied, Exhausted, Unavailable.
  Result<FileDescriptor> durable_folder(std::string_view relative);
  /// Opens a regular file for reading. Errors: NotFound (also for what is not a regular file),
  /// Denied.
  Result<FileDescriptor> file(std::string_view key) const;

 private:
  LocalTree(std::string path, FileDescriptor root)
      : path_(std::move(path)), root_(std::move(root)) {}
  Result<FileDescriptor> durable_child(const FileDescriptor& parent, const std::string& name,
                                       const std::string& relative);

  std::string path_;
  FileDescriptor root_;
  std::mutex mutex_;
  // Folders whose name this process has synced; forgotten when there are many.
  std::unordered_set<std::string> durable_;
};

/// Opens the folder `name` in `parent`. `shown` is the path for the message.
Result<FileDescriptor> open_child_folder(const FileDescriptor& parent, const std::string& name,
                                         const std::string& shown);

}  // namespace millrace::storage
