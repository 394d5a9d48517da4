#include "train/metrics.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

namespace millrace::train {
namespace {

constexpr int kTables = 4000;
constexpr std::size_t kPositives = 20;
constexpr std::size_t kNegatives = 30;
constexpr double kAuc = 0.8;

struct Table {
  std::vector<float> scores;
  std::vector<std::uint8_t> labels;
};

/// Rows whose label is positive with about the probability that is their score, in `steps` steps.
Table table_for(std::size_t rows, std::uint64_t seed, std::uint64_t steps) {
  Table table;
  std::uint64_t x = seed;
  const auto draw = [&x] {
    x = x * 6364136223846793005ULL + 1442695040888963407ULL;
    return x >> 40U;
  };
  for (std::size_t row = 0; row < rows; ++row) {
    const float p = static_cast<float>(draw() % (steps + 1)) / static_cast<float>(steps);
    table.scores.push_back(p);
    table.labels.push_back(static_cast<float>(draw() % 1000) < 1000.0F * p ? 1 : 0);
  }
  return table;
}

// The judge is scikit-learn 1.9.1 (numpy 2.4.6); the figures were made by
//
//   import numpy as np
//   from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score
//   def table(rows, seed, steps):
//       x, draws = seed, []
//       for _ in range(2 * rows):
//           x = (x * 6364136223846793005 + 1442695040888963407) % 2**64
//           draws.append(x >> 40)
//       d = np.array(draws)
//       p = np.float32(d[0::2] % (steps + 1)) / np.float32(steps)
//       return p, (d[1::2] % 1000 < 1000 * p).astype(int)
//   def ece(p, y):  # ten bins (a, b]
//       b = np.searchsorted(np.arange(1, 10) / 10, p.astype(float))
//       return sum(abs(p[b == i].astype(float).sum() - y[b == i].sum()) for i in range(10)) / len(p)
//   for rows, seed, steps in [(10, 1, 4), (1000, 2, 1000), (1000, 3, 7), (5000, 4, 10),
//                           (20000, 5, 1 << 20)]:
//       p, y = table(rows, seed, steps)
//       clipped = np.clip(p.astype(float), 2**-23, 1 - 2**-23)
//       print(y.sum(), roc_auc_score(y, p), log_loss(y, clipped),
//             brier_score_loss(y, p.astype(float)), ece(p, y))
TEST(Metrics, AgreeWithScikitLearn) {
  struct Case {
    std::size_t rows;
    std::uint64_t seed;
    std::uint64_t steps;  // few steps: many ties
    std::int64_t positives;
    double auc, log_loss, brier, expected_error;
  };
  const std::vector<Case> cases = {
      {10, 1, 4, 3, 0.7857142857142857, 0.4904146503477224, 0.16875, 0.075},
      {1000, 2, 1000, 506, 0.8256628954569457, 0.5099740445605915, 0.17031902763359258,
       0.0332839999711141},
      {1000, 3, 7, 506, 0.8770242914979757, 0.41917094930843735, 0.14177551023935797,
       0.009857140973210336},
      {5000, 4, 10, 2490, 0.8627147634362149, 0.4481620453570459, 0.15053400001949085,
       0.012580000843107701},
      {20000, 5, 1048576, 10020, 0.8331335925343701, 0.5004462878407139, 0.166753330679434,
       0.00850041823387146},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.seed);
    const Table table = table_for(c.rows, c.seed, c.steps);
    const Result<Evaluation> evaluation = evaluate(table.scores, table.labels);
    ASSERT_TRUE(evaluation) << evaluation.error().message();
    EXPECT_EQ(evaluation->positives, c.positives);
    EXPECT_NEAR(evaluation->auc, c.auc, 1e-12);
    EXPECT_NEAR(evaluation->log_loss, c.log_loss, 1e-12);
    EXPECT_NEAR(evaluation->brier, c.brier, 1e-12);
    EXPECT_NEAR(evaluation->calibration.expected_error, c.expected_error, 1e-12);
  }
}

TEST(AreaUnderRoc, CountsPairs) {
  struct Case {
    const char* why;
    std::vector<float> scores;
    std::vector<std::uint8_t> labels;
    double expected;
  };
  const float infinity = std::numeric_limits<float>::infinity();
  const std::vector<Case> cases = {
      {"every positive above every negative", {0.9F, 0.8F, 0.2F}, {1, 1, 0}, 1.0},
      {"every positive below", {0.1F, 0.8F}, {1, 0}, 0.0},
      {"a tie counts one half", {0.5F, 0.5F}, {1, 0}, 0.5},
      {"all tied", {2, 2, 2, 2}, {1, 0, 0, 1}, 0.5},
      {"a tie beside a win", {0.5F, 0.5F, 0.1F}, {1, 0, 0}, 0.75},
      {"any scale, infinities too", {-infinity, -5, 3, infinity}, {0, 1, 0, 1}, 0.75},
      {"zeros of both signs are equal", {0.0F, -0.0F}, {1, 0}, 0.5},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    const Result<double> auc = area_under_roc(c.scores, c.labels);
    ASSERT_TRUE(auc) << auc.error().message();
    EXPECT_EQ(*auc, c.expected);
  }
}

TEST(Metrics, RefuseWhatHasNoMeaning) {
  struct Case {
    const char* why;
    std::vector<float> scores;
    std::vector<std::uint8_t> labels;
    ErrorCode code;
    const char* says;
  };
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<Case> cases = {
      {"no rows", {}, {}, ErrorCode::Invalid, "no rows"},
      {"lengths differ", {0.5F}, {1, 0}, ErrorCode::Invalid, "1 scores for 2 labels"},
      {"NaN", {0.5F, nan}, {1, 0}, ErrorCode::Invalid, "row 2 is NaN"},
      {"a label of two", {0.5F, 0.6F}, {1, 2}, ErrorCode::Invalid, "row 2 is 2"},
      {"no probability", {0.5F, 1.5F}, {1, 0}, ErrorCode::Invalid, "row 2 is 1.5"},
      {"negative", {-0.5F, 0.5F}, {1, 0}, ErrorCode::Invalid, "row 1 is -0.5"},
      {"positives only", {0.5F, 0.6F}, {1, 1}, ErrorCode::DataQuality, "all 2 labels are 1"},
      {"negatives only", {0.5F, 0.6F}, {0, 0}, ErrorCode::DataQuality, "all 2 labels are 0"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    const Result<Evaluation> refused = evaluate(c.scores, c.labels);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), c.code);
    EXPECT_NE(refused.error().message().find(c.says), std::string::npos)
        << refused.error().message();
  }
  EXPECT_EQ(
      area_under_roc(std::vector<float>{nan, 1}, std::vector<std::uint8_t>{0, 1}).error().code(),
      ErrorCode::Invalid);
}

