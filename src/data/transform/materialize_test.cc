#include "transform/materialize.h"

#include <algorithm>
#include <functional>
#include <utility>

#include <fmt/core.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "transform/compile.h"

namespace millrace::transform {
namespace {

class Materialize : public testing::Test {
 protected:
  /// Makes the model of this text as the run of that interval.
  Result<Made> make(const std::string& text, const std::string& interval,
                    std::int64_t generation = 1) {
    return make(text, {.writer = {"dag/m/" + interval + "/models.m", generation}});
  }
  /// As the run of that day of January.
  Result<Made> make_for(int day, const std::function<Status()>& fence = {},
                        const std::string& dag = "daily") {
    return make_for(fmt::format("2013-01-{:02}", day), 1, day, fence, dag);
  }
  Result<Made> make_for(const std::string& date, std::int64_t generation, int value,
                        const std::function<Status()>& fence = {},
                        const std::string& dag = "daily") {
    return make(fmt::format("{{{{ config(materialized='table') }}}} SELECT {} AS d, 1 AS n", value),
                {.writer = {fmt::format("{}/m/{}/models.m", dag, date), generation},
                 .fence = fence,
                 .logical_date = *parse_instant(date),
                 .dag = dag});
  }
  Result<Made> make(const std::string& text, const MaterializeSpec& spec) {
    std::vector<SqlModel> models;
    models.push_back(TRY(read_sql_model("m", "models/m.sql", text)));
    std::vector<Error> errors;
    const ModelGraph graph = ModelGraph::make(std::move(models), {}, errors);
    const auto compiled = TRY(compile(graph, {"m"}, {}));
    TRY(define(*session_, compiled));
    return materialize(lake_, *session_, *graph.find("m"), spec);
  }
  std::string text(const std::string& sql) {
    const auto snapshot = lake_.snapshot(*lake::TableName::parse("models.m"));
    EXPECT_TRUE(snapshot.ok()) << snapshot.error().message();
    EXPECT_TRUE(session_->define_scan("asked", *(*snapshot)->scan()).ok());
    const auto answer = session_->scalar(sql + " FROM asked");
    EXPECT_TRUE(answer.ok()) << answer.error().message();
    return answer->is_string() ? answer->as_string() : answer->dump();
  }
  bool folder_has_checkpoint() {
    const auto found = store_->list("models/m/_delta_log/");
    return found.ok() && std::ranges::any_of(*found, [](const storage::ObjectInfo& object) {
             return object.key.ends_with(".checkpoint.parquet");
           });
  }
  std::string rows() {
    return text("SELECT string_agg(d::VARCHAR || ':' || n, ' ' ORDER BY d, n)");
  }

