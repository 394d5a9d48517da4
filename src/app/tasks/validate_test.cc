// Which rows a validation looks at, and when it looks again.

#include "tasks/project_fixture.h"

namespace millrace::tasks {
namespace {

namespace fs = std::filesystem;

/// `best` counts the orders before the logical date, 20 a day, and the suite wants 100 to 390.
class Validate : public ProjectTest {
 protected:
  static constexpr const char* kBad = "2013-01-02";
  static constexpr const char* kGood = "2013-01-20";
  static constexpr const char* kOther = "2013-01-21";  // as bad

  void SetUp() override {
    ProjectTest::SetUp();
    write("models/best.sql",
          "{{ config(materialized='table') }}\n"
          "select count(*) as orders from {{ source('cafe', 'orders') }}\n");
    write("expectations/best.yml",
          "name: best\nexpectations:\n"
          "  - {type: expect_column_values_to_be_between, column: orders, min_value: 100, "
          "max_value: 390}\n");
    change(
        "pipelines/daily.yml", "  - {id: training_data",
        "  - {id: best, kind: sql_model, upstream: [land], model: best}\n"
        "  - {id: validate, kind: validate, upstream: [best], suite: best, table: models.best}\n"
        "  - {id: by_itself, kind: validate, upstream: [land], suite: best, table: models.best}\n"
        "  - {id: training_data");
  }

  void make_both() {
    good(run("land", kOther));
    for (const char* date : {kBad, kGood}) good(run("best", date));
  }
};

TEST_F(Validate, LooksAtTheVersionThatItsOwnRunWrote) {
  make_both();
  const auto judged = run("validate", kBad);
  ASSERT_FALSE(judged.ok()) << "a good table was written after the bad one: " << judged->dump();
  EXPECT_EQ(judged.error().code(), ErrorCode::DataQuality);
  EXPECT_NE(said(judged).find("models.best version 0"), std::string::npos) << said(judged);
  good(run("best", kOther));
  EXPECT_EQ(good(run("validate", kGood))["summary"].as_string(), "1 of 1 expectations met");
}

TEST_F(Validate, LooksAtTheNewestVersionWhenNoTaskBeforeItWroteTheTable) {
  make_both();
  EXPECT_EQ(good(run("by_itself", kBad))["summary"].as_string(), "1 of 1 expectations met");
}

TEST_F(Validate, AnUnmetWarningIsToldInItsLine) {
  change("expectations/best.yml", "max_value: 390}", "max_value: 390, severity: warning}");
  make_both();
  const std::string summary = good(run("validate", kBad))["summary"].as_string();
  EXPECT_NE(summary.find("0 of 1 expectations met; unmet (warning): "
                         "expect_column_values_to_be_between of orders"),
            std::string::npos)
      << summary;
}

TEST_F(Validate, TheFirstLineOfAFailureNamesWhatFailedFirstWhatStopsAndWhereMoreStands) {
  write("expectations/best.yml",
        "name: best\nexpectations:\n"
        "  - {type: expect_column_values_to_be_between, column: orders, min_value: 1000, "
        "severity: warning}\n"
        "  - {type: expect_column_values_to_not_be_null, column: orders}\n"
        "  - {type: expect_column_values_to_be_between, column: orders, max_value: 1}\n");
  make_both();
  const auto failed = run("validate", kBad);
  ASSERT_FALSE(failed.ok()) << failed->dump();
  const std::string& words = failed.error().message();
  EXPECT_EQ(words.substr(0, words.find('\n')),
            "the suite 'best' failed on models.best version 0: 1 of 3 expectations met; not met: "
            "expect_column_values_to_be_between of orders (max_value 1), "
            "expect_column_values_to_be_between of orders (min_value 1000); `millrace logs daily "
            "2013-01-02T00:00:00Z --task validate` shows what was found; nothing behind this task "
            "runs, and the last good model goes on serving");
}

TEST_F(Validate, TheFirstLineOfAFailureIsShortHoweverManyAndLongTheExpectations) {
  std::string suite = "name: best\nexpectations:\n";
  for (int i = 0; i < 20; ++i)
    suite += fmt::format(
        "  - {{type: expect_column_values_to_be_in_set, column: orders, value_set: [{}{}]}}\n",
        1'000'000 + i, std::string(9, '0'));
  write("expectations/best.yml", suite);
  make_both();
  const auto failed = run("validate", kBad);
  ASSERT_FALSE(failed.ok()) << failed->dump();
  const std::string& words = failed.error().message();
  const std::string line = words.substr(0, words.find('\n'));
  EXPECT_NE(line.find(" and 17 more; `millrace logs "), std::string::npos) << line;
  EXPECT_LT(line.size(), 800U);
}

TEST_F(Validate, StandsWhileTableAndSuiteAreTheSame) {
  make_both();
  good(run("validate", kGood));
  good(run("best", kOther));
  EXPECT_TRUE(good(run("validate", kGood)).bool_or("reused", false));
  change("expectations/best.yml", "max_value: 390", "max_value: 389");
  EXPECT_FALSE(good(run("validate", kGood)).bool_or("reused", false));
  fs::remove(path(".millrace/runs/daily/2013-01-20T00:00:00Z/validate.validation.json"));
  EXPECT_FALSE(good(run("validate", kGood)).bool_or("reused", false));
}

TEST_F(Validate, RemovesWhatAnAttemptLeftThatWasKilledWhileItWrote) {
  make_both();
  const std::string document = ".millrace/runs/daily/2013-01-20T00:00:00Z/validate.validation.json";
  write(document + ".tmp-half", "{");
  good(run("validate", kGood));
  EXPECT_TRUE(fs::exists(path(document)));
  EXPECT_FALSE(fs::exists(path(document + ".tmp-half")));
}

using SqlModel = Validate;

TEST_F(SqlModel, WhoseTableIsReplacedMeanwhileIsTriedAgain) {
  good(run("land", kOther));
  good(run("best", kBad));
  bool once = true;
  fence_ = [&] {
    if (std::exchange(once, false)) good(run("best", kGood));
    return Status();
  };
  const auto late = run("best", kOther);
  ASSERT_FALSE(late.ok());
  EXPECT_EQ(late.error().code(), ErrorCode::Conflict) << "which the scheduler repeats";
  EXPECT_EQ(good(run("best", kOther))["version"].as_integer(), 2);
}

TEST_F(SqlModel, WhoseTableIsGoneIsMadeAgain) {
  good(run("land", kGood));
  good(run("best", kGood));
  EXPECT_TRUE(good(run("best", kGood)).bool_or("reused", false));
  fs::remove_all(path(".millrace/lake/models/best"));
  EXPECT_FALSE(good(run("best", kGood)).bool_or("reused", false));
  EXPECT_TRUE(fs::exists(path(".millrace/lake/models/best/_delta_log")));
}

TEST_F(SqlModel, WhoseTableWasRestoredFromBeforeIsMadeAgain) {
  make_both();
  fs::remove(path(".millrace/lake/models/best/_delta_log/00000000000000000001.json"));
  good(run("best", kOther));
  EXPECT_FALSE(good(run("best", kGood)).bool_or("reused", false))
      << "there is a version 1 again, but not this run's";
}

}  // namespace
}  // namespace millrace::tasks
