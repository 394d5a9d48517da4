#include "base/clock.h"

#include <atomic>

namespace millrace {
namespace {

class SystemClock final : public Clock {
 public:
  Instant now() const override {
    const Instant machine =
        std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now());
    const std::int64_t ticks = machine.time_since_epoch().count();
    std::int64_t seen = latest_.load();
    while (seen < ticks && !latest_.compare_exchange_weak(seen, ticks)) {
    }
    return Instant(Duration(std::max(seen, ticks)));
  }

 private:
  mutable std::atomic<std::int64_t> latest_{0};
};

}  // namespace

std::unique_ptr<Clock> make_system_clock() {
  return std::make_unique<SystemClock>();
}

}  // namespace millrace
