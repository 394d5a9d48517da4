// The dataset and its file: when they are made again, and what a superseded attempt leaves.

#include "tasks/project_fixture.h"

namespace millrace::tasks {
namespace {

namespace fs = std::filesystem;

class TrainingData : public ProjectTest {
 protected:
  std::string file() const {
    return path(".millrace/runs/daily/2013-01-21T00:00:00Z/training_data/training_data.parquet");
  }
  std::vector<std::string> beside_the_file() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(fs::path(file()).parent_path()))
      names.push_back(entry.path().filename());
    return names;
  }
};

TEST_F(TrainingData, AFileThatIsGoneIsWrittenAgain) {
  good(run("land"));
  const Json made = good(run("training_data"));
  ASSERT_TRUE(fs::remove(file()));
  const Json again = good(run("training_data"));
  EXPECT_FALSE(again.bool_or("reused", false));
  EXPECT_EQ(again["dataset"].dump(), made["dataset"].dump()) << "the same rows, the same version";
  EXPECT_TRUE(fs::exists(file()));
  EXPECT_TRUE(good(run("training_data")).bool_or("reused", false));
}

TEST_F(TrainingData, ATableThatIsGoneIsWrittenAgain) {
  good(run("land"));
  good(run("training_data"));
  fs::remove_all(path(".millrace/lake/features/orders"));
  EXPECT_FALSE(good(run("training_data")).bool_or("reused", false));
  EXPECT_TRUE(fs::exists(path(".millrace/lake/features/orders/_delta_log")));
}

TEST_F(TrainingData, ASupersededAttemptPublishesNothingAndLeavesNothing) {
  good(run("land"));
  fence_ = [] { return Status(Error(ErrorCode::Denied, "superseded")); };
  EXPECT_EQ(said(run("training_data")), "denied: writing table features.orders: superseded");
  EXPECT_TRUE(beside_the_file().empty());
  fence_ = [] { return Status(); };
  good(run("training_data"));
  EXPECT_EQ(beside_the_file(), std::vector<std::string>{"training_data.parquet"});
}

TEST_F(TrainingData, WhatAKilledAttemptLeftIsSweptByTheNext) {
  good(run("land"));
  write(".millrace/runs/daily/2013-01-21T00:00:00Z/training_data/.attempt-1.parquet", "half");
  good(run("training_data"));
  EXPECT_EQ(beside_the_file(), std::vector<std::string>{"training_data.parquet"});
}

TEST_F(TrainingData, ATableThatCannotKeepTheColumnsIsBegunAnew) {
  change("models/labels.sql", "late,", "late::varchar as late,");
  good(run("land"));
  const Json before = good(run("training_data", "2013-01-20"));
  change("models/labels.sql", "late::varchar as late,", "late,");
  const std::string summary = good(run("training_data"))["summary"].as_string();
  EXPECT_EQ(
      summary,
      "400 rows of orders in features.orders version 1; begun anew, since column 'late' is "
      "VARCHAR in the table and BOOLEAN in the rows: rows of other runs are in versions before");
  EXPECT_EQ(before["dataset"]["version"].as_integer(), 0);
  EXPECT_EQ(good(run("training_data", "2013-01-19"))["summary"].as_string(),
            "360 rows of orders in features.orders version 2");
}

TEST_F(TrainingData, KeysThatStandTwiceAndAPartWithoutRowsAreTold) {
  write(delivery(20), orders_of(20) + orders_of(20).substr(0, orders_of(20).find('\n') + 1));
  good(run("land"));
  EXPECT_EQ(
      good(run("training_data"))["summary"].as_string(),
      "401 rows of orders in features.orders version 0; 1 key stands (id) in several rows, each "
      "of which is learned from");
  const std::string late = good(run("training_data", "2014-01-01"))["summary"].as_string();
  EXPECT_TRUE(late.ends_with("; no row is 'holdout': the column part has training")) << late;
}

