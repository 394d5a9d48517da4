#include "train/trainer_contract.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <stop_token>

#include "model/sample_model_fixture.h"

namespace millrace::train {

using columnar::Kind;

TrainingRequest late_flights() {
  TrainingRequest request;
  request.features = {"delay", "distance", "carrier", "weekend"};
  request.label = "late";
  return request;
}

columnar::RecordBatch some_flights(std::size_t rows, std::size_t first) {
  return model::sample_flights(rows, 4, first);
}

std::unique_ptr<columnar::BatchReader> flights(std::size_t rows, std::size_t batch_rows,
                                               std::size_t first) {
  std::vector<columnar::RecordBatch> batches;
  for (std::size_t at = 0; at < rows; at += batch_rows)
    batches.push_back(some_flights(std::min(batch_rows, rows - at), first + at));
  return columnar::read_batches(some_flights(0).shared_schema(), std::move(batches));
}

namespace {

/// A row of the table (kind VARCHAR, x DOUBLE, y DOUBLE); a null where nothing stands.
struct Row {
  std::optional<std::string> kind;
  std::optional<double> x;
  std::optional<double> y;
};

std::unique_ptr<columnar::BatchReader> table_of(const std::vector<Row>& rows,
                                                std::size_t batch_rows = 10'000) {
  const auto schema = std::make_shared<const columnar::Schema>(
      std::vector<columnar::Field>{{"kind", columnar::simple(Kind::String), true},
                                   {"x", columnar::simple(Kind::Float64), true},
                                   {"y", columnar::simple(Kind::Float64), true}});
  columnar::BatchBuilder builder(schema);
  std::vector<columnar::RecordBatch> batches;
  for (const Row& row : rows) {
    row.kind ? builder.append_text(0, *row.kind) : builder.append_null(0);
    row.x ? builder.append_number(1, *row.x) : builder.append_null(1);
    row.y ? builder.append_number(2, *row.y) : builder.append_null(2);
    if (builder.row_count() == batch_rows) batches.push_back(builder.finish());
  }
  if (builder.row_count() > 0) batches.push_back(builder.finish());
  return columnar::read_batches(schema, std::move(batches));
}

/// `count` rows: y follows kind and x; every row has one of `kinds`.
std::vector<Row> rows_with(const std::vector<std::optional<std::string>>& kinds, int count) {
  std::vector<Row> rows;
  for (int i = 0; i < count; ++i) {
    const std::size_t kind = static_cast<std::size_t>(i) % kinds.size();
    const double x = i * 7 % 100;
    rows.push_back({kinds[kind], x, kind == 0 || x > 70 ? 1 : 0});
  }
  return rows;
}

TrainingRequest of_table(TrainingRequest request) {
  request.features = {"kind", "x"};
  request.categorical = {};
  request.label = "y";
  return request;
}

TEST_P(TrainerContract, SameRowsAndRequestGiveTheSameBytes) {
  TrainingRequest request = GetParam().request();
  request.validate_on_last = ValidateOnLast{.time_column = "at", .fraction = 0.2};
  request.early_stopping = EarlyStopping{.rounds = 5};
  const Result<TrainedModel> first = train(request, *flights(4000));
  ASSERT_TRUE(first) << first.error().message();
  for (const int threads : {1, 2}) {
    for (const std::size_t batch_rows : {7U, 4000U}) {
      SCOPED_TRACE(testing::Message() << threads << " threads, batches of " << batch_rows);
      request.threads = threads;
      const Result<TrainedModel> again = train(request, *flights(4000, batch_rows));
      ASSERT_TRUE(again) << again.error().message();
      EXPECT_EQ(again->artefact, first->artefact);
      EXPECT_EQ(again->golden_rows, first->golden_rows);
      EXPECT_EQ(again->history, first->history);
    }
  }
}

TEST_P(TrainerContract, AnotherSeedGivesAnotherModel) {
  TrainingRequest request = GetParam().request();
  const Result<TrainedModel> first = train(request, *flights(2000));
  ASSERT_TRUE(first) << first.error().message();
  ++request.seed;
  const Result<TrainedModel> second = train(request, *flights(2000));
  ASSERT_TRUE(second) << second.error().message();
  EXPECT_NE(second->artefact, first->artefact);
}

TEST_P(TrainerContract, CategoriesAreLearnedFromTheTrainingRows) {
  TrainingRequest request = of_table(GetParam().request());
  request.metric = "logloss";
  const auto trained_with = [&](const std::vector<std::optional<std::string>>& of_validation) {
    return train(request, *table_of(rows_with({"a", "c"}, 200)),
                 table_of(rows_with(of_validation, 200)).get());
  };
  const Result<TrainedModel> unknown = trained_with({"b", "d"});
  ASSERT_TRUE(unknown) << unknown.error().message();
  EXPECT_EQ(unknown->features[0].categories, (std::vector<std::string>{"a", "c"}));
  const Result<TrainedModel> missing = trained_with({std::nullopt, std::nullopt});
  ASSERT_TRUE(missing) << missing.error().message();
  EXPECT_EQ(unknown->history, missing->history) << "an unknown category counts as a missing one";
  const Result<TrainedModel> known = trained_with({"a", "c"});
  ASSERT_TRUE(known) << known.error().message();
  EXPECT_NE(unknown->history, known->history) << "the rows must be such that it matters";
}

TEST_P(TrainerContract, CategoriesOfTheValidationPartAloneAreMissing) {
  TrainingRequest request = GetParam().request();
  request.features.emplace_back("flight");  // every row its own: none of validation is known
  request.categorical = {"flight"};
  request.validate_on_last = ValidateOnLast{.time_column = "flight", .fraction = 0.5};
  const Result<TrainedModel> trained = train(request, *flights(200));
  ASSERT_TRUE(trained) << trained.error().message();
  EXPECT_EQ(trained->features.back().categories.size(), 100U);
}

TEST_P(TrainerContract, ValueThatCannotBeLearnedFromNamesItsRow) {
  struct Case {
    const char* why;
    Row row;
    std::vector<std::string> says;
  };
  const std::vector<Case> cases = {
      {"a null label", {"a", 1, std::nullopt}, {"row 6", "label 'y'", "null"}},
      {"a label that is not finite", {"a", 1, HUGE_VAL}, {"row 6", "label 'y'", "finite"}},
      {"a label that is no number", {"a", 1, std::nan("")}, {"row 6", "label 'y'", "finite"}},
      {"a label that is no class", {"a", 1, 2}, {"row 6", "label 'y'", "takes 0 or 1"}},
      {"a number that is not finite", {"a", -HUGE_VAL, 1}, {"row 6", "feature 'x'", "finite"}},
      {"a number beyond 32 bits", {"a", 1e300, 1}, {"row 6", "feature 'x'"}},
  };
  const TrainingRequest request = of_table(GetParam().request());
  const std::vector<Row> good = rows_with({"a", "b"}, 10);
  for (const Case& c : cases) {
    for (const bool in_validation : {false, true}) {
      SCOPED_TRACE(testing::Message() << c.why << (in_validation ? ", in validation" : ""));
      std::vector<Row> bad = good;
      bad[5] = c.row;
      const auto rows = table_of(bad, 4);
      const auto others = table_of(good, 4);
      const Result<TrainedModel> refused =
          in_validation ? train(request, *others, rows.get()) : train(request, *rows, others.get());
      ASSERT_FALSE(refused);
      EXPECT_EQ(refused.error().code(), ErrorCode::Invalid);
      for (const std::string& word : c.says)
        EXPECT_NE(refused.error().message().find(word), std::string::npos)
            << refused.error().message();
    }
  }
}

TEST_P(TrainerContract, NullFeatureIsMissingAndNotRefused) {
  const TrainingRequest request = of_table(GetParam().request());
  std::vector<Row> rows = rows_with({"a", "b"}, 40);
  rows[3].kind = std::nullopt;
  rows[4].x = std::nullopt;
  const Result<TrainedModel> trained = train(request, *table_of(rows));
  EXPECT_TRUE(trained) << trained.error().message();
}

TEST_P(TrainerContract, RowsWithoutBothClassesAreDataQuality) {
  const TrainingRequest request = of_table(GetParam().request());
  const std::vector<Row> equal(20, Row{"a", 1, 1});
  EXPECT_EQ(train(request, *table_of({})).error().code(), ErrorCode::DataQuality);
  EXPECT_EQ(train(request, *table_of(equal)).error().code(), ErrorCode::DataQuality);
}

TEST_P(TrainerContract, ColumnThatIsNotThereIsNotFound) {
  TrainingRequest request = GetParam().request();
  request.features[0] = "dealy";
  const Result<TrainedModel> feature = train(request, *flights(100));
  ASSERT_FALSE(feature);
  EXPECT_EQ(feature.error().code(), ErrorCode::NotFound);
  EXPECT_NE(feature.error().message().find("did you mean 'delay'"), std::string::npos)
      << feature.error().message();
  request = GetParam().request();
  request.label = "laet";
  EXPECT_EQ(train(request, *flights(100)).error().code(), ErrorCode::NotFound);
}

TEST_P(TrainerContract, StopEndsTheTraining) {
  std::stop_source source;
  int rounds = 0;
  const TrainingControl control{.progress =
                                    [&](const RoundMetrics&) {
                                      ++rounds;
                                      source.request_stop();
                                    },
                                .stop = source.get_token()};
  const auto rows = flights(500, 100);
  const Result<TrainedModel> cancelled = train(GetParam().request(), *rows, nullptr, control);
  ASSERT_FALSE(cancelled);
  EXPECT_EQ(cancelled.error().code(), ErrorCode::Cancelled);
  EXPECT_EQ(rounds, 1) << "and no round is begun";
}

TEST_P(TrainerContract, ProgressIsTheHistory) {
  std::vector<RoundMetrics> seen;
  const TrainingControl control{
      .progress = [&](const RoundMetrics& round) { seen.push_back(round); }};
  const auto rows = flights(500);
  const auto validation = flights(200, 300, 500);
  const Result<TrainedModel> trained =
      train(GetParam().request(), *rows, validation.get(), control);
  ASSERT_TRUE(trained) << trained.error().message();
  EXPECT_EQ(seen, trained->history);
  ASSERT_FALSE(seen.empty());
  EXPECT_EQ(seen.front().round, 1);
  EXPECT_TRUE(seen.front().validation);
  EXPECT_EQ(trained->training_rows, 500);
  EXPECT_EQ(trained->validation_rows, 200);
  EXPECT_FALSE(trained->golden_rows.empty());
}

}  // namespace
}  // namespace millrace::train
