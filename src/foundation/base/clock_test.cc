#include "base/clock.h"

#include <gtest/gtest.h>

#include "base/clock_contract.h"

namespace millrace {
namespace {

using std::chrono::seconds;

const Instant kNoon = *parse_instant("2013-12-01T12:00:00Z");

/// The machine's own time: a test can only wait for it.
class TimeOfTheMachine final : public ClockPlace {
 public:
  const Clock& clock() override { return *clock_; }
  void let_time_pass() override {
    const Instant now = clock_->now();
    const Duration running = clock_->running();
    while (clock_->now() == now || clock_->running() == running) continue;
  }

 private:
  std::unique_ptr<Clock> clock_ = make_system_clock();
};

/// The same clock on a machine whose time the test sets.
class TimeOfAMachineThatIsSet final : public ClockPlace {
 public:
  const Clock& clock() override { return *clock_; }
  void let_time_pass() override {
    machine_.advance(seconds(1));
    const Duration running = clock_->running();
    while (clock_->running() == running) continue;
  }
  void set_back(Duration by) override { machine_.advance(-by); }

 private:
  ManualClock machine_{kNoon};
  std::unique_ptr<Clock> clock_ = make_system_clock([this] { return machine_.now(); });
};

class TimeOfTheTest final : public ClockPlace {
 public:
  const Clock& clock() override { return clock_; }
  void let_time_pass() override { clock_.advance(seconds(1)); }
  void set_back(Duration by) override { clock_.set(clock_.now() - by); }

 private:
  ManualClock clock_{kNoon};
};

std::string name_of(const testing::TestParamInfo<ClockUnderTest>& tried) {
  return tried.param.name;
}

const ClockUnderTest kSystem = {"system", [] { return std::make_unique<TimeOfTheMachine>(); }};
const ClockUnderTest kSystemThatIsSet = {
    "system_set", [] { return std::make_unique<TimeOfAMachineThatIsSet>(); }};
const ClockUnderTest kManual = {"manual", [] { return std::make_unique<TimeOfTheTest>(); }};

INSTANTIATE_TEST_SUITE_P(All, ClockContract, testing::Values(kSystem, kSystemThatIsSet, kManual),
                         name_of);
INSTANTIATE_TEST_SUITE_P(All, SetClockContract, testing::Values(kSystemThatIsSet, kManual),
                         name_of);

TEST(SystemClock, StandsStillUntilAMachineThatWasSetBackALittleHasCaughtUp) {
  ManualClock machine(kNoon);
  const auto clock = make_system_clock([&] { return machine.now(); });
  EXPECT_EQ(clock->now(), kNoon);
  machine.set(kNoon - seconds(60));
  EXPECT_EQ(clock->now(), kNoon);
  machine.set(kNoon + seconds(1));
  EXPECT_EQ(clock->now(), kNoon + seconds(1));
  machine.set(kNoon - seconds(60));
  EXPECT_EQ(clock->now(), kNoon - seconds(60)) << "more than a minute";
}

TEST(ManualClock, WhatWasSetForwardHasPassed) {
  ManualClock clock(kNoon);
  clock.set(kNoon + seconds(30));
  EXPECT_EQ(clock.running(), seconds(30));
  clock.set(kNoon);
  clock.advance(seconds(5));
  EXPECT_EQ(clock.now(), kNoon + seconds(5));
  EXPECT_EQ(clock.running(), seconds(35));
}

}  // namespace
}  // namespace millrace
