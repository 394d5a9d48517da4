#include "base/time.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

TEST(Time, InstantsReadBackAsWritten) {
  for (const char* text :
       {"2013-12-01T05:00:00Z", "1969-12-31T23:59:59.5Z", "2013-01-01T00:00:00.000001Z"})
    EXPECT_EQ(format_instant(*parse_instant(text)), text);
  EXPECT_EQ(format_instant(*parse_instant("2013-12-01T00:00:00-05:00")), "2013-12-01T05:00:00Z");
  EXPECT_EQ(format_instant(*parse_instant("2013-12-01")), "2013-12-01T00:00:00Z");
  EXPECT_EQ(format_instant(*parse_instant("2013-12-01 06:30:00")), "2013-12-01T06:30:00Z");
}

TEST(Time, YearsHaveFourDigits) {
  EXPECT_EQ(format_instant(*parse_instant("0033-04-03")), "0033-04-03T00:00:00Z");
}

TEST(Time, RefusesWhatIsNoInstant) {
  for (const char* text :
       {"", "yesterday", "2013-13-01", "2013-02-30", "2013-12-01T25:00:00Z", "infinite-future",
        "10000-01-01", "300000-01-01", "99999999999-01-01", "0000-01-01", "-0001-01-01"})
    EXPECT_FALSE(parse_instant(text).ok()) << text;
}

TEST(Time, DurationsAreSumsOfUnits) {
  EXPECT_EQ(*parse_duration("1h30m"), std::chrono::minutes(90));
  EXPECT_EQ(*parse_duration("250ms"), milliseconds(250));
  EXPECT_EQ(*parse_duration("2w"), hours(24 * 14));
  for (const char* text :
       {"", "5", "m", "-5m", "5 m", "5y", "99999999999999999999s", "9999999999999w"})
    EXPECT_FALSE(parse_duration(text).ok()) << text;
}

TEST(Time, DurationsReadAsPeopleSayThem) {
  EXPECT_EQ(format_duration(milliseconds(320)), "320 ms");
  EXPECT_EQ(format_duration(milliseconds(4'210)), "4.2 s");
  EXPECT_EQ(format_duration(std::chrono::seconds(200)), "3 min 20 s");
  EXPECT_EQ(format_duration(std::chrono::minutes(125)), "2 h 5 min");
}

TEST(TimeZone, SaysWhetherACivilTimeIsUniqueSkippedOrRepeated) {
  const TimeZone zone = *TimeZone::load("America/New_York");
  EXPECT_EQ(zone.resolve({2013, 12, 1, 0, 0, 0}).kind, TimeZone::Kind::Unique);
  EXPECT_EQ(format_instant(zone.resolve({2013, 12, 1, 0, 0, 0}).before), "2013-12-01T05:00:00Z");
  const auto skipped = zone.resolve({2013, 3, 10, 2, 30, 0});
  EXPECT_EQ(skipped.kind, TimeZone::Kind::Skipped);
  EXPECT_EQ(format_instant(skipped.transition), "2013-03-10T07:00:00Z");
  const auto repeated = zone.resolve({2013, 11, 3, 1, 30, 0});
  EXPECT_EQ(repeated.kind, TimeZone::Kind::Repeated);
  EXPECT_EQ(repeated.after - repeated.before, hours(1));
}

TEST(TimeZone, ReadsATimeAsItsClocksShowItUnlessTheTimeSaysItsOffset) {
  const TimeZone zone = *TimeZone::load("America/New_York");
  struct Case {
    const char* text;
    const char* moment;
  };
  for (const Case& c : {Case{"2023-01-01", "2023-01-01T05:00:00Z"},
                        Case{"2023-01-01T05:00", "2023-01-01T10:00:00Z"},
                        Case{"2023-07-01 05:00:00.5", "2023-07-01T09:00:00.5Z"},
                        Case{"2023-01-01T05:00:00Z", "2023-01-01T05:00:00Z"},
                        Case{"2023-01-01T05:00:00+01:00", "2023-01-01T04:00:00Z"},
                        Case{"2023-01-01T05:00:00-08:00", "2023-01-01T13:00:00Z"},
                        // The clocks go from 2:00 to 3:00, and from 2:00 back to 1:00.
                        Case{"2013-03-10T02:30", "2013-03-10T07:00:00Z"},
                        Case{"2013-11-03T01:30", "2013-11-03T05:30:00Z"}}) {
    const auto moment = zone.parse(c.text);
    ASSERT_TRUE(moment.ok()) << c.text;
    EXPECT_EQ(format_instant(*moment), c.moment) << c.text;
  }
  EXPECT_FALSE(zone.parse("tomorrow").ok());
}

TEST(TimeZone, TellsWhenItsClocksAreSet) {
  const TimeZone zone = *TimeZone::load("America/New_York");
  const Instant spring = *parse_instant("2013-03-10T07:00:00Z");
  const auto next = zone.next_transition(*parse_instant("2013-01-01"));
  ASSERT_TRUE(next.has_value());
  EXPECT_EQ(next->at, spring);
  EXPECT_EQ(next->from, (CivilTime{2013, 3, 10, 2, 0, 0}));
  EXPECT_EQ(next->to, (CivilTime{2013, 3, 10, 3, 0, 0}));
  EXPECT_EQ(zone.last_transition(spring)->at, spring) << "the moment itself counts as past";
  EXPECT_EQ(format_instant(zone.next_transition(spring)->at), "2013-11-03T06:00:00Z");
  EXPECT_LT(zone.last_transition(spring - Duration(1))->at, spring);
  EXPECT_FALSE(TimeZone::utc().next_transition(spring).has_value());
}

TEST(TimeZone, RefusesAnUnknownName) {
  for (const char* name : {"", "Mars/Olympus", "fixed-05:00", "/etc/localtime"})
    EXPECT_FALSE(TimeZone::load(name).ok()) << name;
}

TEST(Civil, CountsWeekdaysAsCronDoes) {
  EXPECT_EQ(weekday({2013, 12, 1}), 0);  // a Sunday
  EXPECT_EQ(weekday({2013, 12, 7}), 6);
  EXPECT_EQ(add_days({2012, 2, 28}, 2), (CivilTime{2012, 3, 1}));
  EXPECT_EQ(days_in_month(2000, 2), 29);
  EXPECT_EQ(days_in_month(1900, 2), 28);
}

}  // namespace
}  // namespace millrace
