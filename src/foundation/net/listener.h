#pragma once

// A listening socket, from an address to a descriptor. No event loop in it: http_server.cc accepts.

#include <cstdint>
#include <string>

#include <sys/types.h>

#include "base/file_descriptor.h"
#include "base/result.h"
#include "net/http_server.h"

namespace millrace::net {

/// Owns the descriptor, and the socket's file where it has one.
class Listener {
 public:
  /// A socket file of a dead server is replaced, also when several servers start at once.
  /// Errors: Invalid (address), AlreadyExists (a live server is there), Denied, Exhausted,
  /// Unavailable.
  static Result<Listener> open(const Listen& listen);
  Listener(Listener&& other) noexcept;
  Listener& operator=(Listener&&) = delete;
  ~Listener();

  int descriptor() const { return descriptor_.get(); }
  /// AF_INET, AF_INET6 or AF_UNIX.
  int family() const { return family_; }
  std::uint16_t port() const { return port_; }
  /// "127.0.0.1:8080", "[::1]:8080" or "unix:/path".
  const std::string& address() const { return address_; }

  /// Gives the descriptor to one who will close it.
  int release() { return descriptor_.release(); }
  /// Removes the socket's file. Before the descriptor is closed: a file that nobody listens on may
  /// be replaced by another server's, and that one is not ours to remove.
  void remove_file();

 private:
  Listener() = default;
  static Result<Listener> open_tcp(const Listen& listen);
  static Result<Listener> open_unix(const std::string& path);

  FileDescriptor descriptor_;
  int family_ = 0;
  std::uint16_t port_ = 0;
  std::string address_;
  std::string file_;
  dev_t device_ = 0;  // of the file, to know it again
  ino_t inode_ = 0;
};

}  // namespace millrace::net
