#include "tasks/memory_watch.h"

#include <chrono>
#include <condition_variable>
#include <fstream>
#include <mutex>
#include <utility>

#include <unistd.h>

#include "base/caught.h"
#include "base/log.h"

namespace millrace::tasks {
namespace {

constexpr auto kEvery = std::chrono::milliseconds(20);

}  // namespace

MemoryWatch::MemoryWatch(std::uint64_t limit_bytes, std::function<void()> stop) {
  if (limit_bytes == 0) return;
  thread_ = std::jthread([this, limit_bytes, stop = std::move(stop)](const std::stop_token& end) {
    const Status watched = caught([&] { watch(end, limit_bytes, stop); });
    if (!watched.ok())
      log_warning("memory is not watched any more, the executor's limit holds: " +
                  watched.error().message());
  });
}

void MemoryWatch::watch(const std::stop_token& end, std::uint64_t limit_bytes,
                        const std::function<void()>& stop) {
  std::mutex mutex;
  std::condition_variable_any ended;
  std::unique_lock lock(mutex);
  while (!ended.wait_for(lock, end, kEvery, [&] { return end.stop_requested(); })) {
    if (resident_bytes() <= limit_bytes) continue;
    stopped_ = true;
    stop();
  }
}

std::uint64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::uint64_t size = 0;
  std::uint64_t resident = 0;
  file >> size >> resident;
  return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace millrace::tasks
