#pragma once

// What a run sees: its sources, cut to what was delivered before its logical date, and its SQL
// models over them.

#include <string>
#include <vector>

#include "base/result.h"
#include "features/feature_view.h"
#include "lake/lake.h"
#include "tasks/attempt.h"

namespace millrace::tasks {

/// Compiles `models` and what they read, and defines all of it in the session. Returns the models
/// in order. Errors: NotFound names a source that has not been landed yet.
Result<std::vector<transform::CompiledModel>> define_models(Attempt& attempt,
                                                            const std::vector<std::string>& models);

/// A hash over the models' text and the content of the sources that they read: what decides their
/// rows.
Result<std::string> models_key(Attempt& attempt, const std::vector<std::string>& models);

/// The training set of that name, and its views, with relations of the session in place of model
/// names.
struct BoundSet {
  features::TrainingSet set;
  std::vector<features::FeatureView> views;  // those that it uses
  std::vector<std::string> models;           // all that it reads
};
Result<BoundSet> training_set(const project::Project& project, const std::string& name);

/// What a model learns from: the columns that the caller sends, then those of the feature views.
std::vector<std::string> feature_columns(const features::TrainingSet& set);

}  // namespace millrace::tasks
