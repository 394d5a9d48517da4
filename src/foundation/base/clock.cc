#include "base/clock.h"

namespace millrace {
namespace {

constexpr Duration kLittle = std::chrono::minutes(1);

class SystemClock final : public Clock {
 public:
  explicit SystemClock(std::function<Instant()> machine) : machine_(std::move(machine)) {}
  Instant now() const override {
    const Instant machine = machine_();
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
  const std::function<Instant()> machine_;
  mutable std::atomic<std::int64_t> latest_{0};
};

}  // namespace

std::unique_ptr<Clock> make_system_clock() {
  return make_system_clock(
      [] { return std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now()); });
}

std::unique_ptr<Clock> make_system_clock(std::function<Instant()> machine) {
  return std::make_unique<SystemClock>(std::move(machine));
}

}  // namespace millrace
