#pragma once

// A descriptor that is closed with its owner, and the lock that goes with it.

#include <string>
#include <utility>

#include <unistd.h>

#include "base/result.h"

namespace millrace {

class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(other.release()) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    if (this != &other) {
      close();
      fd_ = other.release();
    }
    return *this;
  }
  ~FileDescriptor() { close(); }

  int get() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }
  /// Gives the descriptor to one who will close it.
  int release() { return std::exchange(fd_, -1); }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_ = -1;
};

/// Errors: NotFound, Denied, Unavailable.
Result<FileDescriptor> open_folder(const std::string& path);

/// pipe2(2): what is written to `in` is read from `out`. Neither end is inherited by a program that
/// is started. `shown` says what it is for in an error. Errors: Exhausted.
struct Pipe {
  FileDescriptor out;
  FileDescriptor in;
};
Result<Pipe> open_pipe(const std::string& shown);

/// fsync(2): what was written, and the names in a folder, outlive the machine's end. `shown` names
/// the file in an error. Errors: Exhausted, Unavailable.
Status sync(const FileDescriptor& file_or_folder, const std::string& shown);

/// Takes flock(2)'s exclusive lock, which ends with the descriptor and its copies, also by SIGKILL.
/// Waits for it. Errors: Unavailable.
Status lock_exclusively(const FileDescriptor& file_or_folder, const std::string& shown);

/// The same without waiting: false when another descriptor holds it.
Result<bool> try_lock_exclusively(const FileDescriptor& file_or_folder, const std::string& shown);

}  // namespace millrace
