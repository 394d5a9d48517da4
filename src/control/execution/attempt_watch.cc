#include "execution/attempt_watch.h"

#include <cerrno>

#include <sys/eventfd.h>
#include <unistd.h>

#include "base/file.h"

namespace millrace::execution {

Status AttemptWatch::open() {
  epoll_ = FileDescriptor(::epoll_create1(EPOLL_CLOEXEC));
  bell_ = FileDescriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!epoll_.is_open() || !bell_.is_open()) return file_error(errno, "the executor's descriptors");
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = bell_.get();
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, bell_.get(), &event) != 0)
    return file_error(errno, "the executor's descriptors");
  return {};
}

bool AttemptWatch::add(int fd, LocalAttempt& attempt, What what) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return false;
  watched_[fd] = {&attempt, what, false};
  return true;
}

void AttemptWatch::watch_for_room(int fd, bool wanted) {
  const auto found = watched_.find(fd);
  if (found == watched_.end() || found->second.for_room == wanted) return;
  epoll_event event{};
  event.events = static_cast<std::uint32_t>(EPOLLIN) | (wanted ? EPOLLOUT : 0U);
  event.data.fd = fd;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event);
  found->second.for_room = wanted;
}

void AttemptWatch::remove(int fd) {
  if (fd < 0) return;
  watched_.erase(fd);
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

const AttemptWatch::Watched* AttemptWatch::find(int fd) const {
  const auto found = watched_.find(fd);
  return found == watched_.end() ? nullptr : &found->second;
}

void AttemptWatch::ring() const {
  const std::uint64_t one = 1;
  // It fails only when the bell has been rung often enough already.
  [[maybe_unused]] const ssize_t written = ::write(bell_.get(), &one, sizeof(one));
}

void AttemptWatch::silence_bell() const {
  std::uint64_t rings = 0;
  [[maybe_unused]] const ssize_t read = ::read(bell_.get(), &rings, sizeof(rings));
}

}  // namespace millrace::execution
