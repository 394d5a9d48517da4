#include "server/due.h"

#include <gtest/gtest.h>

#include "base/result_fixture.h"
#include "orchestration/dag_fixture.h"

namespace millrace::server {
namespace {

std::shared_ptr<const orchestration::Dag> due(const std::string& schedule) {
  orchestration::DagSpec spec = orchestration::chain_of("daily", {"a"});
  spec.schedule = schedule;
  spec.timezone = "America/New_York";
  return good(orchestration::Dag::make(spec));
}

Instant at(const std::string& text) {
  return good(parse_instant(text));
}

TEST(Due, ADateIsTheMomentOfThatDayAtWhichTheDagIsDue) {
  EXPECT_EQ(good(due_at(*due("0 6 * * *"), "2026-10-05")), at("2026-10-05T10:00:00Z"));
  EXPECT_EQ(good(due_at(*due("0 0 * * 0"), "2013-12-01")), at("2013-12-01T05:00:00Z"));
}

TEST(Due, OnADayWithoutAPointADateIsMidnight) {
  EXPECT_EQ(good(due_at(*due("0 6 * * 0"), "2013-12-03")), at("2013-12-03T05:00:00Z"));
  EXPECT_EQ(good(due_at(*due(""), "2013-12-03")), at("2013-12-03T05:00:00Z"));
}

TEST(Due, ATimeIsItself) {
  EXPECT_EQ(good(due_at(*due("0 6 * * *"), "2026-10-05T07:00:00")), at("2026-10-05T11:00:00Z"));
  EXPECT_EQ(good(due_at(*due("0 * * * *"), "2026-10-05T07:00:00Z")), at("2026-10-05T07:00:00Z"));
}

TEST(Due, ADayWithSeveralPointsIsAskedAbout) {
  const auto moment = due_at(*due("0 6,18 * * *"), "2026-10-05");
  ASSERT_FALSE(moment.ok());
  EXPECT_EQ(moment.error().code(), ErrorCode::Invalid);
  EXPECT_HAS(moment.error().message(), "millrace backfill daily --from 2026-10-05 --to 2026-10-05");
}

TEST(Due, TheStretchOfADateIsItsWholeDayAlsoWhenClocksAreSet) {
  const TimeZone zone = good(TimeZone::load("America/New_York"));
  const Stretch autumn = good(stretch_of(zone, "2013-11-03"));
  EXPECT_EQ(autumn.first, at("2013-11-03T04:00:00Z"));
  EXPECT_EQ(autumn.last + Duration(1), at("2013-11-04T05:00:00Z"));
  const Stretch moment = good(stretch_of(zone, "2013-11-03T01:00:00Z"));
  EXPECT_EQ(moment.first, moment.last);
}

TEST(Due, WhatIsInTheFutureOrOffTheScheduleIsOdd) {
  const Instant now = at("2013-12-10T00:00:00Z");
  const auto weekly = due("0 0 * * 0");
  EXPECT_EQ(oddity_of(*weekly, at("2013-12-01T05:00:00Z"), now), "");
  EXPECT_HAS(oddity_of(*weekly, at("2031-12-07T05:00:00Z"), now), "in the future");
  const std::string off = oddity_of(*weekly, at("2013-12-03T05:00:00Z"), now);
  EXPECT_HAS(off, "2013-12-01T05:00:00Z and 2013-12-08T05:00:00Z");
  EXPECT_EQ(oddity_of(*due(""), at("2013-12-03T05:00:00Z"), now), "");
}

TEST(Due, WhatLiesOutsideOfTheDagsDatesIsNotCalledOffTheSchedule) {
  orchestration::DagSpec spec = orchestration::chain_of("hourly", {"a"});
  spec.schedule = "0 * * * *";
  spec.start_date = at("2013-12-03T18:00:00Z");
  spec.end_date = at("2013-12-04T18:00:00Z");
  const auto dag = good(orchestration::Dag::make(spec));
  const Instant now = at("2013-12-10T00:00:00Z");
  EXPECT_EQ(oddity_of(*dag, at("2013-12-03T18:00:00Z"), now), "");
  EXPECT_HAS(oddity_of(*dag, at("2013-12-03T15:00:00Z"), now),
             "lies before the start_date of the Dag 'hourly', 2013-12-03T18:00:00Z");
  EXPECT_HAS(oddity_of(*dag, at("2013-12-04T19:00:00Z"), now),
             "lies after the end_date of the Dag 'hourly', 2013-12-04T18:00:00Z");
}

}  // namespace
}  // namespace millrace::server
