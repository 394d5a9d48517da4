#pragma once

// A TCP connection to this machine that sends bytes as they are: for tests of what no client sends.

#include <array>
#include <cstdlib>
#include <string>
#include <string_view>

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace millrace::net {

class RawConnection {
 public:
  explicit RawConnection(std::uint16_t port)
      : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  RawConnection(const RawConnection&) = delete;
  RawConnection& operator=(const RawConnection&) = delete;
  ~RawConnection() { ::close(fd_); }

  bool connected() const { return connected_; }
  bool send(std::string_view bytes) {
    return ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(bytes.size());
  }
  void finish_sending() { ::shutdown(fd_, SHUT_WR); }
  /// Whether bytes, or the end, arrive within that time.
  bool readable_within(int milliseconds) {
    pollfd wanted{.fd = fd_, .events = POLLIN, .revents = 0};
    return ::poll(&wanted, 1, milliseconds) == 1;
  }
  /// What arrives until the server closes.
  std::string read_all() {
    std::string bytes;
    std::array<char, 4'096> buffer;
    for (ssize_t got = 0; (got = ::recv(fd_, buffer.data(), buffer.size(), 0)) > 0;)
      bytes.append(buffer.data(), static_cast<std::size_t>(got));
    return bytes;
  }
  /// What arrives until `ending` has, or the server closes.
  std::string read_until(std::string_view ending) {
    std::string bytes;
    char byte = 0;
    while (!bytes.ends_with(ending) && ::recv(fd_, &byte, 1, 0) == 1) bytes += byte;
    return bytes;
  }

 private:
  int fd_;
  bool connected_ = false;
};

/// The status of the first answer in `bytes`, 0 when there is none.
inline int status_of(const std::string& bytes) {
  return bytes.size() > 12 ? std::atoi(bytes.c_str() + 9) : 0;
}

}  // namespace millrace::net
