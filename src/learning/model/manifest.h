#pragma once

// The JSON that lies beside an artefact: what the model takes, what it was made of, how good it is,
// and rows with the scores that it must give. The page is docs/formats/model_manifest.md.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "base/time.h"
#include "model/feature.h"

namespace millrace::model {

/// The rows that a model was trained on, pinned.
struct DataVersion {
  std::string table;         // "features.training_data"
  std::int64_t version = 0;  // of the table's Delta log
  std::string content_hash;
  std::int64_t rows = 0;

  bool operator==(const DataVersion&) const = default;
};

/// One row as a caller would send it, and the score of the library that trained the model.
struct GoldenRow {
  std::vector<Json> inputs;  // in the order of the features: number, text or null
  double score = 0;

  bool operator==(const GoldenRow&) const = default;
};

struct Manifest {
  std::string model;  // its name, the same in all its versions
  std::vector<Feature> features;
  std::string label;
  std::string objective;                          // "binary:logistic"
  std::map<std::string, std::string> parameters;  // as the trainer got them
  std::uint32_t seed = 0;
  int rounds = 0;                     // in the artefact
  std::optional<int> best_iteration;  // counted from 0; present when early stopping chose it
  DataVersion data;
  std::string code_hash;
  /// Of the training's own rows, named by them: "validation_logloss". How good it is on the holdout
  /// is found out later, and kept with the registered version.
  std::map<std::string, double> metrics;
  std::vector<GoldenRow> golden_rows;
  std::string library;          // "xgboost 3.2.0"
  std::string artefact_sha256;  // of model.tar.gz
  std::string run_id;
  std::int64_t generation = 0;  // of the task in its run
  Instant logical_date;         // of the run: which rows it may have learned from

  bool operator==(const Manifest&) const = default;
};

inline constexpr std::size_t kGoldenRows = 64;
inline constexpr double kGoldenTolerance = 1e-6;

/// Written with an indent, ending in a newline.
std::string write_manifest(const Manifest& manifest);

/// Errors: Corruption names the member and what was expected (also: no golden rows, a row that is
/// not as wide as the features, features that break check_features); Unsupported for a manifest of
/// a newer Millrace; Exhausted above 64 MiB.
Result<Manifest> read_manifest(std::string_view text);

}  // namespace millrace::model
