#include "model/predictor.h"

#include <atomic>
#include <cmath>
#include <thread>

#include <gtest/gtest.h>

#include "model/sample_model_fixture.h"

namespace millrace::model {
namespace {

SampleModel sample_of(std::uint64_t seed) {
  Result<SampleModel> made = make_sample_model(seed);
  INVARIANT(made.ok(), "the sample model trains");
  return *std::move(made);
}

class Prediction : public testing::Test {
 protected:
  static void SetUpTestSuite() { sample = new SampleModel(sample_of(5)); }
  static void TearDownTestSuite() { delete sample; }
  static SampleModel* sample;
};
SampleModel* Prediction::sample = nullptr;

void expect_refused(const Result<std::shared_ptr<const Predictor>>& loaded, const char* says) {
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code(), ErrorCode::Corruption);
  EXPECT_NE(loaded.error().message().find(says), std::string::npos) << loaded.error().message();
}

TEST_F(Prediction, ScoresAreProbabilitiesOneForEachRow) {
  const auto predictor = Predictor::load(sample->artefact, sample->manifest);
  ASSERT_TRUE(predictor) << predictor.error().message();
  const auto scores = (*predictor)->predict(sample_flights(100, 99));
  ASSERT_TRUE(scores) << scores.error().message();
  ASSERT_EQ(scores->size(), 100U);
  for (const float score : *scores) EXPECT_TRUE(score > 0 && score < 1);
  EXPECT_NE(scores->front(), scores->back());
}

TEST_F(Prediction, ARowScoresAloneAsItDoesAmongMany) {
  const auto predictor = *Predictor::load(sample->artefact, sample->manifest);
  const std::vector<float> together = *predictor->predict(sample_flights(2'000, 3));
  for (std::size_t row = 0; row < together.size(); row += 7)
    EXPECT_NEAR(predictor->predict(sample_flights(1, 3, row))->front(), together[row], 1e-6) << row;
}

/// The first rows are scored by a walk, more at once by libxgboost (predictor.cc).
TEST_F(Prediction, OneRowMoreDoesNotChangeTheOthers) {
  const auto predictor = *Predictor::load(sample->artefact, sample->manifest);
  const std::vector<float> all = *predictor->predict(sample_flights(600, 3));
  for (const std::size_t rows : {1U, 255U, 256U, 257U, 600U}) {
    SCOPED_TRACE(rows);
    const std::vector<float> scores = *predictor->predict(sample_flights(rows, 3));
    ASSERT_EQ(scores.size(), rows);
    for (std::size_t row = 0; row < rows; ++row) ASSERT_NEAR(scores[row], all[row], 1e-6) << row;
  }
}

/// Every category of the model's, and those that it has no code for, alone and among many.
TEST_F(Prediction, BothWaysOfScoringAgreeWhateverTheCategory) {
  Manifest longer = sample->manifest;
  longer.features[2].categories.emplace_back("ZZ");  // which the trees have never seen
  Manifest shorter = sample->manifest;
  shorter.features[2].categories.pop_back();
  for (GoldenRow& golden : shorter.golden_rows)  // those with UA are not of this manifest
    if (golden.inputs[2] == Json("UA")) golden = shorter.golden_rows.front();
  ASSERT_NE(shorter.golden_rows.front().inputs[2], Json("UA"));
  for (const Manifest& manifest : {sample->manifest, longer, shorter}) {
    SCOPED_TRACE(manifest.features[2].categories.back());
    const auto loaded = Predictor::load(sample->artefact, manifest);
    ASSERT_TRUE(loaded) << loaded.error().message();
    const FeatureEncoder& encoder = (*loaded)->encoder();
    FeatureRows rows{.values = {}, .width = 4};
    for (int i = 0; i < 400; ++i) {
      const char* const carriers[] = {"AA", "B6", "DL", "EV", "UA", "ZZ", "never", nullptr};
      const char* const carrier = carriers[i % 8];
      const Json values[] = {i % 3 == 0 ? Json() : Json(i % 60), 200 + i * 7,
                             carrier == nullptr ? Json() : Json(carrier), i % 5 == 0};
      for (std::size_t f = 0; f < 4; ++f) rows.values.push_back(*encoder.encode(f, values[f], 1));
    }
    const std::vector<float> together = *(*loaded)->predict(rows);
    for (std::size_t row = 0; row < together.size(); ++row) {
      const auto begin = rows.values.begin() + static_cast<std::ptrdiff_t>(row * 4);
      const FeatureRows alone{.values = {begin, begin + 4}, .width = 4};
      ASSERT_NEAR((*loaded)->predict(alone)->front(), together[row], 1e-6) << row;
    }
  }
}

TEST_F(Prediction, NoRowsGiveNoScores) {
  const auto predictor = Predictor::load(sample->artefact, sample->manifest);
  EXPECT_TRUE((*predictor)->predict(sample_flights(0, 1))->empty());
}

TEST_F(Prediction, CategoryNeverSeenScoresAsNull) {
  const auto predictor = *Predictor::load(sample->artefact, sample->manifest);
  const FeatureEncoder& encoder = predictor->encoder();
  FeatureRows rows{.values = {}, .width = 4};
  for (const Json& carrier : {Json("a new carrier"), Json(nullptr), Json("UA"), Json("EV")}) {
    for (const auto& [feature, value] : {std::pair<std::size_t, Json>{0, 25}, {1, 700}}) {
      rows.values.push_back(*encoder.encode(feature, value, 1));
    }
    rows.values.push_back(*encoder.encode(2, carrier, 1));
    rows.values.push_back(*encoder.encode(3, false, 1));
  }
  const auto scores = predictor->predict(rows);
  ASSERT_TRUE(scores) << scores.error().message();
  EXPECT_EQ((*scores)[0], (*scores)[1]);
  EXPECT_NE((*scores)[2], (*scores)[3]);
}

TEST_F(Prediction, GoldenRowsThatScoreDifferentlyAreRefused) {
  Manifest manifest = sample->manifest;
  manifest.golden_rows[10].score += 2e-6;
  expect_refused(Predictor::load(sample->artefact, manifest), "golden row 11 scores");
  manifest.golden_rows[10].score = std::nan("");
  expect_refused(Predictor::load(sample->artefact, manifest), "golden row 11 scores");
}

TEST_F(Prediction, ArtefactOfAnotherModelIsRefused) {
  const SampleModel other = sample_of(6);
  expect_refused(Predictor::load(other.artefact, sample->manifest), "SHA-256");
  Manifest forged = sample->manifest;
  forged.artefact_sha256 = other.manifest.artefact_sha256;
  expect_refused(Predictor::load(other.artefact, forged), "golden row");
}

TEST_F(Prediction, ManifestThatDoesNotFitIsRefused) {
  Manifest renamed = sample->manifest;
  std::swap(renamed.features[0].name, renamed.features[1].name);
  expect_refused(Predictor::load(sample->artefact, renamed),
                 "feature 1 is 'delay' in the artefact");
  Manifest wider = sample->manifest;
  wider.features.push_back({.name = "more", .type = "DOUBLE"});
  expect_refused(Predictor::load(sample->artefact, wider), "4 feature names in the artefact, 5");
  Manifest other = sample->manifest;
  other.objective = "reg:squarederror";
  expect_refused(Predictor::load(sample->artefact, other), "objective");
  Manifest recoded = sample->manifest;  // a category's code moved
  recoded.features[2].categories.insert(recoded.features[2].categories.begin(), "A0");
  expect_refused(Predictor::load(sample->artefact, recoded), "golden row");
}

TEST_F(Prediction, ThreadsShareOnePredictor) {
  const auto predictor = *Predictor::load(sample->artefact, sample->manifest);
  const std::vector<float> expected = *predictor->predict(sample_flights(50, 8));
  std::vector<std::thread> threads;
  threads.reserve(4);
  std::atomic<int> wrong = 0;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) {
        const auto scores = predictor->predict(sample_flights(50, 8));
        if (!scores || *scores != expected) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST(GoldenRows, AreSpreadOverTheRowsAndAtMostAsManyAsThere) {
  const SampleModel sample = sample_of(5);
  EXPECT_EQ(sample.manifest.golden_rows.size(), kGoldenRows);
  const auto predictor = *Predictor::load(sample.artefact, sample.manifest);
  const FeatureRows three = *predictor->encoder().encode(sample_flights(3, 5));
  const auto golden = make_golden_rows(predictor->encoder(), three, sample.booster);
  ASSERT_TRUE(golden) << golden.error().message();
  EXPECT_EQ(golden->size(), 3U);
  EXPECT_FALSE(make_golden_rows(predictor->encoder(), {.values = {}, .width = 4}, sample.booster));
}

}  // namespace
}  // namespace millrace::model
