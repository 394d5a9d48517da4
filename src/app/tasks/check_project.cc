#include "tasks/check_project.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <set>

#include <fmt/core.h>

#include "base/suggest.h"
#include "engine/engine.h"
#include "tasks/check_deliveries.h"
#include "tasks/check_suites.h"
#include "tasks/check_training_sets.h"
#include "tasks/check_warnings.h"
#include "tasks/table_rehearsal.h"
#include "tasks/task_kind.h"
#include "transform/compile.h"

namespace millrace::tasks {
namespace {

/// `before`: what is known to be wrong with the files.
void check_tasks(const project::Project& project, const project::Problems& before,
                 project::Problems& problems) {
  std::vector<std::string> kinds;
  for (const TaskKind* kind : all_kinds()) kinds.emplace_back(kind->name());
  for (const project::Pipeline& pipeline : project.pipelines)
    for (const auto& task : pipeline.dag.tasks) {
      const auto node = pipeline.task_nodes.find(task.id);
      if (node == pipeline.task_nodes.end()) continue;  // a program's
      const TaskKind* kind = find_kind(task.kind);
      if (kind != nullptr) {
        kind->check({project, pipeline, task, node->second, before}, problems);
        continue;
      }
      const project::Node* written = node->second.find("kind");
      if (written == nullptr) continue;  // said already
      problems.push_back({written->place(), fmt::format("there is no kind of task '{}'{}",
                                                        task.kind, suggestion(task.kind, kinds))});
    }
}

/// The values that var() can have before there is a run: the defaults of `dag` (null: of none before
/// others), those of the project, the defaults of every Dag, and any time.
transform::Variables variables_of_dag(const project::Project& project,
                                      const project::Pipeline* dag) {
  transform::Variables variables;
  const auto fill_in = [&](const Json& values) {
    for (const auto& [name, value] : values.as_object()) variables.emplace(name, value);
  };
  if (dag != nullptr) fill_in(dag->dag.params);
  fill_in(project.vars);
  for (const project::Pipeline& pipeline : project.pipelines) fill_in(pipeline.dag.params);
  variables.insert_or_assign("logical_date", "2000-01-02T00:00:00Z");
  variables.insert_or_assign("interval_start", "2000-01-01T00:00:00Z");
  variables.insert_or_assign("run_id", "2000-01-02T00:00:00Z");
  return variables;
}

/// The values that SQL models read, of the Dag's own parameters before others.
transform::Variables read_by_models(const project::Project& project, const project::Pipeline& dag) {
  const transform::Variables all = variables_of_dag(project, &dag);
  transform::Variables read;
  for (const transform::SqlModel* model : project.models.in_order())
    for (const sql::Template::Var& var : model->text.vars())
      if (const auto value = all.find(var.name); value != all.end()) read.insert(*value);
  return read;
}

/// A suite is asked of what the parameters of the Dag make that makes its table; of several, one that
/// fits it is enough, since each may be another's turn. All models are bound once for each set of values.
void check_suites(project::Loaded& loaded,
                  const std::map<std::string, transform::LandedSource>& sources,
                  const SuiteSubjects& subjects) {
  const project::Project& project = loaded.project;
  const std::vector<SuiteQuestion> questions = suite_questions(project);
  struct Values {
    transform::Variables variables;
    std::set<std::size_t> questions;
  };
  std::map<std::string, Values> by_values;
  for (std::size_t i = 0; i < questions.size(); ++i)
    for (const project::Pipeline* maker : questions[i].makers) {
      transform::Variables variables = read_by_models(project, *maker);
      Json text = Json::object();
      for (const auto& [name, value] : variables) text.set(name, value);
      Values& values = by_values[text.dump()];
      values.variables = std::move(variables);
      values.questions.insert(i);
    }
  std::map<std::size_t, std::vector<SuiteMistake>> mistakes;
  std::set<std::size_t> fits;
  for (const auto& [text, values] : by_values) {
    std::vector<Error> errors;
    transform::check_models(subjects.session, project.models, sources, values.variables, errors);
    for (const std::size_t i : values.questions) {
      // A model that these values break stands as the values of all Dags made it; a run will tell.
      auto found = suite_mistakes(questions[i], subjects, project);
      if (found.empty()) fits.insert(i);
      mistakes.try_emplace(i, std::move(found));
    }
  }
  for (auto& [i, found] : mistakes)
    for (SuiteMistake& mistake : found)
      if (!fits.contains(i))
        (mistake.stops ? loaded.problems : loaded.warnings).push_back(std::move(mistake.problem));
}

Status check_sql(project::Loaded& loaded) {
  const project::Project& project = loaded.project;
  project::Problems& problems = loaded.problems;
  const auto engine =
      engine::open_duckdb({.threads = 1, .memory_bytes = project.target.memory_bytes});
  if (!engine.ok()) {
    problems.push_back({{"millrace.yml"},
                        fmt::format("'memory' of the target '{}': {}", project.target.name,
                                    engine.error().message())});
    return {};
  }
  const auto session = TRY((*engine)->open_session());
  TableRehearsal rehearsal(**engine, *session, problems);
  bool sources_are_well = true;
  for (const auto& [name, source] : project.sources)
    sources_are_well = rehearsal.land(source) && sources_are_well;
  if (!sources_are_well) return {};  // SQL over them would only repeat it
  std::map<std::string, transform::LandedSource> sources;
  for (const auto& [name, source] : project.sources)
    sources.emplace(name,
                    transform::LandedSource{rehearsal.landed().at(source.table), source.table});
  std::vector<Error> errors;
  transform::check_models(*session, project.models, sources, variables_of_dag(project, nullptr),
                          errors);
  for (const Error& error : errors)
    problems.push_back(project::problem_with_place("models/", error.message()));
  for (const transform::SqlModel* model : project.models.in_order())
    if (model->materialized != transform::Materialized::View) rehearsal.write(*model);
  if (!errors.empty()) return {};
  check_training_sets(project, *session, problems);
  check_suites(loaded, sources, {rehearsal.landed(), **engine, *session});
  return {};
}

/// An empty pipelines/ is a project that is being written; none at all was forgotten or moved.
void check_there_are_dags(const project::Project& project, project::Problems& problems) {
  std::error_code error;
  if (!project.pipelines.empty() || std::filesystem::exists(project.root + "/pipelines", error))
    return;
  problems.push_back({{"pipelines/"},
                      "there is no such folder, and millrace.yml names no 'programs', so the "
                      "project has no Dag and nothing can run; write one as pipelines/NAME.yml"});
}

/// In a file that a Dag's task only names.
bool is_elsewhere(const project::Problem& problem) {
  const std::string said = problem.str();  // a problem without a place names its file first
  return std::ranges::any_of(std::array{"sources/", "models/", "expectations/", "features/"},
                             [&](const char* folder) { return said.starts_with(folder); });
}

}  // namespace

project::Problems problems_of_dags(const project::Loaded& loaded) {
  project::Problems problems = loaded.problems;
  std::erase_if(problems, is_elsewhere);
  check_tasks(loaded.project, loaded.problems, problems);
  return problems;
}

Status check_before_run(project::Loaded& loaded) {
  const bool readable = loaded.problems.empty();
  if (readable) check_there_are_dags(loaded.project, loaded.problems);
  check_tasks(loaded.project, project::Problems(loaded.problems), loaded.problems);
  // SQL over half a project would only repeat what is known to be wrong.
  return readable ? check_sql(loaded) : Status();
}

Status check_project(project::Loaded& loaded) {
  TRY(check_before_run(loaded));
  if (loaded.problems.empty()) TRY(check_deliveries(loaded));
  if (loaded.problems.empty())
    for (project::Problem& warning : TRY(warnings_of(loaded.project)))
      loaded.warnings.push_back(std::move(warning));
  return {};
}

}  // namespace millrace::tasks
