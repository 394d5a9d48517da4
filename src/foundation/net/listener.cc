#include "net/listener.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <utility>

#include <arpa/inet.h>
#include <fmt/core.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"
#include "net/socket_path.h"

namespace millrace::net {
namespace {

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

Result<Address> tcp_address(const Listen& listen) {
  Address address;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&address.storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&address.storage);
  if (::inet_pton(AF_INET, listen.host.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(listen.port);
    address.size = sizeof *v4;
    return address;
  }
  if (::inet_pton(AF_INET6, listen.host.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(listen.port);
    address.size = sizeof *v6;
    return address;
  }
  return Error(ErrorCode::Invalid,
               fmt::format("not an address to listen on; write one such as 127.0.0.1 or ::1: '{}'",
                           listen.host));
}

Address unix_address(const SocketPath& path) {
  Address address;
  auto* local = reinterpret_cast<sockaddr_un*>(&address.storage);
  local->sun_family = AF_UNIX;
  std::ranges::copy(path.get(), local->sun_path);
  address.size = sizeof *local;
  return address;
}

Error listen_error(int why, const std::string& where) {
  if (why == EADDRINUSE)
    return Error(ErrorCode::AlreadyExists,
                 "another program listens there; choose another port, or stop it: " + where);
  if (why == EADDRNOTAVAIL)
    return Error(ErrorCode::Invalid, "this machine does not have that address: " + where);
  return file_error(why, where).while_doing("listening");
}

/// Removes the file of a dead server. Errors: AlreadyExists when it is something else.
Status clear_the_place(const std::string& path, const Address& address) {
  struct stat found{};
  if (::lstat(path.c_str(), &found) != 0)
    return errno == ENOENT ? Status() : file_error(errno, path);
  if (!S_ISSOCK(found.st_mode))
    return Error(ErrorCode::AlreadyExists, "a file is where the socket should be: " + path);
  const FileDescriptor probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe.is_open()) return file_error(errno, path);
  const int outcome = ::connect(probe.get(), address.get(), address.size);
  const int why = errno;
  if (outcome == 0 || why == EAGAIN)  // EAGAIN: its backlog is full, so it lives
    return Error(ErrorCode::AlreadyExists, "a live server listens there: " + path);
  if (why != ECONNREFUSED) return file_error(why, path);
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return file_error(errno, path);
  return {};
}

}  // namespace

Listener::Listener(Listener&& other) noexcept
    : descriptor_(std::move(other.descriptor_)),
      family_(other.family_),
      port_(other.port_),
      address_(std::move(other.address_)),
      file_(std::exchange(other.file_, {})),
      device_(other.device_),
      inode_(other.inode_) {}

Listener::~Listener() {
  remove_file();
}

// Another server may have taken the place, when the folder was moved or made anew under this one.
void Listener::remove_file() {
  struct stat found{};
  if (!file_.empty() && ::lstat(file_.c_str(), &found) == 0 && found.st_dev == device_ &&
      found.st_ino == inode_)
    ::unlink(file_.c_str());
  file_.clear();
}

Result<Listener> Listener::open(const Listen& listen) {
  return listen.unix_path.empty() ? open_tcp(listen) : open_unix(listen.unix_path);
}

Result<Listener> Listener::open_tcp(const Listen& listen) {
  Address address = TRY(tcp_address(listen));
  const std::string host =
      address.storage.ss_family == AF_INET6 ? "[" + listen.host + "]" : listen.host;
  const std::string where = fmt::format("{}:{}", host, listen.port);
  Listener listener;
  listener.family_ = address.storage.ss_family;
  listener.descriptor_ =
      FileDescriptor(::socket(listener.family_, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener.descriptor_.is_open()) return listen_error(errno, where);
  const int yes = 1;
  ::setsockopt(listener.descriptor(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (::bind(listener.descriptor(), address.get(), address.size) != 0 ||
      ::listen(listener.descriptor(), SOMAXCONN) != 0 ||
      ::getsockname(listener.descriptor(), address.get(), &address.size) != 0)
    return listen_error(errno, where);
  // The port has the same place in both kinds of address.
  listener.port_ = ntohs(reinterpret_cast<const sockaddr_in*>(address.get())->sin_port);
  listener.address_ = fmt::format("{}:{}", host, listener.port_);
  return listener;
}

Result<Listener> Listener::open_unix(const std::string& path) {
  const SocketPath within_limits = TRY(SocketPath::of(path));
  const Address address = unix_address(within_limits);
  const std::string parent = std::filesystem::path(path).parent_path();
  // Held from the look at a socket's file until it is ours, so that two servers do not both take
  // the place of a dead one.
  const FileDescriptor folder = TRY(open_folder(parent.empty() ? "." : parent));
  TRY(lock_exclusively(folder, parent));
  TRY(clear_the_place(path, address));
  Listener listener;
  listener.family_ = AF_UNIX;
  listener.address_ = "unix:" + path;
  listener.descriptor_ =
      FileDescriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener.descriptor_.is_open()) return listen_error(errno, path);
  if (::bind(listener.descriptor(), address.get(), address.size) != 0)
    return listen_error(errno, path);
  struct stat made{};
  if (::lstat(within_limits.get().c_str(), &made) != 0) return listen_error(errno, path);
  listener.file_ = path;
  listener.device_ = made.st_dev;
  listener.inode_ = made.st_ino;
  // Before listen(): nobody could connect yet. (umask would change what other threads create.)
  if (::chmod(path.c_str(), 0600) != 0 || ::listen(listener.descriptor(), SOMAXCONN) != 0)
    return listen_error(errno, path);
  return listener;
}

}  // namespace millrace::net
