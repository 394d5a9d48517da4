#include "tasks/run_relations.h"

#include <algorithm>
#include <set>

#include <fmt/core.h>

#include "base/hash.h"
#include "base/suggest.h"
#include "transform/compile.h"

namespace millrace::tasks {
namespace {

Result<std::shared_ptr<const lake::Snapshot>> snapshot_of(Attempt& attempt,
                                                          const project::SourceTable& source) {
  const auto name = TRY(lake::TableName::parse(source.table));
  auto snapshot = attempt.lake().snapshot(name);
  if (!snapshot.ok() && snapshot.error().code() == ErrorCode::NotFound)
    return Error(
        ErrorCode::NotFound,
        fmt::format("the source '{}' has not been landed yet: there is no table '{}'; let a "
                    "task of kind land stand before this one",
                    source.name, source.table));
  return snapshot;
}

/// `whole` holds all landed rows; the source's own name only those that this run may see.
Status define_source(Attempt& attempt, const project::SourceTable& source) {
  const auto snapshot = TRY(snapshot_of(attempt, source));
  const std::string whole = "landed." + source.name.substr(0, source.name.find('.')) + "_" +
                            source.name.substr(source.name.find('.') + 1);
  TRY(attempt.session().define_scan(whole, TRY(snapshot->scan())));
  return transform::define_cut(attempt.session(), source.name, whole, source.available_at,
                               attempt.request().logical_date);
}

}  // namespace

Result<std::vector<transform::CompiledModel>> define_models(
    Attempt& attempt, const std::vector<std::string>& models) {
  auto compiled = TRY(transform::compile(attempt.project().models, models, attempt.variables()));
  for (const std::string& name : transform::sources_of(compiled))
    TRY(define_source(attempt, attempt.project().sources.at(name)));
  TRY(transform::define(attempt.session(), compiled));
  return compiled;
}

Result<std::string> models_key(Attempt& attempt, const std::vector<std::string>& models) {
  const auto compiled =
      TRY(transform::compile(attempt.project().models, models, attempt.variables()));
  Sha256 hash;
  hash.update(transform::code_hash(compiled));
  for (const std::string& name : transform::sources_of(compiled)) {
    const auto snapshot = TRY(snapshot_of(attempt, attempt.project().sources.at(name)));
    hash.update(name).update(snapshot->content_hash());
  }
  return hash.hex();
}

Result<BoundSet> training_set(const project::Project& project, const std::string& name) {
  BoundSet bound;
  std::vector<std::string> names;
  const features::TrainingSet* found = nullptr;
  for (const auto& set : project.features.training_sets) {
    names.push_back(set.name);
    if (set.name == name) found = &set;
  }
  if (found == nullptr)
    return Error(ErrorCode::NotFound,
                 fmt::format("there is no training set '{}'{}", name, suggestion(name, names)));
  bound.set = *found;
  bound.models = {found->labels};
  const auto relation = [&](const std::string& model) {
    return project.models.find(model)->relation();
  };
  bound.set.labels = relation(found->labels);
  std::set<std::string> used;
  for (const auto& reference : found->features) used.insert(reference.view);
  for (const auto& view : project.features.views) {
    if (!used.contains(view.name)) continue;
    bound.models.push_back(view.source);
    bound.views.push_back(view);
    bound.views.back().source = relation(view.source);
  }
  return bound;
}

std::vector<std::string> feature_columns(const features::TrainingSet& set) {
  std::vector<std::string> columns;
  for (const auto& column : set.request_columns) columns.push_back(column.name);
  for (const auto& feature : set.features) columns.push_back(feature.alias);
  return columns;
}

}  // namespace millrace::tasks
