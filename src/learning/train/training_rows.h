#pragma once

// From the rows of a table to the matrices of a training: encoded features, checked labels, and who
// trains and who validates.

#include <cstdint>
#include <stop_token>
#include <vector>

#include "base/result.h"
#include "model/feature_encoder.h"
#include "train/parameters.h"
#include "train/trainer.h"

namespace millrace::train {

/// Encoded rows and their labels.
struct LabelledRows {
  model::FeatureRows features;
  std::vector<float> labels;
};

struct PreparedRows {
  model::FeatureEncoder encoder;
  LabelledRows training;
  LabelledRows validation;    // empty without a split
  model::FeatureRows golden;  // spread over all rows
};

/// Reads both readers to their ends. Memory: 4 bytes per value of a feature, twice while the rows
/// are split. Errors: those of Trainer::train.
Result<PreparedRows> prepare_rows(const TrainingRequest& request, const Objective& objective,
                                  TrainingRows rows, const std::stop_token& stop);

}  // namespace millrace::train
