#pragma once

// A Unix socket's path, as short as its address must be.

#include <string>
#include <utility>

#include "base/file_descriptor.h"
#include "base/result.h"

namespace millrace::net {

/// The address of a Unix socket (unix(7)) holds 107 bytes of a path, and folders of projects are
/// longer. A longer path is reached through a descriptor of its folder:
/// "/proc/self/fd/7/server.sock" (proc(5)), which is the same file for bind, connect and unlink of
/// this process as long as this object lives.
class SocketPath {
 public:
  /// Errors: Invalid (the file's own name is too long, or holds NUL); for a long path also NotFound
  /// and Denied, of its folder.
  static Result<SocketPath> of(const std::string& path);

  /// At most 107 bytes.
  const std::string& get() const { return path_; }

 private:
  SocketPath(FileDescriptor folder, std::string path)
      : folder_(std::move(folder)), path_(std::move(path)) {}

  FileDescriptor folder_;
  std::string path_;
};

}  // namespace millrace::net
