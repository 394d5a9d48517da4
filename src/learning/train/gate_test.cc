#include "train/gate.h"

#include <cmath>

#include <gtest/gtest.h>

namespace millrace::train {
namespace {

using Relation = Threshold::Relation;

TEST(Threshold, ReadsWhatPeopleWrite) {
  struct Case {
    const char* text;
    Threshold expected;
  };
  const std::vector<Case> cases = {
      {"auc > 0.8", {"auc", Relation::Above, 0.8}},
      {"auc>=0.8", {"auc", Relation::AtLeast, 0.8}},
      {" log_loss <= 0.5 ", {"log_loss", Relation::AtMost, 0.5}},
      {"calibration_error < 1e-2", {"calibration_error", Relation::Below, 0.01}},
  };
  for (const Case& c : cases) {
    const Result<Threshold> threshold = parse_threshold(c.text);
    ASSERT_TRUE(threshold) << threshold.error().message();
    EXPECT_EQ(*threshold, c.expected) << c.text;
    EXPECT_EQ(*parse_threshold(to_string(*threshold)), c.expected);
  }
}

TEST(Threshold, RefusesTheRest) {
  for (const char* text : {"", "auc", "auc = 0.8", "auc > ", "> 0.8", "auc > high", "auc > 0.8 x",
                           "a b > 1", "auc > nan", "auc > inf", "auc >> 1", "auc => 1"}) {
    const Result<Threshold> refused = parse_threshold(text);
    ASSERT_FALSE(refused) << text;
    EXPECT_EQ(refused.error().code(), ErrorCode::Invalid);
    EXPECT_NE(refused.error().message().find("auc > 0.8"), std::string::npos);
  }
}

GateInput candidate(double auc) {
  return {.metrics = {{"auc", auc}, {"log_loss", 0.4}},
          .logical_date = {},
          .now = *parse_instant("2014-01-01"),
          .thresholds = {{"auc", Relation::Above, 0.8}},
          .production = std::nullopt,
          .leaks = std::nullopt};
}

ProductionScore serving(double auc) {
  return {.version = 3, .logical_date = {}, .metrics = {{"auc", auc}, {"log_loss", 0.3}}};
}

TEST(Gate, DecidesByEveryCheck) {
  struct Case {
    const char* why;
    GateInput input;
    bool promoted;
    const char* first_reason;
  };
  std::vector<Case> cases;
  cases.push_back({"good enough, the first version", candidate(0.9), true, "auc is 0.9"});
  cases.push_back({"the bound itself is not above it", candidate(0.8), false,
                   "auc is 0.8; the gate asks for auc > 0.8."});
  cases.push_back({"too weak", candidate(0.7), false, "auc is 0.7"});
  cases.push_back({"not a number", candidate(std::nan("")), false, "auc is nan"});

  GateInput better = candidate(0.92);
  better.production = serving(0.9);
  cases.push_back({"better than Production", better, true, "auc is 0.92"});
  GateInput equal = candidate(0.9);
  equal.production = serving(0.9);
  cases.push_back({"as good as Production", equal, true, "auc is 0.9"});
  GateInput worse = candidate(0.89);
  worse.production = serving(0.9);
  cases.push_back({"worse than Production", worse, false,
                   "On the same holdout auc is 0.89, and 0.9 for version 3 in Production: worse."});
  GateInput tolerated = worse;
  tolerated.tolerance = 0.02;
  cases.push_back({"worse, but within the tolerance", tolerated, true, "auc is 0.89"});
  GateInput by_loss = candidate(0.95);
  by_loss.production = serving(0.5);
  by_loss.compared_by = "log_loss";
  cases.push_back(
      {"a larger loss is worse", by_loss, false, "On the same holdout log_loss is 0.4"});
  GateInput broken = candidate(0.95);
  broken.production = serving(std::nan(""));
  cases.push_back({"Production without a number", broken, false, "On the same holdout"});

  GateInput fits_no_more = candidate(0.81);
  fits_no_more.production = serving(0.9);
  fits_no_more.production->metrics.clear();
  fits_no_more.production->unscorable = "no column 'x'";
  cases.push_back({"Production cannot score the rows", fits_no_more, true, "auc is 0.81"});
  fits_no_more.metrics["auc"] = 0.7;
  cases.push_back({"the thresholds hold all the same", fits_no_more, false, "auc is 0.7"});

  GateInput leaky = candidate(0.995);
  leaky.leaks = LeakVerdict{.findings = {"Feature x knows the future in 3 rows."}};
  cases.push_back({"a leak stops the best score", leaky, false, "Feature x knows the future"});
  GateInput clean = candidate(0.9);
  clean.leaks = LeakVerdict{};
  cases.push_back({"no leak: how good it is comes first", clean, true, "auc is 0.9; the gate"});
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    const Result<GateVerdict> verdict = decide_promotion(c.input);
    ASSERT_TRUE(verdict) << verdict.error().message();
    EXPECT_EQ(verdict->accepted, c.promoted);
    EXPECT_EQ(verdict->promoted, c.promoted);
    ASSERT_FALSE(verdict->reasons.empty());
    EXPECT_TRUE(verdict->reasons.front().starts_with(c.first_reason)) << verdict->reasons.front();
  }
}

TEST(Gate, AnOlderWeekIsNeitherComparedWithNorPutBeforeALaterOne) {
  GateInput older = candidate(0.95);
  older.logical_date = *parse_instant("2013-12-01T05:00:00Z");
  older.production = serving(0.99);
  older.production->logical_date = *parse_instant("2013-12-08T05:00:00Z");
  older.production->metrics.clear();  // nobody scores it
  const Result<GateVerdict> verdict = decide_promotion(older);
  ASSERT_TRUE(verdict) << verdict.error().message();
  EXPECT_TRUE(verdict->accepted);
  EXPECT_FALSE(verdict->promoted);
  EXPECT_EQ(verdict->reasons.front(),
            "Version 3 in Production was made for 2013-12-08T05:00:00Z, later than this one "
            "(2013-12-01T05:00:00Z): it has learned from rows of this holdout, so the two are not "
            "compared, and it stays in Production.");

  older.metrics["auc"] = 0.7;
  EXPECT_FALSE(decide_promotion(older)->accepted) << "its thresholds count all the same";
  older.logical_date = older.production->logical_date;
  EXPECT_FALSE(decide_promotion(older)) << "a version of the same date is compared with";
}

/// As a table does: a wrong year would shut out every real week until then.
TEST(Gate, AVersionOfADateToComeIsNotComparedWithAndMakesWay) {
  GateInput real = candidate(0.95);
  real.logical_date = *parse_instant("2013-12-01T05:00:00Z");
  real.production = serving(0.99);
  real.production->logical_date = *parse_instant("2062-12-08T05:00:00Z");
  real.production->metrics.clear();  // nobody scores it
  const Result<GateVerdict> verdict = decide_promotion(real);
  ASSERT_TRUE(verdict) << verdict.error().message();
  EXPECT_TRUE(verdict->promoted);
  EXPECT_EQ(verdict->reasons.back(),
            "Version 3 in Production was made for 2062-12-08T05:00:00Z, a date to come, which does "
            "not count as the latest: it may have learned from rows of this holdout, so the two "
            "are not compared.");

  real.metrics["auc"] = 0.7;
  EXPECT_FALSE(decide_promotion(real)->accepted) << "its thresholds count all the same";
  real.now = real.production->logical_date;
  EXPECT_FALSE(decide_promotion(real)->promoted) << "the date has come";
}

TEST(Gate, ALeakCheckThatFoundNothingIsTheLastReason) {
  GateInput input = candidate(0.9);
  input.leaks = LeakVerdict{};
  const Result<GateVerdict> verdict = decide_promotion(input);
  ASSERT_TRUE(verdict) << verdict.error().message();
  EXPECT_EQ(verdict->reasons.back(), "The leak check found nothing.");
}

TEST(Gate, GivesEveryReasonThatFailed) {
  GateInput input = candidate(0.7);
  input.production = serving(0.9);
  input.leaks = LeakVerdict{.findings = {"one", "two"}};
  const Result<GateVerdict> verdict = decide_promotion(input);
  ASSERT_TRUE(verdict);
  EXPECT_EQ(verdict->reasons.size(), 4U);
  EXPECT_EQ(verdict->to_json()["reasons"].as_array().size(), 4U);
  EXPECT_FALSE(verdict->to_json()["promoted"].as_bool());
}

TEST(Gate, MetricThatNobodyMeasuredIsAnError) {
  GateInput input = candidate(0.9);
  input.thresholds.push_back({"logloss", Relation::Below, 1});
  const Result<GateVerdict> refused = decide_promotion(input);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::NotFound);
  EXPECT_NE(refused.error().message().find("did you mean 'log_loss'"), std::string::npos);
}

}  // namespace
}  // namespace millrace::train
