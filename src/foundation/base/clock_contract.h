#pragma once

// The law of clock.h as tests. An implementation joins with one line in its own test file:
//   INSTANTIATE_TEST_SUITE_P(System, ClockContract, testing::Values(ClockUnderTest{...}));

#include <functional>
#include <memory>
#include <ostream>
#include <string>

#include <gtest/gtest.h>

#include "base/clock.h"

namespace millrace {

/// A clock, and the hands that move it.
class ClockPlace {
 public:
  virtual ~ClockPlace() = default;
  virtual const Clock& clock() = 0;
  /// Comes back when a little time has passed.
  virtual void let_time_pass() = 0;
  /// Somebody sets the time back. Only of a clock in SetClockContract.
  virtual void set_back(Duration) {}
};

struct ClockUnderTest {
  std::string name;
  std::function<std::unique_ptr<ClockPlace>()> make;
  friend std::ostream& operator<<(std::ostream& out, const ClockUnderTest& clock) {
    return out << clock.name;
  }
};

class ClockContract : public testing::TestWithParam<ClockUnderTest> {
 protected:
  void SetUp() override { place_ = GetParam().make(); }
  const Clock& clock() { return place_->clock(); }
  ClockPlace& place() { return *place_; }

 private:
  std::unique_ptr<ClockPlace> place_;
};

/// For those that a test can set.
class SetClockContract : public ClockContract {};

}  // namespace millrace
