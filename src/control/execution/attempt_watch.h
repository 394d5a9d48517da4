#pragma once

// AttemptWatch: what an executor's thread waits for: the descriptors of its attempts, and a bell that
// other threads ring.

#include <array>
#include <cstdint>
#include <unordered_map>

#include <sys/epoll.h>

#include "base/file_descriptor.h"
#include "base/result.h"

namespace millrace::execution {

class LocalAttempt;

/// An epoll set. Of its thread alone, but for ring().
class AttemptWatch {
 public:
  enum class What : std::uint8_t { Ended, RestEnded, Channel, Output, Errors };
  struct Watched {
    LocalAttempt* attempt = nullptr;
    What what = What::Ended;
    bool for_room = false;  // also for room to write
  };

  /// Errors: Unavailable when the machine gives no descriptors.
  Status open();

  /// False when it cannot be watched; errno says why.
  bool add(int fd, LocalAttempt& attempt, What what);
  /// Whether room to write is watched for as well.
  void watch_for_room(int fd, bool wanted);
  void remove(int fd);
  /// The kernel took a closed descriptor out of the set; its number may be another's soon.
  void forget_closed(int fd) { watched_.erase(fd); }
  /// nullptr when it is not watched (any more).
  const Watched* find(int fd) const;

  void ring() const;
  /// Waits for `milliseconds`, or until there is something when they are negative. Calls
  /// `serve(fd, events)` for each descriptor. True when the bell was rung.
  template <typename Serve>
  bool wait(int milliseconds, Serve serve);

 private:
  void silence_bell() const;

  FileDescriptor epoll_;
  FileDescriptor bell_;
  std::unordered_map<int, Watched> watched_;
};

template <typename Serve>
bool AttemptWatch::wait(int milliseconds, Serve serve) {
  std::array<epoll_event, 64> events;
  const int count = ::epoll_wait(epoll_.get(), events.data(), events.size(), milliseconds);
  bool rung = false;
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    if (event.data.fd == bell_.get())
      rung = true;
    else
      serve(event.data.fd, event.events);
  }
  if (rung) silence_bell();
  return rung;
}

}  // namespace millrace::execution
