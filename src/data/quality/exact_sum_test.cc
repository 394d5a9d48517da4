// Sums, means and deviations of doubles, through whole suites.

#include <cmath>
#include <set>

#include "quality/validate_fixture.h"

namespace millrace::quality {
namespace {

TEST_F(Validate, SumsOfDoublesAreExactAndTheSameOnEveryRun) {
  run("CREATE TABLE people AS SELECT (hash(i) % 100000) / 7.0::DOUBLE * pow(10, (i % 13)::INTEGER "
      "- 6) "
      "AS x FROM range(300000) AS t(i)");
  std::set<double> means;
  for (const char* order : {"", " ORDER BY x", " ORDER BY hash(x)"}) {
    run(std::string("CREATE OR REPLACE TABLE shuffled AS SELECT * FROM people") + order);
    for (int i = 0; i < 3; ++i)
      means.insert(
          one(R"("type": "expect_column_mean_to_be_between", "column": "x", "min_value": 0)", {},
              "shuffled")
              .observed->as_double());
  }
  EXPECT_EQ(means.size(), 1U);
  const auto exact = session_->scalar("SELECT fsum(x) / count(x) FROM people");
  ASSERT_TRUE(exact.ok());
  EXPECT_NEAR(*means.begin() / exact->as_double(), 1, 1e-14);
}

TEST_F(Validate, SumsKeepSmallHugeAndCancellingNumbers) {
  struct Case {
    const char* why;
    const char* values;
    double sum;
  };
  const std::vector<Case> cases = {
      {"tiny", "(1e-300), (2e-300)", 3e-300},
      {"huge", "(1e300), (-1e300), (1e290)", 1e290},
      {"beyond 2^62", "(1e19), (2e19)", 3e19},
      {"what a running sum loses", "(1e16), (1.0), (-1e16), (1.0)", 2},
      {"halves below zero", "(-0.5), (-0.25)", -0.75},
      {"nothing but zeros", "(0.0), (0.0)", 0},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    run(std::string("CREATE OR REPLACE TABLE people AS SELECT x::DOUBLE AS x FROM (VALUES ") +
        c.values + ") AS t(x)");
    const Verdict verdict =
        one(R"("type": "expect_column_sum_to_be_between", "column": "x", "min_value": -1e308)");
    EXPECT_EQ(verdict.exception, "");
    EXPECT_DOUBLE_EQ(verdict.observed->as_double(), c.sum);
  }
}

TEST_F(Validate, ADeviationSurvivesALargeMean) {
  run("CREATE TABLE people AS SELECT 1e12 + (i % 2) AS x FROM range(1000) AS t(i)");
  const Verdict verdict =
      one(R"("type": "expect_column_stdev_to_be_between", "column": "x", "min_value": 0)");
  EXPECT_NEAR(verdict.observed->as_double(), std::sqrt(0.25 * 1000 / 999), 1e-12);
}

TEST_F(Validate, ADeviationIsRightWhereSquaresLeaveTheRangeOfNumbers) {
  struct Case {
    const char* why;
    const char* values;
    double deviation;
  };
  const std::vector<Case> cases = {
      {"squares that overflow", "(1e155), (-1e155), (1e200), (-1e200)", 1e200 * std::sqrt(2. / 3)},
      {"the greatest numbers", "(1.5e308), (-1.5e308)", 1.5e308 * std::sqrt(2.)},
      {"squares that vanish", "(1e-200), (3e-200)", std::sqrt(2.) * 1e-200},
      {"no distance", "(1e200), (1e200)", 0},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    run(std::string("CREATE OR REPLACE TABLE people AS SELECT x::DOUBLE AS x FROM (VALUES ") +
        c.values + ") AS t(x)");
    const Verdict verdict =
        one(R"("type": "expect_column_stdev_to_be_between", "column": "x", "min_value": 0,
               "max_value": 1)");
    EXPECT_EQ(verdict.exception, "");
    EXPECT_DOUBLE_EQ(verdict.observed->as_double(), c.deviation);
    EXPECT_EQ(verdict.success, c.deviation <= 1);
  }
}

TEST_F(Validate, WhatIsNoNumberHasNoMean) {
  run("CREATE TABLE people AS SELECT x::DOUBLE AS x FROM (VALUES ('1.0'), ('nan'), ('inf')) AS "
      "t(x)");
  const Verdict verdict =
      one(R"("type": "expect_column_mean_to_be_between", "column": "x", "min_value": 0)");
  EXPECT_FALSE(verdict.success);
  EXPECT_NE(verdict.exception.find("2 values are NaN or infinite"), std::string::npos);
}

TEST_F(Validate, NanLiesWithinNothing) {
  run("CREATE TABLE people AS SELECT x::DOUBLE AS x FROM (VALUES ('1.0'), ('nan'), (NULL)) AS "
      "t(x)");
  const Verdict between =
      one(R"("type": "expect_column_values_to_be_between", "column": "x", "min_value": 0)");
  EXPECT_EQ(between.rows->unexpected, 1) << "the engine would order it above every number";
  EXPECT_FALSE(
      one(R"("type": "expect_column_max_to_be_between", "column": "x", "min_value": 0)").success);
  EXPECT_TRUE(
      one(R"("type": "expect_column_min_to_be_between", "column": "x", "min_value": 0)").success);
}

}  // namespace
}  // namespace millrace::quality
