#include "ingest/land_plan.h"

#include <gtest/gtest.h>

namespace millrace::ingest {
namespace {

class LandPlanTest : public testing::Test {
 protected:
  LandPlan plan(std::vector<Delivery> deliveries, std::string_view writer) {
    return plan_landing("flights", std::move(deliveries), writer,
                        [&](const std::string& app_id) -> std::optional<std::int64_t> {
                          const auto found = marks_.find(app_id);
                          if (found == marks_.end()) return std::nullopt;
                          return found->second;
                        });
  }
  void landed(const Delivery& delivery, std::string_view writer) {
    add_marks("flights", delivery, writer, marks_);
  }
  std::map<std::string, std::int64_t> marks_;
};

const Delivery kFirst{"in/1", Instant(), 10};
const Delivery kSecond{"in/2", Instant(), 20};

TEST_F(LandPlanTest, TakesWhatNoRunHasLanded) {
  landed(kFirst, "2013-01-06");
  const LandPlan next = plan({kFirst, kSecond}, "2013-01-13");
  EXPECT_EQ(next.pending, std::vector<Delivery>{kSecond});
  EXPECT_EQ(next.already, 1);
  EXPECT_TRUE(next.changed.empty());
}

TEST_F(LandPlanTest, TakesAgainWhatThisRunHasLandedChangedOrNot) {
  landed(kFirst, "2013-01-06");
  landed(kSecond, "2013-01-13");
  Delivery mended = kSecond;
  mended.size_bytes = 21;
  const LandPlan cleared = plan({kFirst, mended}, "2013-01-13");
  EXPECT_EQ(cleared.pending, std::vector<Delivery>{mended});
  EXPECT_TRUE(cleared.changed.empty());
}

TEST_F(LandPlanTest, TakesWhatWasTakenBack) {
  landed(kFirst, "2013-01-06");
  marks_[landed_mark("flights", kFirst.path)] = kTakenBack;
  EXPECT_EQ(plan({kFirst}, "2013-01-13").pending, std::vector<Delivery>{kFirst});
}

TEST_F(LandPlanTest, NoticesThatALandedDeliveryHasChanged) {
  landed(kFirst, "2013-01-06");
  Delivery changed = kFirst;
  changed.size_bytes = 11;
  const LandPlan next = plan({changed}, "2013-01-13");
  EXPECT_TRUE(next.pending.empty());
  EXPECT_EQ(next.changed,
            std::vector<std::string>{
                "in/1 was landed with 10 bytes and has 11 now; "
                "deliveries do not change: deliver the correction under another name, or clear the "
                "run that landed it, so that it lands the file again"});
}

TEST_F(LandPlanTest, AnotherRunOfTheSameDateIsAnotherWriter) {
  landed(kFirst, "weekly/land/2013-01-06/raw.flights");
  EXPECT_TRUE(plan({kFirst}, "weekly/land/2013-01-06.score_at=leaky/raw.flights").pending.empty());
}

TEST_F(LandPlanTest, NamesTheMarksSoThatNoPathCanMeetAnother) {
  landed(kFirst, "2013-01-06");
  EXPECT_EQ(marks_, (std::map<std::string, std::int64_t>{
                        {"millrace/ingest/flights/in/1", mark_version("2013-01-06")},
                        {"millrace/ingest-size/flights/in/1", 10}}));
}

}  // namespace
}  // namespace millrace::ingest
