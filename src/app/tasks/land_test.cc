// What a landing says of itself in one line.

#include <algorithm>

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
            "nothing new; cafe.orders: no file fits the pattern "
            "'order-{date}.jsonl'; there is orders-2013-01-01.jsonl and 19 more");
}

TEST_F(LandSummary, SaysThatNothingIsNewAndHowManyFilesLandedBefore) {
  good(run("land", "2013-01-21"));
  const Json landed = good(run("land", "2013-01-22"));
  EXPECT_EQ(landed["summary"].as_string(), "nothing new; 20 files landed before");
  EXPECT_EQ(landed["deliveries"].as_integer(), 0);
  EXPECT_EQ(landed["rows_read"].as_integer(), 0);
}

TEST_F(LandSummary, OfAFileThatWasLeftOutDoesNotSayThatNothingIsNew) {
  change("sources/cafe.yml", "    pattern:", "    on_bad_file: skip\n    pattern:");
  good(run("land", "2013-01-20"));
  write(delivery(20), "no JSON\n");
  EXPECT_EQ(summary("2013-01-21").find("nothing new"), std::string::npos);
  EXPECT_TRUE(std::ranges::any_of(
      log_, [](const std::string& line) { return line.starts_with("skipped: "); }));
}

TEST_F(LandSummary, TellsOfAFileThatCameUnderTwoNames) {
  change("sources/cafe.yml", "orders-{date}.jsonl", "orders-{date}*.jsonl");
  good(run("land"));
  write("deliveries/orders-2013-01-20-again.jsonl", orders_of(20));
  EXPECT_EQ(summary("2013-01-22"),
            "20 rows read from 1 file, 0 of an earlier day; orders-2013-01-20-again.jsonl has the "
            "same content as orders-2013-01-20.jsonl, so these rows are there twice");
  EXPECT_TRUE(std::ranges::any_of(log_, [](const std::string& line) {
    return line.starts_with("its rows are there twice: orders-2013-01-20-again.jsonl");
  }));
}

/// The example of docs/reference/sources.md: the row of the latest file counts.
TEST_F(LandSummary, ARowIsCorrectedByALaterFileAndTheModelThatTakesTheNewerOne) {
  change("sources/cafe.yml", "orders-{date}.jsonl", "orders-{date}*.jsonl");
  change("sources/cafe.yml", "    delivered_at: delivered_at\n", "");
  change("sources/cafe.yml",
         "      - {name: delivered_at, type: TIMESTAMP WITH TIME ZONE, not_null: true}\n", "");
  write("models/right.sql",
        "{{ config(materialized='table') }}\nselect id, cups from {{ source('cafe', 'orders') }}\n"
        "qualify row_number() over (partition by id order by delivered_at desc, _file desc, _row "
        "desc) = 1\n");
  write("models/nine.sql",
        "{{ config(materialized='table') }} select id from {{ ref('right') }} where cups = 9\n");
  write("pipelines/daily.yml",
        "schedule: \"@daily\"\ntasks:\n  - {id: land, kind: land, source: cafe.orders}\n"
        "  - {id: right, kind: sql_model, upstream: [land], model: right}\n"
        "  - {id: nine, kind: sql_model, upstream: [right], model: nine}\n");
  const auto order = [](int id, int cups) {
    return fmt::format(
        R"({{"id":{},"cups":{},"rain":0.5,"late":false,"placed_at":"2013-01-01T08:00:00Z",)"
        R"("served_at":"2013-01-01T08:30:00Z"}})"
        "\n",
        id, cups);
  };
  for (int day = 1; day <= 20; ++day) std::filesystem::remove(path(delivery(day)));
  write("deliveries/orders-2013-01-01.jsonl", order(1, 90) + order(2, 9));
  write("deliveries/orders-2013-01-03-correction.jsonl", order(1, 9));
  const auto nine = [&](const std::string& date) {
    good(run("land", date));
    EXPECT_EQ(good(run("right", date))["rows"], Json(2));
    return good(run("nine", date))["rows"];
  };
  EXPECT_EQ(nine("2013-01-03"), Json(1)) << "what was known before the correction";
  EXPECT_EQ(nine("2013-01-04"), Json(2));
}

}  // namespace
}  // namespace millrace::tasks
