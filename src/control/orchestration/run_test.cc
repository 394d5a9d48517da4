#include "orchestration/run.h"

#include <gtest/gtest.h>

#include "orchestration/dag_fixture.h"

namespace millrace::orchestration {
namespace {

std::shared_ptr<const Dag> daily(const std::string& schedule) {
  DagSpec spec = chain_of("daily", {"train"});
  spec.schedule = schedule;
  spec.start_date = *parse_instant("2013-01-01");
  return *Dag::make(std::move(spec));
}

TEST(Backfill, HasThePointsOfTheScheduleFromTheFirstDateToTheLast) {
  const auto points = points_of_backfill(*daily("@daily"), *parse_instant("2013-01-01"),
                                         *parse_instant("2013-01-03T12:00:00Z"));
  ASSERT_TRUE(points.ok());
  EXPECT_EQ(*points, (std::vector{*parse_instant("2013-01-01"), *parse_instant("2013-01-02"),
                                  *parse_instant("2013-01-03")}));
}

TEST(Backfill, IsRefusedWhereNobodyCanMeanIt) {
  struct Case {
    const char* schedule;
    const char* from;
    const char* to;
    const char* message;
  };
  for (const Case& c :
       {Case{"", "2013-01-01", "2013-01-02", "Dag 'daily' has no schedule"},
        Case{"@daily", "2013-01-02", "2013-01-01", "from the earlier date to the later one"},
        Case{"@daily", "2012-01-01", "2012-12-31", "no point from 2012-01-01T00:00:00Z"},
        Case{"@hourly", "2013-01-01", "2015-01-01", "more than 10000 points"}}) {
    SCOPED_TRACE(c.message);
    const auto points =
        points_of_backfill(*daily(c.schedule), *parse_instant(c.from), *parse_instant(c.to));
    ASSERT_FALSE(points.ok());
    EXPECT_EQ(points.error().code(), ErrorCode::Invalid);
    EXPECT_NE(points.error().message().find(c.message), std::string::npos)
        << points.error().message();
  }
}

}  // namespace
}  // namespace millrace::orchestration
