#pragma once

// The port through which a model is made from a table.
//
// The law that every implementation keeps:
//   - The same rows in the same order, request and library give the same bytes, whatever `threads`
//     is and however the rows were cut into batches.
//   - Categories are learned from the training rows only; one that occurs in validation alone is
//     missing there, as it would be when served.
//   - A null label, a number that is not finite, a label that the objective does not take end the
//     training with an error that names the row.

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"
#include "columnar/record_batch.h"
#include "model/manifest.h"

namespace millrace::train {

/// The rows of the latest moments validate, the others train. Rows of one moment stay together, so
/// the part may be a little larger than asked for.
struct ValidateOnLast {
  std::string time_column;  // a date, moment or whole number without nulls
  double fraction = 0.2;    // of the rows, between 0 and 1
};

/// Ends the training when the metric over the validation rows did not get better for `rounds`
/// rounds; the model keeps the rounds up to the best one.
struct EarlyStopping {
  int rounds = 10;
};

struct TrainingRequest {
  std::vector<std::string> features;     // columns, in the model's order
  std::vector<std::string> categorical;  // of them, categories though they are not text
  std::string label;
  std::map<std::string, std::string> parameters;  // see parameters.h
  int rounds = 100;                               // at most
  /// What a round is judged by; empty: as fits the objective. See check_round_metric.
  std::string metric;
  std::optional<EarlyStopping> early_stopping;
  /// When the validation rows do not come separately.
  std::optional<ValidateOnLast> validate_on_last;
  std::uint32_t seed = 0;
  int threads = 1;
};

struct TrainingRows {
  columnar::BatchReader& training;
  columnar::BatchReader* validation = nullptr;  // the caller's split
};

/// The metric after one round.
struct RoundMetrics {
  int round = 0;  // counts from 1
  double training = 0;
  std::optional<double> validation;

  bool operator==(const RoundMetrics&) const = default;
};

struct TrainingControl {
  /// Called after every round, on the training thread.
  std::function<void(const RoundMetrics&)> progress;
  std::stop_token stop;
};

struct TrainedModel {
  std::string artefact;  // model.tar.gz
  std::vector<model::Feature> features;
  std::vector<model::GoldenRow> golden_rows;
  std::map<std::string, std::string> parameters;  // checked, with the defaults that we set
  std::string objective;
  std::string library;                // "xgboost 3.2.0"
  std::string metric;                 // of the rounds
  std::vector<RoundMetrics> history;  // every round that was trained, also those cut off
  int rounds = 0;                     // in the artefact
  /// The last round of the artefact, counted from 0, when early stopping chose it.
  std::optional<int> best_iteration;
  std::int64_t training_rows = 0;
  std::int64_t validation_rows = 0;

  /// The metric after the last round of the artefact. Precondition: it has rounds.
  const RoundMetrics& last_round() const { return history[static_cast<std::size_t>(rounds - 1)]; }
};

class Trainer {
 public:
  virtual ~Trainer() = default;
  /// Errors: Invalid (the request, or a value: row and column), NotFound (a column, with a
  /// suggestion), DataQuality (no rows, or all labels of a binary model equal), Cancelled,
  /// Exhausted (memory), Unavailable (the library), and the readers' own.
  virtual Result<TrainedModel> train(const TrainingRequest& request, TrainingRows rows,
                                     const TrainingControl& control) = 0;
};

/// The manifest as far as the training knows it, with the metrics of its last round
/// ("training_logloss", "validation_logloss"); the caller adds the model's name, data version, code
/// hash, run and logical date.
model::Manifest manifest_of(const TrainedModel& trained, const TrainingRequest& request);

}  // namespace millrace::train