/// `cafe`/`bar_orders` and `cafe_bar`/`orders` read alike when joined by an underscore.
TEST_F(TrainingData, SourcesWhoseNamesReadAlikeKeepTheirRows) {
  change("sources/cafe.yml", "name: orders", "name: bar_orders");
  change("pipelines/daily.yml", "source: cafe.orders", "source: cafe.bar_orders");
  std::string other = kSource;
  other.replace(other.find("name: cafe"), 10, "name: cafe_bar");
  other.replace(other.find("schema: raw"), 11, "schema: bar");
  other.replace(other.find("orders-{date}"), 13, "bar-{date}");
  write("sources/cafe_bar.yml", other);
  write("deliveries/bar-2013-01-01.jsonl", orders_of(1));
  change("pipelines/daily.yml", "  - {id: training_data,",
         "  - {id: land_bar, kind: land, source: cafe_bar.orders}\n  - {id: training_data,");
  change("models/labels.sql", "source('cafe', 'orders')", "source('cafe', 'bar_orders')");
  change("models/labels.sql", "from {{",
         "from (select count(*) from {{ source('cafe_bar', 'orders') }} where false), {{");
  good(run("land"));
  good(run("land_bar"));
  EXPECT_EQ(good(run("training_data"))["dataset"]["rows"].as_integer(), 400);
}

using Land = ProjectTest;

TEST_F(Land, ACorrectionOfTheSameSizeIsLanded) {
  good(run("land"));
  std::string text = orders_of(3);
  text[text.find("\"rain\":") + 7] = '9';
  write(delivery(3), text);
  fs::last_write_time(path(delivery(3)), fs::file_time_type::clock::now() + std::chrono::hours(1));
  const Json again = good(run("land", "2013-01-21", [](auto& task) { task.generation = 2; }));
  EXPECT_EQ(again["rows_landed"].as_integer(), 400);
  EXPECT_TRUE(good(run("land")).bool_or("reused", false));
}

TEST_F(Land, StandsWhileNothingThatItReadHasChanged) {
  good(run("land", "2013-01-11"));
  good(run("training_data", "2013-01-11"));
  good(run("land"));
  const auto stands = [&](const std::string& task) {
    return good(run(task, "2013-01-11")).bool_or("reused", false);
  };
  EXPECT_TRUE(stands("land")) << "later days have landed";
  EXPECT_TRUE(stands("training_data")) << "they are not in it";
  fs::last_write_time(path(delivery(3)), fs::file_time_type::clock::now() + std::chrono::hours(1));
  EXPECT_TRUE(stands("land")) << "its content is the same";
  fs::remove_all(path("deliveries"));
  fs::create_directory(path("deliveries"));
  EXPECT_TRUE(stands("land")) << "what was landed is there";
}

TEST_F(Land, OfACleanedFolderLeavesTheRowsUnlessItWasCleared) {
  good(run("land"));
  fs::remove(path(delivery(3)));
  change("sources/cafe.yml", "{name: rain, type: DOUBLE}", "{name: rain, type: FLOAT}");
  const auto again = [](orchestration::TaskInstance& task) { task.generation = 2; };
  const Json kept = good(run("land", "2013-01-21", again));
  EXPECT_EQ(kept["summary"].as_string(),
            "nothing new; what was landed from 1 file no longer delivered stays");
  forget("land");
  EXPECT_NE(said(run("land", "2013-01-21", again)).find("its rows would be lost"),
            std::string::npos);
}

TEST_F(Land, CountsWhatItPassesOver) {
  write("deliveries/orders-2013-13-03.jsonl", "x");
  const Json landed = good(run("land"));
  EXPECT_EQ(landed["summary"].as_string(),
            "400 rows read from 20 files, 0 of an earlier day, 1 name passed over");
  EXPECT_EQ(std::count_if(log_.begin(), log_.end(),
                          [](const std::string& line) {
                            return line.starts_with("passed over: orders-2013-13-03.jsonl");
                          }),
            1);
}

TEST_F(Land, ATableThatWasRestoredFromBeforeGetsItsRowsBack) {
  good(run("land", "2013-01-11"));
  good(run("land"));
  ASSERT_TRUE(fs::remove(path(".millrace/lake/raw/orders/_delta_log/00000000000000000001.json")));
  EXPECT_TRUE(good(run("land", "2013-01-11")).bool_or("reused", false)) << "its rows are there";
  const Json again = good(run("land"));
  EXPECT_FALSE(again.bool_or("reused", false));
  EXPECT_EQ(again["rows_landed"].as_integer(), 200) << "ten days of 20";
}

TEST_F(Land, ATableThatIsGoneIsLandedAgain) {
  good(run("land"));
  fs::remove_all(path(".millrace/lake/raw/orders"));
  const Json again = good(run("land"));
  EXPECT_FALSE(again.bool_or("reused", false));
  EXPECT_EQ(again["rows_landed"].as_integer(), 400);
  EXPECT_EQ(again["summary"].as_string(), "400 rows read from 20 files, 0 of an earlier day");
}

}  // namespace
}  // namespace millrace::tasks
