#pragma once

// The folders of a local store: ways down from its root that never follow a symbolic link, so that
// no key, and nobody who can place links below the root, leads out of it.

#include <mutex>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "base/result.h"

namespace millrace::storage {

/// Owns a file descriptor.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor();
  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  /// Gives the descriptor away.
  int release() {
    const int fd = fd_;
    fd_ = -1;
    return fd;
  }

 private:
  int fd_;
};

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
  Result<Descriptor> folder(std::string_view relative) const;
  /// The same, made where it is missing. The names of all folders on the way are on disk when this
  /// returns. Errors: Invalid (a file is in the way), Denied, Exhausted, Unavailable.
  Result<Descriptor> durable_folder(std::string_view relative);
  /// Opens a regular file for reading. Errors: NotFound (also for what is not a regular file),
  /// Denied.
  Result<Descriptor> file(std::string_view key) const;

 private:
  LocalTree(std::string path, Descriptor root) : path_(std::move(path)), root_(std::move(root)) {}
  Result<Descriptor> durable_child(const Descriptor& parent, const std::string& name,
                                   const std::string& relative);

  std::string path_;
  Descriptor root_;
  std::mutex mutex_;
  // Folders whose name this process has synced; forgotten when there are many.
  std::unordered_set<std::string> durable_;
};

/// Opens the folder `name` in `parent`. `shown` is the path for the message.
Result<Descriptor> open_child_folder(const Descriptor& parent, const std::string& name,
                                     const std::string& shown);
Status sync(const Descriptor& file_or_folder, const std::string& shown);

}  // namespace millrace::storage
