#include "base/clock.h"

#include <atomic>

namespace millrace {
namespace {

constexpr Duration kLittle = std::chrono::minutes(1);

class SystemClock final : public Clock {
 public:
  Instant now() const override {
    const Instant machine =
        std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now());
    const std::int64_t ticks = machine.time_since_epoch().count();
    std::int64_t seen = latest_.load();
    for (;;) {
      const bool little_back = seen >= ticks && seen - ticks <= kLittle.count();
      if (little_back) return Instant(Duration(seen));
      if (latest_.compare_exchange_weak(seen, ticks)) return machine;
    }
  }
  Duration running() const override {
    return std::chrono::duration_cast<Duration>(
        std::chrono::steady_clock::now().time_since_epoch());
  }

 private:
  mutable std::atomic<std::int64_t> latest_{0};
};

}  // namespace

std::unique_ptr<Clock> make_system_clock() {
  return std::make_unique<SystemClock>();
}

}  // namespace millrace