  TemporaryFolder folder_ = *TemporaryFolder::make();
  std::unique_ptr<storage::ObjectStore> store_ = *storage::open_local_store(folder_.path());
  std::unique_ptr<engine::Engine> engine_ = *engine::open_duckdb({.threads = 1});
  ManualClock clock_{*parse_instant("2026-01-01T00:00:00Z")};
  lake::Lake lake_{*store_, *engine_, clock_};
  std::unique_ptr<engine::Session> session_ = *engine_->open_session();
};

const std::string kTable = "{{ config(materialized='table') }} ";
const std::string kIncremental = "{{ config(materialized='incremental', partition_by='d') }} ";

#define ASSERT_OK(result) ASSERT_TRUE((result).ok()) << (result).error().message()

TEST_F(Materialize, ATableIsReplacedAsAWholeWithItsColumns) {
  ASSERT_OK(make(kTable + "SELECT 1 AS d, 1 AS n", "1"));
  EXPECT_EQ(rows(), "1:1");
  ASSERT_OK(make(kTable + "SELECT 2 AS d, 'x' AS n, true AS more", "2"));
  EXPECT_EQ(rows(), "2:x");
  ASSERT_OK(make(kTable + "SELECT 3 AS d, 3 AS n", "3"));
  EXPECT_EQ(rows(), "3:3");
}

TEST_F(Materialize, ARetryChangesNothingAndAClearedIntervalIsMadeAgain) {
  ASSERT_OK(make(kTable + "SELECT 1 AS d, 1 AS n", "1"));
  const auto again = make(kTable + "SELECT 1 AS d, 2 AS n", "1");
  ASSERT_OK(again);
  EXPECT_TRUE(again->committed.already_done);
  EXPECT_EQ(rows(), "1:1");
  ASSERT_OK(make(kTable + "SELECT 1 AS d, 2 AS n", "1", 2));
  EXPECT_EQ(rows(), "1:2");
}

TEST_F(Materialize, ATableKeepsTheRowsOfTheLatestDateOfItsDag) {
  ASSERT_OK(make_for(20));
  ASSERT_OK(make_for(21));
  const auto earlier = make_for(19);
  ASSERT_OK(earlier);
  EXPECT_EQ(earlier->later_date, *parse_instant("2013-01-21"));
  EXPECT_EQ(earlier->committed.rows_written, 1);
  EXPECT_EQ(rows(), "21:1");
  const auto retried = make_for(20);
  ASSERT_OK(retried);
  EXPECT_TRUE(retried->committed.already_done);
  EXPECT_FALSE(retried->later_date);
  EXPECT_EQ(rows(), "21:1");
  ASSERT_OK(make_for(22));
  EXPECT_EQ(rows(), "22:1");
  ASSERT_OK(make_for(1, {}, "another"));
  EXPECT_EQ(rows(), "1:1") << "two Dags that write one table are not compared";
}

TEST_F(Materialize, TheLatestDateIsKnownWhateverOthersCommitAfterIt) {
  ASSERT_OK(make_for(21));
  ASSERT_OK(make_for(5, {}, "another"));
  const auto earlier = make_for(20);
  ASSERT_OK(earlier);
  EXPECT_EQ(earlier->later_date, *parse_instant("2013-01-21"));
  EXPECT_EQ(rows(), "5:1");
  for (int i = 0; i < 12; ++i)
    ASSERT_OK(make(kTable + "SELECT 0 AS d, 0 AS n", fmt::format("{}", i)));
  lake::Lake reopened(*store_, *engine_, clock_);
  const auto state = reopened.snapshot(*lake::TableName::parse("models.m"));
  ASSERT_OK(state);
  ASSERT_TRUE(folder_has_checkpoint()) << "the state is that of a checkpoint";
  EXPECT_EQ((*state)->txn_version(latest_date_mark("daily")),
            parse_instant("2013-01-21")->time_since_epoch().count());
}

TEST_F(Materialize, ADateToComeWritesAndDoesNotCountAsTheLatest) {
  ASSERT_OK(make_for(21));
  ASSERT_OK(make_for("2103-01-21", 1, 2103));
  EXPECT_EQ(rows(), "2103:1");
  EXPECT_EQ(make_for(20)->later_date, *parse_instant("2013-01-21"));
  ASSERT_OK(make_for("2013-01-21", 2, 21));
  EXPECT_EQ(rows(), "21:1") << "the latest real date, made again, is the way back";
  ASSERT_OK(make_for("2103-01-22", 1, 2103));
  ASSERT_OK(make_for(22));
  EXPECT_EQ(rows(), "22:1") << "the next real date overtakes it";
}

TEST_F(Materialize, ATableKeepsTheRowsOfALaterDateThatCameWhileItWasComputed) {
  ASSERT_OK(make_for(19));
  bool came = false;
  const auto earlier = make_for(20, [&]() -> Status {
    if (std::exchange(came, true)) return {};
    return make_for(21).ok() ? Status() : Error(ErrorCode::Internal, "no table of the 21st");
  });
  ASSERT_OK(earlier);
  EXPECT_EQ(earlier->later_date, *parse_instant("2013-01-21"));
  EXPECT_EQ(rows(), "21:1");
}

TEST_F(Materialize, AnIncrementalModelReplacesThePartitionsThatItTouches) {
  ASSERT_OK(make(kIncremental + "SELECT * FROM (VALUES (1, 1), (1, 2), (2, 3)) t(d, n)", "1"));
  ASSERT_OK(make(kIncremental + "SELECT * FROM (VALUES (2, 30), (3, 40)) t(d, n)", "2"));
  EXPECT_EQ(rows(), "1:1 1:2 2:30 3:40");
  ASSERT_OK(make(kIncremental + "SELECT 3 AS d, 50 AS n, 'new' AS more", "3"));
  EXPECT_EQ(rows(), "1:1 1:2 2:30 3:50");
  EXPECT_EQ(text("SELECT count(more)"), "1");
}

TEST_F(Materialize, AnIncrementalModelKeepsThePartitionsOfALaterDate) {
  const auto make_days = [&](const std::string& date, std::int64_t generation,
                             const std::string& rows, const std::string& dag = "daily") {
    return make(kIncremental + "SELECT * FROM (VALUES " + rows + ") t(d, n)",
                {.writer = {fmt::format("{}/m/{}/models.m", dag, date), generation},
                 .logical_date = *parse_instant(date),
                 .dag = dag});
  };
  ASSERT_OK(make_days("2013-01-03", 1, "(1, 1), (2, 1)"));
  ASSERT_OK(make_days("2013-01-04", 1, "(2, 2), (3, 1)"));
  EXPECT_EQ(rows(), "1:1 2:2 3:1");
  const auto again = make_days("2013-01-03", 2, "(1, 7), (2, 1)");
  ASSERT_OK(again);
  EXPECT_EQ(rows(), "1:7 2:2 3:1") << "the late row of day 2 stays, day 1 is made again";
  EXPECT_EQ(again->committed.rows_written, 1);
  ASSERT_TRUE(again->left_to_later);
  EXPECT_EQ(again->left_to_later->partitions, 1);
  EXPECT_EQ(again->left_to_later->rows, 1);
  EXPECT_EQ(again->left_to_later->date, *parse_instant("2013-01-04"));
  ASSERT_OK(make_days("2013-01-04", 2, "(2, 3), (3, 3)"));
  EXPECT_EQ(rows(), "1:7 2:3 3:3") << "a backfill redone in order replaces what is its own";
  ASSERT_OK(make_days("2013-01-01", 1, "(2, 0), (3, 0)"));
  EXPECT_EQ(rows(), "1:7 2:3 3:3") << "nothing is left to write";
  ASSERT_OK(make_days("2013-01-01", 1, "(3, 9)", "another"));
  EXPECT_EQ(rows(), "1:7 2:3 3:9") << "two Dags that write one table are not compared";
  ASSERT_OK(make_days("2103-01-01", 1, "(1, 2103)"));
  ASSERT_OK(make_days("2013-01-02", 1, "(1, 4)"));
  EXPECT_EQ(rows(), "1:4 2:3 3:9") << "a date to come counts for nobody";
}

TEST_F(Materialize, AnIncrementalModelIsMadeAnewWhenALaterDateCameWhileItWasComputed) {
  const auto make_day = [&](const std::string& date, int value,
                            const std::function<Status()>& fence = {}) {
    return make(kIncremental + fmt::format("SELECT 1 AS d, {} AS n", value),
                {.writer = {"daily/m/" + date + "/models.m", 1},
                 .fence = fence,
                 .logical_date = *parse_instant(date),
                 .dag = "daily"});
  };
  ASSERT_OK(make_day("2013-01-01", 1));
  bool came = false;
  const auto earlier = make_day("2013-01-02", 2, [&]() -> Status {
    if (std::exchange(came, true)) return {};
    return make_day("2013-01-03", 3).ok() ? Status() : Error(ErrorCode::Internal, "no third");
  });
  ASSERT_OK(earlier);
  EXPECT_TRUE(earlier->left_to_later);
  EXPECT_EQ(rows(), "1:3");
}

TEST_F(Materialize, AnIncrementalTableThatDoesNotFitSaysTheWayWhichLeadsOut) {
  ASSERT_OK(make(kIncremental + "SELECT 1 AS d, 1 AS n", "1"));
  const std::string now = "SELECT 2 AS d, 'x' AS n";
  EXPECT_EQ(
      make(kIncremental + now, "2").error().message(),
      "models/m.sql: models.m: column 'n' is INTEGER in the table and VARCHAR in the rows; let "
      "the latest run replace the table as a whole once, with materialized='table' in its "
      "config(), then make it 'incremental' again and run the dates before; or give the model "
      "another 'schema'");
  const std::string by_week =
      "{{ config(materialized='incremental', partition_by='week') }} SELECT 1 AS week, 1 AS d, 1 "
      "AS n";
  EXPECT_NE(make(by_week, "2")
                .error()
                .message()
                .find("models.m: the table is partitioned by (d), the model by (week); let"),
            std::string::npos);
  ASSERT_OK(make("{{ config(materialized='table', partition_by='d') }} " + now, "2"));
  ASSERT_OK(make(kIncremental + "SELECT 1 AS d, 'y' AS n", "1", 2));
  EXPECT_EQ(rows(), "1:y 2:x");
}

TEST_F(Materialize, RefusesAViewAndAPartitionColumnThatIsNotThere) {
  EXPECT_EQ(make("SELECT 1 AS d", "1").error().message(),
            "models/m.sql: the model 'm' is a view and has no table; give it {{ "
            "config(materialized='table') }}");
  const auto made =
      make("{{ config(materialized='table', partition_by='day') }} SELECT 1 AS days", "1");
  EXPECT_EQ(made.error().message(),
            "models/m.sql: partition_by names 'day', which the model does not select; did you mean "
            "'days'?");
}

}  // namespace
}  // namespace millrace::transform
