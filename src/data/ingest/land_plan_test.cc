#include "ingest/land_plan.h"

#include <gtest/gtest.h>

#include "base/hash.h"

namespace millrace::ingest {
namespace {

class LandPlanTest : public testing::Test {
 protected:
  Known known(std::string_view writer) {
    return {"flights", std::string(writer), marks_,
            [this](const Delivery& delivery) -> Result<std::string> {
              hashed_.push_back(delivery.path);
              return content_;
            }};
  }
  LandPlan plan(std::vector<Delivery> deliveries, std::string_view writer) {
    return *plan_landing(known(writer), std::move(deliveries));
  }
  std::string key(const std::vector<Delivery>& deliveries, std::string_view writer) {
    return *landing_key(known(writer), deliveries);
  }
  void landed(const Delivery& delivery, std::string_view writer) {
    add_marks("flights", delivery, kContent, writer, marks_);
  }

  static inline const std::string kContent = sha256_hex("as it was");
  static inline const std::string kOther = sha256_hex("as it is");
  Marks marks_;
  std::string content_ = kContent;   // of every delivery
  std::vector<std::string> hashed_;  // that were read to know it
};

const Delivery kFirst{"in/1", Instant(), 10, Instant(Duration(1))};
const Delivery kSecond{"in/2", Instant(), 20, Instant(Duration(2))};
const Delivery kTouchedFirst{"in/1", Instant(), 10, Instant(Duration(3))};

TEST_F(LandPlanTest, TakesWhatNoRunHasLanded) {
  landed(kFirst, "2013-01-06");
  const LandPlan next = plan({kFirst, kSecond}, "2013-01-13");
  EXPECT_EQ(next.pending, std::vector<Delivery>{kSecond});
  EXPECT_EQ(next.already, 1);
  EXPECT_TRUE(next.changed.empty());
  EXPECT_TRUE(hashed_.empty()) << "its size and time are those of its landing";
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

TEST_F(LandPlanTest, NoticesOtherContentOfTheSameSize) {
  landed(kFirst, "2013-01-06");
  content_ = kOther;
  const LandPlan next = plan({kTouchedFirst}, "2013-01-13");
  ASSERT_EQ(next.changed.size(), 1U);
  EXPECT_EQ(next.changed[0].substr(0, next.changed[0].find(';')),
            "in/1 was landed with other content than it has now, of the same 10 bytes");
}

TEST_F(LandPlanTest, ADeliveryThatWasOnlyTouchedIsTheSame) {
  landed(kFirst, "2013-01-06");
  const LandPlan next = plan({kTouchedFirst}, "2013-01-13");
  EXPECT_TRUE(next.changed.empty());
  EXPECT_EQ(next.touched, std::vector<Delivery>{kTouchedFirst});
  EXPECT_EQ(hashed_, std::vector<std::string>{"in/1"});
}

TEST_F(LandPlanTest, OfADeliveryThatWasLandedWithoutItsHashOnlyTheSizeCounts) {
  landed(kFirst, "2013-01-06");
  marks_.erase(content_mark("flights", kFirst.path));
  EXPECT_TRUE(plan({kTouchedFirst}, "2013-01-13").changed.empty());
  EXPECT_TRUE(hashed_.empty());
}

TEST_F(LandPlanTest, TheKeyOfALandingStaysWhileNothingComesOrChanges) {
  const std::string before = key({kFirst}, "2013-01-06");
  landed(kFirst, "2013-01-06");
  const std::string after = key({kFirst}, "2013-01-06");
  EXPECT_NE(before, after);
  EXPECT_EQ(key({kTouchedFirst}, "2013-01-06"), after) << "touched";
  EXPECT_EQ(key({}, "2013-01-06"), after) << "no longer delivered";
  EXPECT_NE(key({kFirst, kSecond}, "2013-01-06"), after) << "one that has come";
  landed(kSecond, "2013-01-13");
  EXPECT_EQ(key({kFirst, kSecond}, "2013-01-06"), after) << "one that another run has landed";
  EXPECT_EQ(key({kFirst}, "2013-01-06"), after) << "which is no longer delivered";
  content_ = kOther;
  EXPECT_NE(key({kTouchedFirst}, "2013-01-06"), after) << "changed";
  EXPECT_NE(key({kTouchedFirst}, "2013-01-13"), key({kFirst}, "2013-01-13")) << "another's";
}

TEST_F(LandPlanTest, AnotherRunOfTheSameDateIsAnotherWriter) {
  landed(kFirst, "weekly/land/2013-01-06/raw.flights");
  EXPECT_TRUE(plan({kFirst}, "weekly/land/2013-01-06.score_at=leaky/raw.flights").pending.empty());
}

TEST_F(LandPlanTest, NamesTheMarksSoThatNoPathCanMeetAnother) {
  landed(kFirst, "2013-01-06");
  EXPECT_EQ(marks_, (std::map<std::string, std::int64_t>{
                        {"millrace/ingest/flights/in/1", mark_version("2013-01-06")},
                        {"millrace/ingest-content/flights/in/1", content_version(kContent)},
                        {"millrace/ingest-modified/flights/in/1", 1},
                        {"millrace/ingest-size/flights/in/1", 10}}));
}

}  // namespace
}  // namespace millrace::ingest
