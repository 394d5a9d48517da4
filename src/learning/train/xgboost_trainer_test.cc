#include "train/xgboost_trainer.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "model/artefact.h"
#include "model/booster_format.h"
#include "model/predictor.h"
#include "model/xgboost_library.h"
#include "train/metrics.h"
#include "train/trainer_contract.h"

namespace millrace::train {
namespace {

TrainingRequest request() {
  TrainingRequest asked = late_flights();
  asked.parameters = {{"max_depth", "3"}, {"subsample", "0.8"}, {"learning_rate", "0.2"}};
  asked.rounds = 12;
  asked.seed = 7;
  return asked;
}

INSTANTIATE_TEST_SUITE_P(Xgboost, TrainerContract,
                         testing::Values(TrainerUnderTest{
                             .name = "xgboost", .make = make_xgboost_trainer, .request = request}));

Result<TrainedModel> train(const TrainingRequest& asked, std::size_t rows = 2000) {
  const auto reader = flights(rows);
  return make_xgboost_trainer()->train(asked, {*reader}, {});
}

model::Manifest described(const TrainedModel& trained, const TrainingRequest& asked) {
  model::Manifest manifest = manifest_of(trained, asked);
  manifest.model = "late_flights";
  return manifest;
}

std::vector<std::uint8_t> labels_of(const columnar::RecordBatch& rows) {
  const columnar::Column late = *rows.column("late");
  std::vector<std::uint8_t> labels(late.size());
  for (std::size_t row = 0; row < late.size(); ++row) {
    labels[row] = static_cast<std::uint8_t>(late.integer(row));
  }
  return labels;
}

TEST(XgboostTrainer, LearnsWhatTheRowsHold) {
  const Result<TrainedModel> trained = train(request());
  ASSERT_TRUE(trained) << trained.error().message();
  const auto predictor = model::Predictor::load(trained->artefact, described(*trained, request()));
  ASSERT_TRUE(predictor) << predictor.error().message();
  const columnar::RecordBatch holdout = some_flights(3000, 2000);
  const auto scores = (*predictor)->predict(holdout);
  ASSERT_TRUE(scores) << scores.error().message();
  const Result<Evaluation> evaluation = evaluate(*scores, labels_of(holdout));
  ASSERT_TRUE(evaluation) << evaluation.error().message();
  EXPECT_GT(evaluation->auc, 0.72);
  EXPECT_LT(evaluation->calibration.expected_error, 0.1);
}

TEST(XgboostTrainer, ArtefactHoldsNamesTypesAndAScalarBaseScore) {
  const Result<TrainedModel> trained = train(request());
  ASSERT_TRUE(trained) << trained.error().message();
  const std::string booster = *model::unpack_artefact(trained->artefact);
  EXPECT_TRUE(model::check_base_score(booster));
  EXPECT_EQ(*model::Booster::load(booster)->feature_names(), request().features);
  EXPECT_EQ(trained->features[2].categories,
            (std::vector<std::string>{"AA", "B6", "DL", "EV", "UA"}));
}

TEST(XgboostTrainer, EarlyStoppingKeepsTheBestRound) {
  TrainingRequest asked = request();
  asked.rounds = 400;
  asked.parameters["learning_rate"] = "0.9";
  asked.validate_on_last = ValidateOnLast{.time_column = "at", .fraction = 0.3};
  asked.metric = "auc";
  asked.early_stopping = EarlyStopping{.rounds = 10};
  const Result<TrainedModel> trained = train(asked, 1000);
  ASSERT_TRUE(trained) << trained.error().message();
  ASSERT_TRUE(trained->best_iteration);
  EXPECT_EQ(trained->rounds, *trained->best_iteration + 1);
  EXPECT_NE(model::unpack_artefact(trained->artefact)->find("best_iteration"), std::string::npos);
  EXPECT_EQ(trained->history.size(), static_cast<std::size_t>(trained->rounds) + 10);
  EXPECT_EQ(trained->training_rows, 700);
  EXPECT_EQ(trained->validation_rows, 300);
  const double best =
      *trained->history[static_cast<std::size_t>(*trained->best_iteration)].validation;
  for (const RoundMetrics& round : trained->history) EXPECT_LE(*round.validation, best);
  const auto booster = model::Booster::load(*model::unpack_artefact(trained->artefact));
  EXPECT_EQ(*booster->rounds(), trained->rounds);
  EXPECT_TRUE(model::Predictor::load(trained->artefact, described(*trained, asked)));
}

TEST(XgboostTrainer, WithoutEarlyStoppingEveryRoundCountsForEveryReader) {
  TrainingRequest asked = request();
  asked.rounds = 100;
  asked.parameters["learning_rate"] = "0.9";
  asked.validate_on_last = ValidateOnLast{.time_column = "at", .fraction = 0.3};
  const Result<TrainedModel> trained = train(asked, 1000);
  ASSERT_TRUE(trained) << trained.error().message();
  const auto best = std::ranges::max_element(
      trained->history, {}, [](const RoundMetrics& round) { return *round.validation; });
  ASSERT_LT(best->round, 100) << "a reader that predicts up to the best round would leave some out";
  EXPECT_EQ(trained->rounds, 100);
  EXPECT_FALSE(trained->best_iteration);
  EXPECT_EQ(described(*trained, asked).best_iteration, std::nullopt);
  EXPECT_EQ(model::unpack_artefact(trained->artefact)->find("best_iteration"), std::string::npos);
}

TEST(XgboostTrainer, TheManifestNamesTheMetricsByTheirRows) {
  TrainingRequest asked = request();
  asked.metric = "logloss";
  const Result<TrainedModel> alone = train(asked, 1000);
  ASSERT_TRUE(alone) << alone.error().message();
  EXPECT_EQ(described(*alone, asked).metrics,
            (std::map<std::string, double>{{"training_logloss", alone->history.back().training}}));

  asked.validate_on_last = ValidateOnLast{.time_column = "at", .fraction = 0.3};
  asked.early_stopping = EarlyStopping{.rounds = 1};
  asked.rounds = 200;
  const Result<TrainedModel> stopped = train(asked, 1000);
  ASSERT_TRUE(stopped) << stopped.error().message();
  const RoundMetrics& last = stopped->history[stopped->history.size() - 2];
  EXPECT_EQ(described(*stopped, asked).metrics,
            (std::map<std::string, double>{{"training_logloss", last.training},
                                           {"validation_logloss", *last.validation}}))
      << "of the last round that was kept";
}

TEST(XgboostTrainer, RoundMetricsAreThoseOfTheModel) {
  TrainingRequest asked = request();
  asked.metric = "auc";
  const auto training = flights(2000);
  const auto validation = flights(1000, 300, 2000);
  std::vector<RoundMetrics> seen;
  const TrainingControl control{
      .progress = [&](const RoundMetrics& round) { seen.push_back(round); }};
  const Result<TrainedModel> trained =
      make_xgboost_trainer()->train(asked, {*training, validation.get()}, control);
  ASSERT_TRUE(trained) << trained.error().message();
  EXPECT_EQ(seen, trained->history);
  ASSERT_EQ(seen.size(), 12U);
  EXPECT_EQ(seen.front().round, 1);
  EXPECT_EQ(trained->rounds, 12);
  EXPECT_EQ(trained->metric, "auc");
  const auto predictor = *model::Predictor::load(trained->artefact, described(*trained, asked));
  const columnar::RecordBatch rows = some_flights(1000, 2000);
  EXPECT_NEAR(*area_under_roc(*predictor->predict(rows), labels_of(rows)), *seen.back().validation,
              1e-6);
}

TEST(XgboostTrainer, OtherObjectivesLearnNumbers) {
  for (const char* objective : {"reg:squarederror", "reg:absoluteerror", "count:poisson"}) {
    SCOPED_TRACE(objective);
    TrainingRequest asked = request();
    asked.features = {"delay", "carrier"};
    asked.label = "distance";
    asked.parameters["objective"] = objective;
    const Result<TrainedModel> trained = train(asked);
    ASSERT_TRUE(trained) << trained.error().message();
    EXPECT_LT(trained->history.back().training, trained->history.front().training);
    const auto loaded = model::Predictor::load(trained->artefact, described(*trained, asked));
    EXPECT_TRUE(loaded) << loaded.error().message();
  }
}

TEST(XgboostTrainer, WrongRequestsAreRefused) {
  struct Case {
    const char* why;
    std::function<void(TrainingRequest&)> change;
    ErrorCode code;
    const char* says;
  };
  const std::vector<Case> cases = {
      {"the label as feature", [](auto& r) { r.features.push_back("late"); }, ErrorCode::Invalid,
       "also a feature"},
      {"the label as feature, spelt otherwise", [](auto& r) { r.features.push_back("LATE"); },
       ErrorCode::Invalid, "also a feature ('LATE')"},
      {"no features", [](auto& r) { r.features.clear(); }, ErrorCode::Invalid, "1 to"},
      {"a moment as feature", [](auto& r) { r.features.push_back("at"); }, ErrorCode::Unsupported,
       "turn it into"},
      {"a text as label",
       [](auto& r) {
         r.features.erase(r.features.begin() + 2);
         r.label = "carrier";
       },
       ErrorCode::Invalid, "expected a number or a boolean"},
      {"labels that are no classes",
       [](auto& r) {
         r.features = {"delay"};
         r.label = "distance";
       },
       ErrorCode::Invalid, "takes 0 or 1"},
      {"no rounds", [](auto& r) { r.rounds = 0; }, ErrorCode::Invalid, "rounds is 0"},
      {"no threads", [](auto& r) { r.threads = 0; }, ErrorCode::Invalid, "threads is 0"},
      {"a parameter's slip", [](auto& r) { r.parameters["etaa"] = "1"; }, ErrorCode::Invalid,
       "'etaa'"},
      {"an unknown metric", [](auto& r) { r.metric = "ndcg"; }, ErrorCode::Invalid, "'ndcg'"},
      {"early stopping without validation", [](auto& r) { r.early_stopping = EarlyStopping{}; },
       ErrorCode::Invalid, "needs validation rows"},
      {"a fraction of all", [](auto& r) { r.validate_on_last = {"at", 1.0}; }, ErrorCode::Invalid,
       "between 0 and 1"},
      {"a split by text", [](auto& r) { r.validate_on_last = {"carrier", 0.2}; },
       ErrorCode::Invalid, "expected a date"},
      {"a split that takes all", [](auto& r) { r.validate_on_last = {"late", 0.99}; },
       ErrorCode::Invalid, "no row is left"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    TrainingRequest asked = request();
    c.change(asked);
    const Result<TrainedModel> refused = train(asked, 300);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), c.code) << refused.error().message();
    EXPECT_NE(refused.error().message().find(c.says), std::string::npos)
        << refused.error().message();
  }
}

}  // namespace
}  // namespace millrace::train
