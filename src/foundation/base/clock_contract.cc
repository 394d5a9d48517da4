#include "base/clock_contract.h"

#include <array>
#include <thread>

namespace millrace {

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(ClockContract);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(SetClockContract);

TEST_P(ClockContract, TimeThatPassesMovesBothOfItsHands) {
  const Instant now = clock().now();
  const Duration running = clock().running();
  place().let_time_pass();
  EXPECT_GT(clock().now(), now);
  EXPECT_GT(clock().running(), running);
}

TEST_P(ClockContract, NeverGoesBackByItselfHoweverManyAsk) {
  std::atomic<bool> moving{true};
  std::array<bool, 2> went_back = {false, false};
  std::array<std::thread, 2> askers;
  for (std::size_t i = 0; i < askers.size(); ++i)
    askers[i] = std::thread([&, i] {
      Instant now = clock().now();
      Duration running = clock().running();
      do {
        const Instant then = std::exchange(now, clock().now());
        const Duration before = std::exchange(running, clock().running());
        went_back[i] = went_back[i] || now < then || running < before;
      } while (moving);
    });
  for (int i = 0; i < 1'000; ++i) place().let_time_pass();
  moving = false;
  for (std::thread& asker : askers) asker.join();
  EXPECT_FALSE(went_back[0] || went_back[1]);
}

TEST_P(SetClockContract, SetBackByAnHourTheTimeFollowsAndWhatHasPassedHasPassed) {
  place().let_time_pass();
  const Instant now = clock().now();
  const Duration running = clock().running();
  place().set_back(std::chrono::hours(1));
  EXPECT_LT(clock().now(), now);
  EXPECT_GE(clock().running(), running);
  const Instant since = clock().now();
  place().let_time_pass();
  EXPECT_GT(clock().now(), since) << "it goes on from there";
  EXPECT_GT(clock().running(), running);
}

}  // namespace millrace
