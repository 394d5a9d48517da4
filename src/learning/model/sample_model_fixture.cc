#include "model/sample_model_fixture.h"

#include <cmath>

#include "base/hash.h"
#include "model/artefact.h"
#include "model/feature_encoder.h"
#include "model/predictor.h"
#include "model/xgboost_library.h"

namespace millrace::model {

namespace {

constexpr const char* kCarriers[] = {"UA", "AA", "B6", "DL", "EV"};
constexpr std::int64_t kHour = 3'600'000'000;
constexpr std::int64_t kFirstDeparture = 1'356'998'400'000'000;  // 2013-01-01

using columnar::Kind;

/// Sebastiano Vigna's splitmix64 as a hash of a counter.
std::uint64_t mix(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15ULL;
  x = (x ^ (x >> 30U)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27U)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31U);
}

/// In [0, 1), for draw `draw` of row `row`.
double uniform(std::uint64_t seed, std::size_t row, std::uint64_t draw) {
  return static_cast<double>(mix(mix(seed) ^ mix(row * 16 + draw)) >> 11U) * 0x1.0p-53;
}

std::shared_ptr<const columnar::Schema> flights_schema() {
  return std::make_shared<const columnar::Schema>(std::vector<columnar::Field>{
      {"flight", columnar::simple(Kind::Int64), false},
      {"at", columnar::simple(Kind::Timestamp), false},
      {"delay", columnar::simple(Kind::Float64), true},
      {"distance", columnar::simple(Kind::Int64), false},
      {"carrier", columnar::simple(Kind::String), true},
      {"weekend", columnar::simple(Kind::Boolean), false},
      {"late", columnar::simple(Kind::Int8), false},
  });
}

void append_flight(columnar::BatchBuilder& builder, std::size_t row, std::uint64_t seed) {
  const double delay = uniform(seed, row, 0) * 60 - 10;
  const bool delay_known = uniform(seed, row, 1) > 0.1;
  const auto carrier = static_cast<std::size_t>(uniform(seed, row, 2) * 5);
  const bool weekend = uniform(seed, row, 3) < 2.0 / 7;
  const double strength = delay / 15 + (carrier == 4 ? 1.5 : 0) - (weekend ? 1 : 0) - 1.5;
  builder.append_integer(0, static_cast<std::int64_t>(row));
  builder.append_integer(1, kFirstDeparture + static_cast<std::int64_t>(row) * kHour);
  delay_known ? builder.append_number(2, delay) : builder.append_null(2);
  builder.append_integer(3, 200 + static_cast<std::int64_t>(uniform(seed, row, 4) * 2500));
  uniform(seed, row, 5) > 0.02 ? builder.append_text(4, kCarriers[carrier])
                               : builder.append_null(4);
  builder.append_boolean(5, weekend);
  builder.append_integer(6, uniform(seed, row, 6) < 1 / (1 + std::exp(-strength)) ? 1 : 0);
}

Result<Booster> train(const FeatureLearner::Learned& learned, const std::vector<float>& labels,
                      std::uint64_t seed, int rounds) {
  const std::vector<Feature>& features = learned.encoder.features();
  const TrainingMatrix rows = TRY(TrainingMatrix::make(learned.rows.values, labels, features, 1));
  Booster booster = TRY(Booster::create(rows, nullptr));
  TRY(booster.set_parameter("objective", "binary:logistic"));
  TRY(booster.set_parameter("tree_method", "hist"));
  TRY(booster.set_parameter("max_depth", "3"));
  TRY(booster.set_parameter("nthread", "1"));
  TRY(booster.set_parameter("seed", std::to_string(seed % 1000)));
  for (int round = 0; round < rounds; ++round) TRY(booster.update(round, rows));
  TRY(booster.set_features(features));
  return booster;
}

Manifest describe(const FeatureEncoder& encoder, std::uint64_t seed, int rounds) {
  Manifest manifest;
  manifest.model = "sample";
  manifest.features = encoder.features();
  manifest.label = "late";
  manifest.objective = "binary:logistic";
  manifest.parameters = {{"max_depth", "3"}, {"tree_method", "hist"}};
  manifest.seed = static_cast<std::uint32_t>(seed % 1000);
  manifest.rounds = rounds;
  manifest.data = {.table = "sample.flights", .version = 0, .content_hash = "sample", .rows = 500};
  manifest.code_hash = "sample";
  manifest.run_id = "sample-" + std::to_string(seed);
  return manifest;
}

}  // namespace

columnar::RecordBatch sample_flights(std::size_t rows, std::uint64_t seed, std::size_t first) {
  columnar::BatchBuilder builder(flights_schema());
  for (std::size_t row = first; row < first + rows; ++row) append_flight(builder, row, seed);
  return builder.finish();
}

Result<SampleModel> make_sample_model(std::uint64_t seed, int rounds) {
  const columnar::RecordBatch flights = sample_flights(500, seed);
  FeatureLearner learner = TRY(FeatureLearner::make(
      TRY(features_of(flights.schema(), {"delay", "distance", "carrier", "weekend"}, {}))));
  TRY(learner.append(flights));
  const FeatureLearner::Learned learned =
      TRY(std::move(learner).finish(std::vector<bool>(flights.row_count(), true)));
  std::vector<float> labels;
  const columnar::Column late = TRY(flights.column("late"));
  labels.reserve(late.size());
  for (std::size_t row = 0; row < late.size(); ++row) {
    labels.push_back(static_cast<float>(late.integer(row)));
  }
  const Booster booster = TRY(train(learned, labels, seed, rounds));
  SampleModel sample;
  sample.booster = TRY(booster.save());
  sample.artefact = TRY(pack_artefact(sample.booster));
  sample.manifest = describe(learned.encoder, seed, rounds);
  sample.manifest.library = "xgboost " + TRY(xgboost_version());
  sample.manifest.artefact_sha256 = sha256_hex(sample.artefact);
  sample.manifest.golden_rows =
      TRY(make_golden_rows(learned.encoder, learned.rows, sample.booster));
  return sample;
}

}  // namespace millrace::model
