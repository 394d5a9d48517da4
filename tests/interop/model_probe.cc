// Makes a model as the training task does, for programs in other languages to read.
//
// usage: model_probe FOLDER     writes FOLDER/model.tar.gz and FOLDER/manifest.json

#include <cstdio>

#include "base/file.h"
#include "model/sample_model_fixture.h"
#include "train/xgboost_trainer.h"

namespace millrace {
namespace {

Status make_model(const std::string& folder) {
  std::vector<columnar::RecordBatch> batches;
  batches.push_back(model::sample_flights(3000, 2013));
  const auto schema = batches.front().shared_schema();
  const auto rows = columnar::read_batches(schema, std::move(batches));
  train::TrainingRequest request;
  request.features = {"delay", "carrier", "distance", "weekend"};
  request.label = "late";
  request.parameters = {{"eta", "0.3"}, {"max_depth", "5"}, {"max_cat_to_onehot", "2"}};
  request.rounds = 60;
  request.early_stopping = train::EarlyStopping{.rounds = 5};
  request.validate_on_last = train::ValidateOnLast{.time_column = "at", .fraction = 0.25};
  request.seed = 11;
  const train::TrainedModel trained =
      TRY(train::make_xgboost_trainer()->train(request, {*rows}, {}));
  model::Manifest manifest = train::manifest_of(trained, request);
  manifest.model = "probe";
  manifest.run_id = "probe";
  TRY(write_file(folder + "/model.tar.gz", trained.artefact));
  return write_file(folder + "/manifest.json", model::write_manifest(manifest));
}

}  // namespace
}  // namespace millrace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: model_probe FOLDER\n", stderr);
    return 2;
  }
  const millrace::Status made = millrace::make_model(argv[1]);
  if (made) return 0;
  std::fprintf(stderr, "error: %s\n", made.error().message().c_str());
  return 1;
}
