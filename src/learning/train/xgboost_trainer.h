#pragma once

#include <memory>

#include "train/trainer.h"

namespace millrace::train {

/// Gradient boosting by libxgboost in this process, with histograms. Categories are split as
/// categories. The whole table is in memory as 32-bit floats, then as libxgboost's own matrix.
std::unique_ptr<Trainer> make_xgboost_trainer();

}  // namespace millrace::train
