// What a landing says of itself in one line.

#include "tasks/project_fixture.h"

namespace millrace::tasks {
namespace {

class LandSummary : public ProjectTest {
 protected:
  std::string summary(const std::string& date) {
    return good(run("land", date))["summary"].as_string();
  }
};

TEST_F(LandSummary, SaysWhereTheRejectedRowsAre) {
  write(delivery(20), orders_of(20) + "{\"id\": \"none\"}\n");
  EXPECT_EQ(summary("2013-01-21"),
            "401 rows read from 20 files, 0 of an earlier day, 1 rejected (see "
            "raw.orders__rejected)");
}

TEST_F(LandSummary, SaysThatThePatternFitsNoFileThoughTheTableIsThere) {
  EXPECT_EQ(summary("2013-01-21"), "400 rows read from 20 files, 0 of an earlier day");
  change("sources/cafe.yml", "orders-{date}.jsonl", "order-{date}.jsonl");
  EXPECT_EQ(summary("2013-01-22"),
            "0 rows read from 0 files, 0 of an earlier day; cafe.orders: no file fits the pattern "
            "'order-{date}.jsonl'; there is orders-2013-01-01.jsonl and 19 more");
}

}  // namespace
}  // namespace millrace::tasks