TEST(LogLoss, WrongCertaintyIsDearButFinite) {
  const std::vector<std::uint8_t> one = {1};
  EXPECT_NEAR(*log_loss(std::vector<float>{0.0F}, one), 23 * std::log(2.0), 1e-9);
  EXPECT_NEAR(*log_loss(std::vector<float>{1.0F}, one), 0, 1e-6);
}

TEST(Calibration, BinsTakeTheirUpperBound) {
  const std::vector<float> scores = {0.0F, 0.5F, 0.50001F, 1.0F};
  const std::vector<std::uint8_t> labels = {0, 1, 1, 1};
  const auto result = calibration(scores, labels, 2);
  ASSERT_TRUE(result) << result.error().message();
  ASSERT_EQ(result->bins.size(), 2U);
  EXPECT_EQ(result->bins[0].rows, 2);
  EXPECT_EQ(result->bins[0].mean_probability, 0.25);
  EXPECT_EQ(result->bins[0].positive_share, 0.5);
  EXPECT_EQ(result->bins[1].rows, 2);
  EXPECT_FALSE(calibration(scores, labels, 0));
  EXPECT_FALSE(calibration(scores, labels, 1001));
}

// For exponential scores the formula is exact, so the spread of many drawn tables must show it.
TEST(StandardErrorOfAuc, IsTheSpreadOfDrawnTables) {
  std::uint64_t x = 1982;
  const auto exponential = [&x] {
    x = x * 6364136223846793005ULL + 1442695040888963407ULL;
    return -std::log((static_cast<double>(x >> 11U) + 0.5) * 0x1.0p-53);
  };
  double sum = 0;
  double sum_of_squares = 0;
  for (int i = 0; i < kTables; ++i) {
    Table table;
    for (std::size_t row = 0; row < kPositives + kNegatives; ++row) {
      const bool positive = row < kPositives;
      // P(positive > negative) = 4 / (4 + 1)
      table.scores.push_back(static_cast<float>(exponential() * (positive ? 4 : 1)));
      table.labels.push_back(positive ? 1 : 0);
    }
    const double auc = *area_under_roc(table.scores, table.labels);
    sum += auc;
    sum_of_squares += auc * auc;
  }
  const double mean = sum / kTables;
  const double spread = std::sqrt(sum_of_squares / kTables - mean * mean);
  EXPECT_NEAR(mean, kAuc, 0.005);
  EXPECT_NEAR(*standard_error_of_auc(kAuc, kPositives, kNegatives) / spread, 1, 0.04);
}

TEST(StandardErrorOfAuc, HasItsLimits) {
  EXPECT_EQ(*standard_error_of_auc(1.0, 10, 10), 0.0);
  EXPECT_NEAR(*standard_error_of_auc(0.83, 18'000, 82'000), 0.002, 0.0005);
  EXPECT_FALSE(standard_error_of_auc(1.1, 10, 10));
  EXPECT_FALSE(standard_error_of_auc(std::nan(""), 10, 10));
  EXPECT_FALSE(standard_error_of_auc(0.9, 0, 10));
}

TEST(Evaluation, JsonHoldsEveryValueAndTheBins) {
  const Table table = table_for(1000, 2, 1000);
  const Evaluation evaluation = *evaluate(table.scores, table.labels);
  const Json json = evaluation.to_json();
  for (const auto& [name, value] : evaluation.values()) EXPECT_EQ(*json.number_at(name), value);
  EXPECT_EQ(json["reliability"].as_array().size(), 10U);
}

}  // namespace
}  // namespace millrace::train
