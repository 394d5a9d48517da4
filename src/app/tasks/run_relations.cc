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

/// The moment before which rows were there for the run: all that it may see.
Instant seen_before(const Attempt& attempt, const project::SourceTable& source) {
  return ingest::rows_before(source.files, attempt.request().logical_date);
}

lake::Predicate seen_by(const Attempt& attempt, const project::SourceTable& source) {
  return {
      {source.available_at, lake::Comparison::Less, format_instant(seen_before(attempt, source))}};
}

/// `whole` holds all landed rows but for files that hold later ones alone; the source's own name only
/// those that this run may see.
Status define_source(Attempt& attempt, const project::SourceTable& source) {
  const auto snapshot = TRY(snapshot_of(attempt, source));
  const std::string whole = "landed_" + source.name;
  TRY(attempt.session().define_scan(whole, TRY(snapshot->scan(seen_by(attempt, source)))));
  return transform::define_cut(attempt.session(), source.name, whole, source.available_at,
                               seen_before(attempt, source));
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
  Json sources = Json::object();
  for (const std::string& name : transform::sources_of(compiled)) {
    const project::SourceTable& source = attempt.project().sources.at(name);
    const auto snapshot = TRY(snapshot_of(attempt, source));
    const std::string content = TRY(snapshot->content_hash(seen_by(attempt, source)));
    sources.set(name, Json::object({{"available_at", source.available_at}, {"content", content}}));
  }
  return sha256_hex(transform::code_hash(compiled) + sources.dump_canonical());
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
  // `millrace check` asks this also of a project with mistakes.
  const auto relation = [&](const std::string& model) -> Result<std::string> {
    const transform::SqlModel* written = project.models.find(model);
    if (written == nullptr)
      return Error(ErrorCode::NotFound,
                   fmt::format("the training set '{}' reads the SQL model '{}', which does not "
                               "exist or has mistakes",
                               name, model));
    return written->relation();
  };
  bound.set.labels = TRY(relation(found->labels));
  std::set<std::string> used;
  for (const auto& reference : found->features) used.insert(reference.view);
  for (const auto& view : project.features.views) {
    if (!used.contains(view.name)) continue;
    bound.models.push_back(view.source);
    bound.views.push_back(view);
    bound.views.back().source = TRY(relation(view.source));
  }
  return bound;
}

namespace {

// Each takes its value apart member by member, so that one which is added there is missed here by
// the compiler and not by a content key.

Json pairs(const std::vector<std::pair<std::string, std::string>>& each) {
  Json json = Json::array();
  for (const auto& [left, right] : each) json.push(Json(std::vector<std::string>{left, right}));
  return json;
}

Json to_json(const features::FeatureView& view) {
  const auto& [name, entities, join_keys, source, timestamp, created, deleted, ttl, mode,
               features] = view;
  Json declared = Json::array();
  for (const auto& [feature, type] : features)
    declared.push(
        Json::object({{"name", feature}, {"type", type ? Json(columnar::to_sql(*type)) : Json()}}));
  return Json::object({{"name", name},
                       {"entities", Json(entities)},
                       {"join_keys", Json(join_keys)},
                       {"source", source},
                       {"timestamp_field", timestamp},
                       {"created_timestamp_column", created},
                       {"deleted_column", deleted},
                       {"ttl_us", ttl ? Json(ttl->count()) : Json()},
                       {"mode", static_cast<int>(mode)},
                       {"features", std::move(declared)}});
}

Json to_json(const std::vector<features::KnownColumn>& columns) {
  Json json = Json::array();
  for (const auto& [name, known_at] : columns)
    json.push(Json::object({{"name", name}, {"known_at", known_at}}));
  return json;
}

Json to_json(const features::TrainingSet& set) {
  const auto& [name, labels, key, timestamp, label, split, request_columns, entity_columns,
               features, embargo] = set;
  Json joined = Json::array();
  for (const auto& [view, feature, alias, on] : features)
    joined.push(
        Json::object({{"view", view}, {"feature", feature}, {"alias", alias}, {"on", pairs(on)}}));
  return Json::object({{"name", name},
                       {"labels", labels},
                       {"key", Json(key)},
                       {"timestamp", timestamp},
                       {"label", label},
                       {"split", split},
                       {"request_columns", to_json(request_columns)},
                       {"entity_columns", to_json(entity_columns)},
                       {"features", std::move(joined)},
                       {"embargo_us", embargo.count()}});
}

}  // namespace

Json declarations(const BoundSet& bound) {
  Json views = Json::array();
  for (const features::FeatureView& view : bound.views) views.push(to_json(view));
  return Json::object({{"training_set", to_json(bound.set)}, {"views", std::move(views)}});
}

Result<std::string> code_hash(const Attempt& attempt, const BoundSet& bound) {
  transform::Variables variables = attempt.variables();
  for (const char* of_the_run : {"logical_date", "interval_start", "run_id"})
    variables.insert_or_assign(of_the_run, std::string(of_the_run));
  const auto compiled = TRY(transform::compile(attempt.project().models, bound.models, variables));
  return sha256_hex(transform::code_hash(compiled) + declarations(bound).dump_canonical());
}

Result<bool> is_in_lake(Attempt& attempt, const std::string& table, std::int64_t version,
                        const std::string& run_id) {
  const auto there = [&]() -> Status {
    const auto snapshot =
        TRY(attempt.lake().snapshot_at(TRY(lake::TableName::parse(table)), lake::Version(version)));
    lake::Predicate part;
    if (!run_id.empty()) part.push_back({"run_id", lake::Comparison::Equal, run_id});
    TRY(snapshot->scan(part));
    return {};
  }();
  if (!there.ok() && there.error().code() != ErrorCode::NotFound) return there.error();
  return there.ok();
}

Result<bool> is_written(Attempt& attempt, const std::string& table) {
  auto snapshot = attempt.lake().snapshot(TRY(lake::TableName::parse(table)));
  if (!snapshot.ok() && snapshot.error().code() == ErrorCode::NotFound) return false;
  return TRY(std::move(snapshot))->txn_version(attempt.writer(table).app_id).has_value();
}

std::vector<std::string> training_columns(const features::TrainingSet& set) {
  std::vector<std::string> columns = set.key;
  columns.push_back(set.timestamp);
  for (const std::string& name : {set.label, set.split})
    if (!name.empty()) columns.push_back(name);
  for (const std::string& name : feature_columns(set)) columns.push_back(name);
  return columns;
}

std::vector<std::string> feature_columns(const features::TrainingSet& set) {
  std::vector<std::string> columns;
  for (const auto& column : set.request_columns) columns.push_back(column.name);
  for (const auto& feature : set.features) columns.push_back(feature.alias);
  return columns;
}

}  // namespace millrace::tasks
