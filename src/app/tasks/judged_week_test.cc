// From the training rows to a version in Production: what is made again, what is judged, what is
// refused.

#include "tasks/project_fixture.h"

namespace millrace::tasks {
namespace {

using JudgedWeek = ProjectTest;

TEST_F(JudgedWeek, GoesIntoProductionAndStandsWhenItRunsAgain) {
  const Json judged = good(run_all());
  EXPECT_TRUE(judged["promoted"].as_bool()) << judged.dump();
  EXPECT_EQ(version(1).tags, std::vector<std::string>{"Production"});
  for (const char* task : {"land", "training_data", "leak_check", "train", "evaluate"})
    EXPECT_TRUE(good(run(task)).bool_or("reused", false)) << task;
}

TEST_F(JudgedWeek, AColumnThatIsKnownLaterIsCheckedAgainAndRefused) {
  ASSERT_TRUE(good(run_all())["promoted"].as_bool());
  change("features/orders.yml", "{name: cups, known_at: placed_at}",
         "{name: cups, known_at: served_at}");
  EXPECT_TRUE(good(run("training_data")).bool_or("reused", false)) << "the rows are the same";
  const Json checked = good(run("leak_check"));
  EXPECT_FALSE(checked.bool_or("reused", false));
  ASSERT_EQ(checked["leaks"].as_array().size(), 1U) << checked.dump();
  const Json judged = good(run("evaluate"));
  EXPECT_FALSE(judged["accepted"].as_bool());
  EXPECT_FALSE(judged["promoted"].as_bool());
}

TEST_F(JudgedWeek, TheGateTakesNobodyOutOfProduction) {
  ASSERT_TRUE(good(run_all())["promoted"].as_bool());
  change("pipelines/daily.yml", "auc > 0.6", "auc > 0.999");
  const Json judged = good(run("evaluate"));
  EXPECT_FALSE(judged["accepted"].as_bool());
  EXPECT_EQ(version(1).tags, std::vector<std::string>{"Production"});
  EXPECT_EQ(version(1).state, model::VersionState::Accepted) << "as it came into Production";
  ASSERT_GE(version(1).reasons.size(), 2U);
  EXPECT_EQ(version(1).reasons[0],
            "Judged again while it was in Production, it would not be let in now. The gate takes "
            "nobody out; `millrace model rollback waiting` does.");
  EXPECT_NE(version(1).reasons[1].find("the gate asks for auc > 0.999"), std::string::npos);
}

TEST_F(JudgedWeek, AVersionThatDoesNotServeIsJudgedByTheLastVerdict) {
  change("pipelines/daily.yml", "auc > 0.6", "auc > 0.999");
  EXPECT_FALSE(good(run_all())["promoted"].as_bool());
  EXPECT_EQ(version(1).state, model::VersionState::Refused);
  change("pipelines/daily.yml", "auc > 0.999", "auc > 0.6");
  EXPECT_TRUE(good(run("evaluate"))["promoted"].as_bool());
  EXPECT_EQ(version(1).state, model::VersionState::Accepted);
  EXPECT_EQ(version(1).tags, std::vector<std::string>{"Production"});
}

TEST_F(JudgedWeek, TheLeakCheckNamesEveryColumnThatLeaks) {
  change("features/orders.yml", "{name: cups, known_at: placed_at}",
         "{name: cups, known_at: served_at}");
  change("features/orders.yml", "{name: rain, known_at: placed_at}",
         "{name: rain, known_at: served_at}");
  for (const char* task : {"land", "training_data"}) good(run(task));
  const std::string summary = good(run("leak_check"))["summary"].as_string();
  EXPECT_TRUE(summary.starts_with("2 findings in 5 sampled rows: cups, rain; the first: "))
      << summary;
}

TEST_F(JudgedWeek, FindingsOfEveryLeakCheckCount) {
  change("pipelines/daily.yml", "  - id: train\n",
         "  - {id: leak_check_wide, kind: leak_check, upstream: [training_data], sample: 9}\n"
         "  - id: train\n");
  change("pipelines/daily.yml", "[training_data, train, leak_check]",
         "[training_data, train, leak_check, leak_check_wide]");
  change("features/orders.yml", "{name: rain, known_at: placed_at}",
         "{name: rain, known_at: served_at}");
  const Json judged = good(run_all());
  EXPECT_FALSE(judged["promoted"].as_bool());
  int findings = 0;
  for (const Json& reason : judged["reasons"].as_array())
    findings += reason.as_string().find("the column rain may not be used") != std::string::npos;
  EXPECT_EQ(findings, 2) << judged["reasons"].dump();
}

TEST_F(JudgedWeek, WithoutAnyLeakCheckNothingIsJudged) {
  change("pipelines/daily.yml", "[training_data, train, leak_check]", "[training_data, train]");
  const auto refused = run_all();
  EXPECT_NE(said(refused).find("no leak check stands directly before 'evaluate'"),
            std::string::npos)
      << said(refused);
}

TEST_F(JudgedWeek, OfAnOlderDateIsAcceptedButNotPutBeforeALaterOne) {
  ASSERT_TRUE(good(run_all("2013-01-21"))["promoted"].as_bool());
  const Json judged = good(run_all("2013-01-19"));
  EXPECT_TRUE(judged["accepted"].as_bool());
  EXPECT_FALSE(judged["promoted"].as_bool());
  EXPECT_NE(judged["summary"].as_string().find("not promoted: Version 1 in Production was made for "
                                               "2013-01-21T00:00:00Z, later than this one"),
            std::string::npos)
      << judged["summary"].dump();
  EXPECT_EQ(version(2).state, model::VersionState::Accepted);
  EXPECT_EQ(version(1).tags, std::vector<std::string>{"Production"});
}

TEST_F(JudgedWeek, TakesThePlaceOfOneThatWasMadeForADateToCome) {
  change("models/labels.sql", "cast('{{ var('logical_date') }}' as timestamptz)",
         "least(cast('{{ var('logical_date') }}' as timestamptz), '2013-01-21 "
         "00:00:00Z'::timestamptz)");
  ASSERT_TRUE(good(run_all("2213-01-21"))["promoted"].as_bool());
  const Json judged = good(run_all("2013-01-19"));
  EXPECT_TRUE(judged["promoted"].as_bool()) << judged["summary"].dump();
  EXPECT_EQ(version(2).tags, std::vector<std::string>{"Production"});
}

TEST_F(JudgedWeek, OfALaterDateIsComparedWithTheOneInProduction) {
  ASSERT_TRUE(good(run_all("2013-01-19"))["promoted"].as_bool());
  const Json judged = good(run_all("2013-01-21"));
  const std::string reasons = judged["reasons"].dump();
  EXPECT_NE(reasons.find("On the same holdout auc is"), std::string::npos) << reasons;
}

TEST_F(JudgedWeek, AFeatureThatIsDroppedIsNeitherCheckedNorCompared) {
  ASSERT_TRUE(good(run_all("2013-01-19"))["promoted"].as_bool());
  change("features/orders.yml", "      - {name: rain, known_at: placed_at}\n", "");
  const Json judged = good(run_all("2013-01-21"));
  EXPECT_TRUE(judged["promoted"].as_bool()) << judged["reasons"].dump();
  EXPECT_NE(
      judged["reasons"].dump().find(
          "Version 1 in Production cannot score this holdout (no column 'rain' for a feature"),
      std::string::npos)
      << judged["reasons"].dump();
}

TEST_F(JudgedWeek, AVersionInProductionThatCannotBeReadIsNamedWithTheWayOut) {
  ASSERT_TRUE(good(run_all("2013-01-19"))["promoted"].as_bool());
  int damaged = 0;
  for (const auto& file : std::filesystem::recursive_directory_iterator(path(".millrace/models"))) {
    if (file.path().filename() != "manifest.json") continue;
    ASSERT_TRUE(write_file(file.path(), "{}").ok());
    ++damaged;
  }
  ASSERT_EQ(damaged, 1);
  const auto refused = run_all("2013-01-21");
  EXPECT_NE(said(refused).find("version 1 of waiting is in Production and cannot be read"),
            std::string::npos)
      << said(refused);
  EXPECT_NE(said(refused).find("millrace model promote waiting"), std::string::npos);
}

TEST_F(JudgedWeek, ManifestNamesTheCodeAndTheMetricsOfTheTraining) {
  good(run_all("2013-01-19"));
  good(run_all("2013-01-21"));
  EXPECT_NE(manifest(1).data.content_hash, manifest(2).data.content_hash);
  EXPECT_EQ(manifest(1).code_hash, manifest(2).code_hash) << "the project is the same";
  EXPECT_EQ(manifest(2).logical_date, *parse_instant("2013-01-21"));
  EXPECT_TRUE(manifest(2).metrics.contains("validation_logloss"));
  EXPECT_TRUE(manifest(2).metrics.contains("training_logloss"));

  const std::string before = manifest(2).code_hash;
  change("models/labels.sql", "select id", "-- the same rows, other words\nselect id");
  good(run_all("2013-01-20"));
  EXPECT_NE(manifest(3).code_hash, before);
}

TEST_F(JudgedWeek, EachRoundOfTheTrainingIsToldAndLogged) {
  change("pipelines/daily.yml", "metric: logloss", "metric: auc");
  for (const char* task : {"land", "training_data"}) good(run(task));
  const Json trained = good(run("train"));
  ASSERT_GE(trained["rounds"].as_integer(), 1);
  for (const auto& told : {log_, progress_}) {
    ASSERT_GE(told.size(), 2U);
    EXPECT_TRUE(told[0].starts_with("round 1: auc 0.")) << told[0];
    EXPECT_TRUE(told[1].ends_with(" in validation")) << told[1];
  }
  change("pipelines/daily.yml", "    early_stopping: {metric: auc, rounds: 5}\n", "");
  good(run("train"));
  ASSERT_FALSE(log_.empty());
  EXPECT_TRUE(log_[0].starts_with("round 1: logloss 0.")) << "the objective's own; " << log_[0];
}

TEST_F(JudgedWeek, AnArtefactThatIsGoneIsMadeAgain) {
  good(run_all());
  std::filesystem::remove_all(path(".millrace/models/models"));
  const Json again = good(run("train"));
  EXPECT_FALSE(again.bool_or("reused", false));
  EXPECT_EQ(again["content_id"].as_string(), version(1).content_id) << "the same bytes";
}

TEST_F(JudgedWeek, OnlyWhatDecidesTheTrainingTrainsAnew) {
  good(run_all());
  change("features/orders.yml", "    split: part\n", "    split: part\n    embargo: 1h\n");
  EXPECT_TRUE(good(run("train")).bool_or("reused", false)) << "the rows decide";
  change("pipelines/daily.yml", "rounds: 20", "rounds: 19");
  EXPECT_FALSE(good(run("train")).bool_or("reused", false));
}

}  // namespace
}  // namespace millrace::tasks
