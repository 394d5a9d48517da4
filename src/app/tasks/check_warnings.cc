#include "tasks/check_warnings.h"

#include <filesystem>
#include <optional>
#include <set>

#include <fmt/core.h>

#include "base/clock.h"
#include "engine/engine.h"
#include "ingest/landed_table.h"
#include "lake/lake.h"
#include "tasks/open_source.h"

namespace millrace::tasks {
namespace {

using Names = std::set<std::string>;

/// What tasks of that kind name in their setting; nothing where one takes it by a variable.
std::optional<Names> named_by_tasks(const project::Project& project, std::string_view kind,
                                    std::string_view setting) {
  Names names;
  for (const project::Pipeline& pipeline : project.pipelines)
    for (const orchestration::TaskSpec& task : pipeline.dag.tasks) {
      if (task.kind != kind) continue;
      const std::string name = task.config.string_or(setting, "");
      if (name.find("{{") != std::string::npos) return std::nullopt;
      names.insert(name);
    }
  return names;
}

/// Whether the source, as it is declared now, can land in the table that is in the target's lake.
Status fits_what_landed(lake::Lake& lake, const project::Project& project,
                        const project::SourceTable& table) {
  ingest::LandSpec spec{.table = TRY(lake::TableName::parse(table.table)),
                        .event_time = table.event_time};
  for (const auto& [name, source] : project.sources) spec.sources.push_back(name);
  const auto landed = lake.snapshot(spec.table);
  if (!landed.ok()) return {};  // none yet, or one that whoever reads it tells of
  const auto no_files = storage::make_memory_store();
  return ingest::check_landed(**landed, *TRY(ingest::open_file_source(table.files, *no_files)), spec);
}

/// A lake that is not there yet has nothing that could not fit.
Status warn_of_what_landed(const project::Project& project, project::Problems& warnings) {
  std::error_code error;
  if (!std::filesystem::is_directory(project.target.lake, error)) return {};
  const auto store = TRY(storage::open_local_store(project.target.lake));
  const auto engine = TRY(engine::open_duckdb({.threads = 1}));
  const auto clock = make_system_clock();
  lake::Lake lake(*store, *engine, *clock);
  for (const auto& [name, table] : project.sources)
    if (const Status fits = fits_what_landed(lake, project, table); !fits.ok())
      warnings.push_back({table.place, fits.error().message()});
  return {};
}

void warn_of_sources(const project::Project& project, project::Problems& warnings) {
  const auto landed = named_by_tasks(project, "land", "source");
  if (!landed) return;
  for (const auto& [name, table] : project.sources)
    if (!landed->contains(name) && !landed->contains(name.substr(0, name.find('.'))))
      warnings.push_back({table.place, fmt::format("no task lands the source '{}'", name)});
}

void warn_of_models(const project::Project& project, project::Problems& warnings) {
  const auto written = named_by_tasks(project, "sql_model", "model");
  if (!written) return;
  Names used = *written;
  for (const transform::SqlModel* model : project.models.in_order())
    for (const auto& ref : model->text.refs()) used.insert(ref.model);
  for (const auto& view : project.features.views) used.insert(view.source);
  for (const auto& set : project.features.training_sets) used.insert(set.labels);
  for (const transform::SqlModel* model : project.models.in_order())
    if (!used.contains(model->name))
      warnings.push_back(
          {{model->path},
           fmt::format("nothing reads the SQL model '{}', and no task writes it", model->name)});
}

void warn_of_suites(const project::Project& project, project::Problems& warnings) {
  const auto asked = named_by_tasks(project, "validate", "suite");
  if (!asked) return;
  for (const auto& [name, suite] : project.suites)
    if (!asked->contains(name))
      warnings.push_back({suite.place, fmt::format("no task asks the suite '{}'", name)});
}

void warn_of_training_sets(const project::Project& project, project::Problems& warnings) {
  const auto made = named_by_tasks(project, "training_data", "training_set");
  if (!made) return;
  for (const auto& set : project.features.training_sets) {
    const auto node = project.definitions.find("training set " + set.name);
    if (!made->contains(set.name) && node != project.definitions.end())
      warnings.push_back(
          {node->second.place(), fmt::format("no task makes the training set '{}'", set.name)});
  }
}

/// A dbt project has its tests and descriptions there.
void warn_of_properties(const project::Project& project, project::Problems& warnings) {
  namespace fs = std::filesystem;
  const fs::path models = fs::path(project.root) / "models";
  std::set<std::string> files;
  std::error_code error;
  for (fs::recursive_directory_iterator at(models, error), end; !error && at != end;
       at.increment(error))
    if (at->path().extension() == ".yml" || at->path().extension() == ".yaml")
      files.insert(at->path().lexically_relative(project.root).string());
  for (const std::string& file : files)
    warnings.push_back({{file},
                        "of models/ only .sql files are read, so nothing asks the tests that stand "
                        "here; write them as a suite in expectations/"});
}

}  // namespace

Result<project::Problems> warnings_of(const project::Project& project) {
  project::Problems warnings;
  TRY(warn_of_what_landed(project, warnings));
  warn_of_properties(project, warnings);
  if (project.pipelines.empty()) return warnings;
  warn_of_sources(project, warnings);
  warn_of_models(project, warnings);
  warn_of_suites(project, warnings);
  warn_of_training_sets(project, warnings);
  return warnings;
}

}  // namespace millrace::tasks
