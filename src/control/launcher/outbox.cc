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
  sent_ = waiting_bytes_ = 0;
}

bool Outbox::send(Line line, LauncherDesk::Need need) {
  const std::lock_guard lock(mutex_);
  if (socket_ < 0) return true;
  if (need == LauncherDesk::Need::IfThereIsRoom && waiting_bytes_ > kMostWaiting) return false;
  waiting_bytes_ += line->size();
  waiting_.push_back(std::move(line));
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
  while (socket_ >= 0 && !waiting_.empty()) {
    const std::string& line = *waiting_.front();
    const ssize_t size =
        ::send(socket_, line.data() + sent_, line.size() - sent_, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == EAGAIN) return true;
    if (size <= 0) return false;
    sent_ += static_cast<std::size_t>(size);
    if (sent_ < line.size()) continue;
    waiting_bytes_ -= line.size();
    waiting_.pop_front();
    sent_ = 0;
  }
  return socket_ >= 0;
}

}  // namespace millrace::launcher
