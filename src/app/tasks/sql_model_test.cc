// A SQL model that is written to its table, run by run.

#include "tasks/project_fixture.h"

namespace millrace::tasks {
namespace {

class SqlModelTable : public ProjectTest {
 protected:
  void SetUp() override {
    ProjectTest::SetUp();
    write("models/totals.sql",
          "{{ config(materialized='table') }} select cast('{{ var('logical_date') }}' as "
          "timestamptz) as made_for, count(*) as orders from {{ source('cafe', 'orders') }}");
    change("pipelines/daily.yml", "tasks:\n",
           "tasks:\n  - {id: totals, kind: sql_model, model: totals}\n");
  }
  std::string summary(const std::string& date) {
    return good(run("totals", date))["summary"].as_string();
  }
};

TEST_F(SqlModelTable, KeepsTheRowsOfTheLatestDateInWhateverOrderRunsAreMade) {
  good(run("land"));
  EXPECT_EQ(summary("2013-01-19"), "1 row in models.totals version 0");
  EXPECT_EQ(summary("2013-01-21"), "1 row in models.totals version 1");
  EXPECT_EQ(
      summary("2013-01-20"),
      "1 row, not written: models.totals was written for the later date 2013-01-21T00:00:00Z");
  EXPECT_TRUE(good(run("totals", "2013-01-20")).bool_or("reused", false));
  EXPECT_TRUE(good(run("totals", "2013-01-21")).bool_or("reused", false));
  EXPECT_TRUE(good(run("totals", "2013-01-19")).bool_or("reused", false));
  EXPECT_EQ(summary("2013-01-22"), "1 row in models.totals version 2");
}

TEST_F(SqlModelTable, KeepsThePartitionsOfTheLatestDateWhenItIsIncremental) {
  write("models/totals.sql",
        "{{ config(materialized='incremental', partition_by=['part']) }} select 'all' as part, "
        "cast('{{ var('logical_date') }}' as timestamptz) as made_for, count(*) as orders from "
        "{{ source('cafe', 'orders') }}");
  good(run("land"));
  EXPECT_EQ(summary("2013-01-21"), "1 row in models.totals version 0");
  const Json earlier = good(run("totals", "2013-01-20"));
  EXPECT_EQ(
      earlier["summary"].as_string(),
      "0 rows in models.totals version 1; 1 row not written: 1 partition of theirs was written "
      "for later dates, up to 2013-01-21T00:00:00Z");
  EXPECT_EQ(earlier["left_to_later"]["rows"].as_integer(), 1);
  EXPECT_TRUE(good(run("totals", "2013-01-20")).bool_or("reused", false));
  EXPECT_TRUE(good(run("totals", "2013-01-21")).bool_or("reused", false));
}

TEST_F(SqlModelTable, IsMadeAgainWhenARunOfAnotherDagHasReplacedIt) {
  good(run("land"));
  EXPECT_FALSE(good(run("totals", "2013-01-21")).bool_or("reused", false));
  EXPECT_TRUE(good(run("totals", "2013-01-21")).bool_or("reused", false));
  good(run("totals", "2013-01-20",
           [](auto& instance) { instance.run.key.dag = orchestration::DagId("another"); }));
  const Json again =  // a run that is asked for again is the next generation
      good(run("totals", "2013-01-21", [](auto& instance) { ++instance.generation; }));
  EXPECT_FALSE(again.bool_or("reused", false));
  EXPECT_EQ(again["version"].as_integer(), 2) << again.dump();
}

TEST_F(SqlModelTable, IsValidatedByTheRowsOfItsOwnRunAlsoWhereTheyAreNotWritten) {
  write("expectations/day.yml",
        "expectations:\n  - {type: expect_column_values_to_be_between, column: made_for, "
        "max_value: '2013-01-20T00:00:00Z'}\n");
  change("pipelines/daily.yml", "tasks:\n",
         "tasks:\n  - {id: check, kind: validate, upstream: [totals], suite: day, table: "
         "models.totals}\n");
  good(run("land"));
  good(run("totals", "2013-01-21"));
  EXPECT_FALSE(run("check", "2013-01-21").ok());
  good(run("totals", "2013-01-20"));
  EXPECT_EQ(good(run("check", "2013-01-20"))["summary"].as_string(), "1 of 1 expectations met");
}

}  // namespace
}  // namespace millrace::tasks
