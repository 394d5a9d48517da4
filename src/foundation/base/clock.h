#pragma once

// The port through which time comes. Nothing that decides asks the system for the time: it is given
// a Clock, or an event that carries the time.

#include <atomic>
#include <functional>
#include <memory>

#include "base/time.h"

namespace millrace {

/// Several threads may ask at once. Its law as tests: clock_contract.h.
class Clock {
 public:
  virtual ~Clock() = default;
  /// Never earlier than an earlier answer of the same Clock on the same thread, unless somebody set
  /// the time back.
  virtual Instant now() const = 0;
  /// Time that nobody can set, from some beginning: for how long something took. It never goes
  /// back, and stands still while the machine sleeps.
  virtual Duration running() const = 0;
};

/// The machine's clock. When the machine's time is set back by up to a minute, this one stands still
/// until the machine has caught up; further, and it follows.
std::unique_ptr<Clock> make_system_clock();
/// The same where `machine` tells the machine's time.
std::unique_ptr<Clock> make_system_clock(std::function<Instant()> machine);

/// Time that moves only when it is told to: for tests. One thread moves it, any may ask.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(Instant start) : now_(start) {}
  Instant now() const override { return now_; }
  Duration running() const override { return running_; }
  void advance(Duration by) { set(now() + by); }
  /// Forward, and the time until then has passed; back, and only somebody's watch was set.
  void set(Instant now) {
    const Duration passed = now - now_.load();
    if (passed > Duration::zero()) running_ = running_.load() + passed;
    now_ = now;
  }

 private:
  std::atomic<Instant> now_;
  std::atomic<Duration> running_ = Duration::zero();
};

}  // namespace millrace
