#include "orchestration/cron.h"

#include <gtest/gtest.h>

namespace millrace::orchestration {
namespace {

Instant t(std::string_view text) {
  return *parse_instant(text);
}

Cron cron(std::string_view text, std::string_view zone = "UTC") {
  auto parsed = Cron::parse(text, *TimeZone::load(zone));
  if (!parsed.ok()) ADD_FAILURE() << text << ": " << parsed.error().message();
  return *std::move(parsed);
}

std::vector<std::string> next(const Cron& schedule, Instant from, int count) {
  std::vector<std::string> points;
  for (int i = 0; i < count; ++i) {
    from = schedule.next_after(from);
    points.push_back(format_instant(from));
  }
  return points;
}

using Points = std::vector<std::string>;

TEST(Cron, FindsThePointsOfPlainSchedules) {
  struct Case {
    std::string why;
    std::string text;
    std::string from;
    Points points;
  };
  const std::vector<Case> cases = {
      {"strictly after", "0 0 * * *", "2013-12-01T00:00:00Z", {"2013-12-02T00:00:00Z"}},
      {"a second before counts", "0 0 * * *", "2013-11-30T23:59:59Z", {"2013-12-01T00:00:00Z"}},
      {"steps",
       "*/20 8-9 * * *",
       "2013-01-01T08:10:00Z",
       {"2013-01-01T08:20:00Z", "2013-01-01T08:40:00Z", "2013-01-01T09:00:00Z"}},
      {"a start with a step runs to the end",
       "50/5 0 1 1 *",
       "2013-01-01T00:00:00Z",
       {"2013-01-01T00:50:00Z", "2013-01-01T00:55:00Z", "2014-01-01T00:50:00Z"}},
      {"lists and names",
       "0 6 * jan,JUL mon",
       "2013-01-25T00:00:00Z",
       {"2013-01-28T06:00:00Z", "2013-07-01T06:00:00Z"}},
      {"a range that wraps",
       "0 0 * * fri-sun",
       "2013-12-02T00:00:00Z",
       {"2013-12-06T00:00:00Z", "2013-12-07T00:00:00Z", "2013-12-08T00:00:00Z",
        "2013-12-13T00:00:00Z"}},
      {"7 is Sunday", "0 0 * * 7", "2013-12-02T00:00:00Z", {"2013-12-08T00:00:00Z"}},
      {"day of month or day of week",
       "0 0 13 * fri",
       "2013-09-01T00:00:00Z",
       {"2013-09-06T00:00:00Z", "2013-09-13T00:00:00Z", "2013-09-20T00:00:00Z"}},
      {"a leap day is eight years away over 1900",
       "0 0 29 2 *",
       "1896-03-01T00:00:00Z",
       {"1904-02-29T00:00:00Z"}},
      {"@weekly", "@weekly", "2013-12-02T00:00:00Z", {"2013-12-08T00:00:00Z"}},
      {"@monthly", "@monthly", "2013-12-02T00:00:00Z", {"2014-01-01T00:00:00Z"}},
      {"the end of a month",
       "59 23 31 * *",
       "2013-02-01T00:00:00Z",
       {"2013-03-31T23:59:00Z", "2013-05-31T23:59:00Z"}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    EXPECT_EQ(next(cron(c.text), t(c.from), static_cast<int>(c.points.size())), c.points);
  }
}

TEST(Cron, FollowsTheWallClockOfItsZoneThroughBothChanges) {
  struct Case {
    std::string why;
    std::string text;
    std::string zone;
    std::string from;
    Points points;
  };
  const std::vector<Case> cases = {
      {"midnight moves with the clocks",
       "0 0 * * 0",
       "America/New_York",
       "2013-03-03T12:00:00Z",
       {"2013-03-10T05:00:00Z", "2013-03-17T04:00:00Z"}},
      {"a skipped time runs at the transition",
       "30 2 * * *",
       "America/New_York",
       "2013-03-09T12:00:00Z",
       {"2013-03-10T07:00:00Z", "2013-03-11T06:30:00Z"}},
      {"several skipped times run once",
       "15,45 2 * * *",
       "America/New_York",
       "2013-03-09T12:00:00Z",
       {"2013-03-10T07:00:00Z", "2013-03-11T06:15:00Z"}},
      {"a skipped time and the transition's own time run once",
       "0 2,3 * * *",
       "America/New_York",
       "2013-03-09T12:00:00Z",
       {"2013-03-10T07:00:00Z", "2013-03-11T06:00:00Z"}},
      {"a repeated time runs at its first occurrence",
       "30 1 * * *",
       "America/New_York",
       "2013-11-02T12:00:00Z",
       {"2013-11-03T05:30:00Z", "2013-11-04T06:30:00Z"}},
      {"asked between the two occurrences, it is over",
       "30 1 * * *",
       "America/New_York",
       "2013-11-03T06:10:00Z",
       {"2013-11-04T06:30:00Z"}},
      {"every hour means every hour",
       "0 * * * *",
       "America/New_York",
       "2013-11-03T04:30:00Z",
       {"2013-11-03T05:00:00Z", "2013-11-03T06:00:00Z", "2013-11-03T07:00:00Z"}},
      {"every hour in spring has no second run",
       "0 * * * *",
       "America/New_York",
       "2013-03-10T05:30:00Z",
       {"2013-03-10T06:00:00Z", "2013-03-10T07:00:00Z", "2013-03-10T08:00:00Z"}},
      {"a change of half an hour",
       "45 1 * * *",
       "Australia/Lord_Howe",
       "2013-04-06T00:00:00Z",
       {"2013-04-06T14:45:00Z", "2013-04-07T15:15:00Z"}},
      {"midnight itself is skipped",
       "0 0 * * *",
       "America/Havana",
       "2013-03-09T12:00:00Z",
       {"2013-03-10T05:00:00Z", "2013-03-11T04:00:00Z"}},
      {"a whole day is skipped",
       "0 12 * * *",
       "Pacific/Apia",
       "2011-12-29T23:00:00Z",
       {"2011-12-30T10:00:00Z", "2011-12-30T22:00:00Z"}},
      {"clocks go back over midnight",
       "5 0 * * *",
       "America/St_Johns",
       "2010-11-06T12:00:00Z",
       {"2010-11-07T03:35:00Z", "2010-11-08T03:35:00Z"}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    EXPECT_EQ(next(cron(c.text, c.zone), t(c.from), static_cast<int>(c.points.size())), c.points);
  }
}

TEST(Cron, LooksBackAlongTheSamePoints) {
  for (const char* zone : {"UTC", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia",
                           "America/St_Johns", "Africa/Casablanca", "Asia/Kathmandu"})
    for (const char* text : {"0 * * * *", "30 1,2 * * *", "*/7 0-3 * * *", "15 */5 * * mon",
                             "0 0 1,29 * *", "* * * * *", "59 23 * 3,11 *"}) {
      SCOPED_TRACE(std::string(text) + " in " + zone);
      const Cron schedule = cron(text, zone);
      for (Instant from : {t("2011-12-28"), t("2013-03-09"), t("2013-04-05"), t("2013-11-02")})
        for (int i = 0; i < 200; ++i) {
          const Instant point = schedule.next_after(from);
          ASSERT_GT(point, from);
          ASSERT_EQ(schedule.previous_at_or_before(point), point) << format_instant(point);
          ASSERT_EQ(schedule.previous_at_or_before(point + std::chrono::seconds(59)), point);
          if (i > 0) {
            ASSERT_EQ(schedule.previous_at_or_before(point - Duration(1)), from)
                << format_instant(point);
          }
          from = point;
        }
    }
}

TEST(Cron, RefusesWhatItCannotMean) {
  struct Case {
    std::string text;
    ErrorCode code;
    std::string says;
  };
  const std::vector<Case> cases = {
      {"", ErrorCode::Invalid, "five fields"},
      {"0 0 * *", ErrorCode::Invalid, "this one has 4"},
      {"0 0 0 * * *", ErrorCode::Unsupported, "seconds and years"},
      {"60 0 * * *", ErrorCode::Invalid, "'60' cannot stand in the minute field"},
      {"0 24 * * *", ErrorCode::Invalid, "hour field"},
      {"0 0 0 * *", ErrorCode::Invalid, "day of month field"},
      {"0 0 * 13 *", ErrorCode::Invalid, "jan to dec"},
      {"0 0 * * 8", ErrorCode::Invalid, "sun to sat"},
      {"0 0 * * monday", ErrorCode::Invalid, "'monday'"},
      {"-1 0 * * *", ErrorCode::Invalid, "minute field"},
      {"1,,2 0 * * *", ErrorCode::Invalid, "'1,,2'"},
      {"*/0 * * * *", ErrorCode::Invalid, "at least 1"},
      {"*/99999999999 * * * *", ErrorCode::Invalid, "whole number"},
      {"1/2/3 * * * *", ErrorCode::Invalid, "whole number"},
      {"1-2-3 * * * *", ErrorCode::Invalid, "'2-3'"},
      {"0 0 30 2 *", ErrorCode::Invalid, "never run"},
      {"0 0 31 4,6 *", ErrorCode::Invalid, "never run"},
      {"0 0 L * *", ErrorCode::Unsupported, "L (the last day)"},
      {"0 0 15W * *", ErrorCode::Unsupported, "W (the nearest working day)"},
      {"0 0 * * 5#2", ErrorCode::Unsupported, "n-th weekday"},
      {"0 0 ? * 5", ErrorCode::Unsupported, "write * instead"},
      {"H * * * *", ErrorCode::Unsupported, "spread by hash"},
      {"@dialy", ErrorCode::Invalid, "did you mean '@daily'"},
      {std::string(300, '*'), ErrorCode::Invalid, "at most 256"},
      {std::string("0 0 * * \0", 9), ErrorCode::Invalid, "day of week"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.text);
    const auto parsed = Cron::parse(c.text, TimeZone::utc());
    ASSERT_FALSE(parsed.ok());
    EXPECT_EQ(parsed.error().code(), c.code);
    EXPECT_NE(parsed.error().message().find(c.says), std::string::npos) << parsed.error().message();
  }
}

TEST(Cron, AStepFarBeyondItsFieldIsItsFirstValue) {
  EXPECT_EQ(next(cron("10/2147483647 3 * * *"), t("2013-01-01"), 2),
            (Points{"2013-01-01T03:10:00Z", "2013-01-02T03:10:00Z"}));
}

}  // namespace
}  // namespace millrace::orchestration
