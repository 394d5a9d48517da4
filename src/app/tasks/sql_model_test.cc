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

TEST_F(SqlModelTable, SaysThatTheRowsOfALaterDateAreReplaced) {
  good(run("land"));
  EXPECT_EQ(summary("2013-01-19"), "1 rows in models.totals version 0");
  EXPECT_EQ(summary("2013-01-21"), "1 rows in models.totals version 1");
  EXPECT_EQ(summary("2013-01-20"),
            "1 rows in models.totals version 2; they replace those of the later date "
            "2013-01-21T00:00:00Z: run it again to have them back");
}

TEST_F(SqlModelTable, IsMadeAgainWhenAnotherRunHasReplacedIt) {
  good(run("land"));
  EXPECT_FALSE(good(run("totals", "2013-01-21")).bool_or("reused", false));
  EXPECT_TRUE(good(run("totals", "2013-01-21")).bool_or("reused", false));
  EXPECT_FALSE(good(run("totals", "2013-01-20")).bool_or("reused", false));
  const Json again =  // a run that is asked for again is the next generation
      good(run("totals", "2013-01-21", [](auto& instance) { ++instance.generation; }));
  EXPECT_FALSE(again.bool_or("reused", false));
  EXPECT_EQ(again["version"].as_integer(), 2) << again.dump();
}

}  // namespace
}  // namespace millrace::tasks
