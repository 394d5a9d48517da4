#pragma once

// Outbox: what a launcher has to say to its server. Threads put lines into it, in their order; none
// of them waits for the server to read.

#include <deque>
#include <mutex>

#include "launcher/launcher_desk.h"

namespace millrace::launcher {

class Outbox {
 public:
  /// To this socket from now on; -1: to nobody, and what waits is forgotten.
  void address_to(int socket);
  /// Nothing happens while there is nobody. False when something waits for room in the socket.
  bool send(Line line, LauncherDesk::Need need);
  /// Sends what fits now. False when nobody reads any more.
  bool flush();
  /// Whether something waits.
  bool is_waiting();

 private:
  bool flush_locked();

  std::mutex mutex_;
  int socket_ = -1;
  std::deque<Line> waiting_;
  std::size_t sent_ = 0;  // of the first of them
  std::size_t waiting_bytes_ = 0;
};

}  // namespace millrace::launcher
