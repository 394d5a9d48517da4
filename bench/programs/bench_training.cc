// Trains on the rows of a Parquet file, or the same by libxgboost alone on floats that are in memory.
//
// usage: bench_training millrace FILE.parquet ROUNDS    the columns f0, f1, ... and label
//        bench_training bare FILE.f32 ROUNDS            row after row: the features, then the label
//        bench_training bare-evaluated FILE.f32 ROUNDS  and the metric of each round, as `millrace` tells it

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include <fmt/core.h>

#include "engine/engine.h"
#include "model/xgboost_library.h"
#include "train/xgboost_trainer.h"

namespace millrace {
namespace {

constexpr std::size_t kFeatures = 20;
constexpr int kThreads = 2;

std::vector<std::string> feature_names() {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < kFeatures; ++i) names.push_back(fmt::format("f{}", i));
  return names;
}

Status by_millrace(const std::string& file, int rounds) {
  const std::unique_ptr<engine::Engine> engine = TRY(engine::open_duckdb({.threads = kThreads}));
  const std::unique_ptr<engine::Session> session = TRY(engine->open_session());
  const std::unique_ptr<columnar::BatchReader> rows =
      TRY(session->query(fmt::format("SELECT * FROM read_parquet('{}')", file)));
  train::TrainingRequest request;
  request.features = feature_names();
  request.label = "label";
  request.parameters = {{"max_depth", "6"}, {"eta", "0.1"}};
  request.rounds = rounds;
  request.threads = kThreads;
  TRY(train::make_xgboost_trainer()->train(request, {*rows}, {}));
  return {};
}

Status by_the_library(const std::string& file, int rounds, bool evaluates) {
  std::ifstream input(file, std::ios::binary | std::ios::ate);
  const auto rows = static_cast<std::size_t>(input.tellg()) / sizeof(float) / (kFeatures + 1);
  input.seekg(0);
  std::vector<float> values(rows * kFeatures);
  std::vector<float> labels(rows);
  for (std::size_t row = 0; row < rows; ++row) {
    input.read(reinterpret_cast<char*>(&values[row * kFeatures]), kFeatures * sizeof(float));
    input.read(reinterpret_cast<char*>(&labels[row]), sizeof(float));
  }
  std::vector<model::Feature> features;
  for (const std::string& name : feature_names()) features.push_back({.name = name});
  const model::TrainingMatrix matrix =
      TRY(model::TrainingMatrix::make(values, labels, features, kThreads));
  model::Booster booster = TRY(model::Booster::create(matrix, nullptr));
  const std::vector<std::pair<std::string, std::string>> parameters = {
      {"objective", "binary:logistic"},
      {"tree_method", "hist"},
      {"eval_metric", "logloss"},
      {"max_depth", "6"},
      {"eta", "0.1"},
      {"nthread", std::to_string(kThreads)}};
  for (const auto& [name, value] : parameters) TRY(booster.set_parameter(name, value));
  for (int round = 0; round < rounds; ++round) {
    TRY(booster.update(round, matrix));
    if (evaluates) TRY(booster.evaluate(round, matrix));
  }
  TRY(booster.save());
  return {};
}

}  // namespace
}  // namespace millrace

int main(int argc, char** argv) {
  const std::string how = argc == 4 ? argv[1] : "";
  const int rounds = argc == 4 ? std::atoi(argv[3]) : 0;
  const bool is_bare = how == "bare" || how == "bare-evaluated";
  if ((how != "millrace" && !is_bare) || rounds < 1) {
    std::fputs("usage: bench_training millrace|bare|bare-evaluated FILE ROUNDS\n", stderr);
    return 2;
  }
  const millrace::Status done =
      is_bare ? millrace::by_the_library(argv[2], rounds, how == "bare-evaluated")
              : millrace::by_millrace(argv[2], rounds);
  if (!done.ok()) std::fprintf(stderr, "%s\n", done.error().message().c_str());
  return done.ok() ? 0 : 1;
}
