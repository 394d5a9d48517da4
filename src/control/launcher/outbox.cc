#include "launcher/outbox.h"

#include <cerrno>

#include <sys/socket.h>

namespace millrace::launcher {
namespace {

// What waits for a server that does not read, before what it can do without is left out.
constexpr std::size_t kMostWaiting = 4U << 20U;

}  // namespace

void Outbox::address_to(int socket) {
  const std::lock_guard lock(mutex_);
  socket_ = socket;
  waiting_.clear();
}

bool Outbox::send(const std::string& line, LauncherDesk::Need need) {
  const std::lock_guard lock(mutex_);
  if (socket_ < 0) return true;
  if (need == LauncherDesk::Need::IfThereIsRoom && waiting_.size() > kMostWaiting) return false;
  waiting_ += line;
  return flush_locked() && waiting_.empty();
}

bool Outbox::flush() {
  const std::lock_guard lock(mutex_);
  return flush_locked();
}

bool Outbox::is_waiting() {
  const std::lock_guard lock(mutex_);
  return !waiting_.empty();
}

bool Outbox::flush_locked() {
  std::size_t sent = 0;
  bool open = socket_ >= 0;
  while (open && sent < waiting_.size()) {
    const ssize_t size = ::send(socket_, waiting_.data() + sent, waiting_.size() - sent,
                                MSG_NOSIGNAL | MSG_DONTWAIT);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == EAGAIN) break;
    if (size <= 0) open = false;
    if (size > 0) sent += static_cast<std::size_t>(size);
  }
  waiting_.erase(0, sent);
  return open;
}

}  // namespace millrace::launcher
