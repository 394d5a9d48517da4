#pragma once

// Ends an attempt's work before the executor has to kill it for the memory that it holds.

#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>

namespace millrace::tasks {

/// A thread that looks at this process's resident memory every 20 ms, as long as it lives.
class MemoryWatch {
 public:
  /// `stop` is called from that thread at each look at which the process holds more than
  /// `limit_bytes`; 0 watches nothing. What it throws ends the watch, with a warning.
  MemoryWatch(std::uint64_t limit_bytes, std::function<void()> stop);

  bool has_stopped() const { return stopped_; }

 private:
  void watch(const std::stop_token& end, std::uint64_t limit_bytes,
             const std::function<void()>& stop);

  std::atomic<bool> stopped_ = false;
  std::jthread thread_;  // last: it is joined before the rest ends
};

/// What this process holds in memory now.
std::uint64_t resident_bytes();

}  // namespace millrace::tasks
