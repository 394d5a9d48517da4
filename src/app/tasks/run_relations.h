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

/// A hash over the models' text, the content of the sources that they read (of the files that may
/// hold rows from before the logical date, so that later weeks change nothing), and the columns by
/// which those are cut: what decides their rows.
Result<std::string> models_key(Attempt& attempt, const std::vector<std::string>& models);

/// The training set of that name, and its views, with relations of the session in place of model
/// names.
struct BoundSet {
  features::TrainingSet set;
  std::vector<features::FeatureView> views;  // those that it uses
  std::vector<std::string> models;           // all that it reads
};
Result<BoundSet> training_set(const project::Project& project, const std::string& name);

/// Everything that the set and its views declare, each member by name: part of the content keys of
/// those that judge by it.
Json declarations(const BoundSet& bound);

/// A hash over what the project itself says of the set's rows: the text of its SQL models with the
/// run's variables (its dates apart, so two weeks of the same project have the same) and the
/// declarations.
Result<std::string> code_hash(const Attempt& attempt, const BoundSet& bound);

/// Whether that version of the table can be read, apart from the bytes of its files. `run_id`: of
/// the partition that must be there; "" for all.
Result<bool> is_in_lake(Attempt& attempt, const std::string& table, std::int64_t version,
                        const std::string& run_id = "");
/// Whether the newest version of the table knows that this run wrote it: not so in a lake that was
/// restored from before, whatever has got the same version there since.
Result<bool> is_written(Attempt& attempt, const std::string& table);

/// What a model learns from: the columns that the caller sends, then those of the feature views.
std::vector<std::string> feature_columns(const features::TrainingSet& set);
/// The columns of its training rows.
std::vector<std::string> training_columns(const features::TrainingSet& set);

}  // namespace millrace::tasks
