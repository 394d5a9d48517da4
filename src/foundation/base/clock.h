#pragma once

// The port through which time comes. Nothing that decides asks the system for the time: it is given
// a Clock, or an event that carries the time.

#include <memory>

#include "base/time.h"

namespace millrace {

class Clock {
 public:
  virtual ~Clock() = default;
  /// Never earlier than an earlier answer of the same Clock on the same thread, unless the
  /// machine's time was set back by more than a minute.
  virtual Instant now() const = 0;
  /// Time that nobody can set, from some beginning: for how long something took. It never goes
  /// back, and stands still while the machine sleeps.
  virtual Duration running() const { return now().time_since_epoch(); }
};

/// The machine's clock. When the machine's time is set back by up to a minute, this one stands still
/// until the machine has caught up; further, and it follows. Thread-safe.
std::unique_ptr<Clock> make_system_clock();

/// Time that moves only when it is told to: tests and the simulator.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(Instant start) : now_(start) {}
  Instant now() const override { return now_; }
  void set(Instant now) { now_ = now; }
  void advance(Duration by) { now_ += by; }

 private:
  Instant now_;
};

}  // namespace millrace
