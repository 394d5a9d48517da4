#include "tasks/check_suites.h"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <optional>

#include <fmt/core.h>

#include "base/clock.h"
#include "features/point_in_time.h"
#include "lake/lake.h"
#include "quality/validate.h"
#include "sql/names.h"
#include "tasks/each_kind.h"
#include "tasks/references.h"

namespace millrace::tasks {
namespace {

/// What a suite is asked of.
struct Subject {
  std::string name;  // "raw.orders", "the training set 'orders'"
  columnar::Schema columns;
  std::optional<lake::TableName> table;  // that rows of before may be in
};

/// "" where it is missing or wrong, which is said elsewhere.
std::string setting(const TaskSettings& settings, std::string_view key) {
  project::Problems said_elsewhere;
  SettingsReader fields(settings, said_elsewhere);
  return setting_by_default(settings, key, fields).value_or("");
}

bool keeps_rows_of_before(const transform::SqlModel& model) {
  return model.materialized == transform::Materialized::Incremental;
}

class SuiteCheck {
 public:
  SuiteCheck(const SuiteSubjects& subjects, const project::Project& project)
      : subjects_(subjects), project_(project) {}

  std::vector<SuiteMistake> mistakes(const TaskSettings& settings) const {
    const auto suite = project_.suites.find(setting(settings, "suite"));
    const auto subject = subject_of(settings);
    if (suite == project_.suites.end() || !subject.has_value()) return {};
    std::vector<SuiteMistake> found;
    for (const quality::Misfit& misfit : misfits(suite->second.suite, *subject))
      found.push_back(mistake(
          suite->second, misfit,
          fmt::format("{} (task '{}' of the Dag '{}' asks this of {})", misfit.error.message(),
                      settings.task.id.str(), settings.pipeline.dag.id.str(), subject->name)));
    return found;
  }

 private:
  std::vector<quality::Misfit> misfits(const quality::Suite& suite, const Subject& subject) const {
    auto found = quality::misfits(suite, subject.columns);
    if (!found.empty() && subject.table.has_value())
      found = quality::misfits(suite, with_those_in_the_lake(subject));
    return found;
  }

  columnar::Schema with_those_in_the_lake(const Subject& subject) const {
    std::vector<columnar::Field> fields = subject.columns.fields();
    std::error_code error;
    const std::string& lake_folder = project_.target.lake;
    if (!std::filesystem::is_directory(lake_folder, error)) return subject.columns;
    const auto store = storage::open_local_store(lake_folder);
    if (!store.ok()) return subject.columns;
    const auto clock = make_system_clock();
    const auto snapshot = lake::Lake(**store, subjects_.engine, *clock).snapshot(*subject.table);
    if (!snapshot.ok()) return subject.columns;  // none yet
    for (const columnar::Field& field : (*snapshot)->schema().fields())
      if (!subject.columns.index_of(field.name).has_value()) fields.push_back(field);
    return columnar::Schema(std::move(fields));
  }

  std::optional<Subject> subject_of(const TaskSettings& settings) const {
    if (!settings.task.config.contains("table")) return rows_of(upstream_training_set(settings));
    const std::string table = setting(settings, "table");
    const auto name = lake::TableName::parse(table);
    if (!name.ok()) return std::nullopt;
    if (const auto source = subjects_.landed.find(table); source != subjects_.landed.end())
      return Subject{table, source->second, *name};
    for (const transform::SqlModel* model : project_.models.in_order())
      if (model->materialized != transform::Materialized::View && model->table() == table)
        return answer_of(table, "SELECT * FROM " + *sql::quoted_table_name(model->relation()),
                         keeps_rows_of_before(*model) ? std::optional(*name) : std::nullopt);
    return std::nullopt;
  }

  std::optional<Subject> rows_of(const std::optional<BoundSet>& bound) const {
    if (!bound.has_value()) return std::nullopt;
    const auto join = features::PointInTimeJoin::bind(subjects_.session, bound->set, bound->views);
    if (!join.ok()) return std::nullopt;  // said already
    return answer_of(fmt::format("the training set '{}'", bound->set.name), join->select(),
                     std::nullopt);
  }

  std::optional<Subject> answer_of(std::string name, const std::string& select,
                                   std::optional<lake::TableName> table) const {
    auto bound = subjects_.session.bind(select);
    if (!bound.ok()) return std::nullopt;  // said already
    return Subject{std::move(name), std::move(bound->result), std::move(table)};
  }

  static SuiteMistake mistake(const project::SuiteFile& suite, const quality::Misfit& misfit,
                              std::string message) {
    const project::Place place =
        suite.node.has_value() ? project::place_of_mistake(*suite.node, message) : suite.place;
    return {{place, std::move(message)}, misfit.severity == quality::Severity::Critical};
  }

  const SuiteSubjects& subjects_;
  const project::Project& project_;
};

/// The table that a task makes from a SQL model; "" when it makes none.
std::string made_table(const TaskSettings& settings) {
  if (settings.task.kind != sql_model_kind().name()) return "";
  const transform::SqlModel* model = settings.project.models.find(setting(settings, "model"));
  return model == nullptr ? "" : model->table();
}

/// The tasks that Dags declare in files, with their settings.
void each_task(const project::Project& project,
               const std::function<void(const TaskSettings&)>& visit) {
  const project::Problems none;
  for (const project::Pipeline& pipeline : project.pipelines)
    for (const orchestration::TaskSpec& task : pipeline.dag.tasks)
      if (const auto node = pipeline.task_nodes.find(task.id); node != pipeline.task_nodes.end())
        visit({project, pipeline, task, node->second, none});
}

}  // namespace

std::vector<SuiteQuestion> suite_questions(const project::Project& project) {
  std::map<std::string, std::vector<const project::Pipeline*>> makers;  // by table
  each_task(project, [&](const TaskSettings& settings) {
    if (const std::string table = made_table(settings); !table.empty())
      makers[table].push_back(&settings.pipeline);
  });
  std::vector<SuiteQuestion> questions;
  each_task(project, [&](const TaskSettings& settings) {
    if (settings.task.kind != validate_kind().name()) return;
    SuiteQuestion question{&settings.pipeline, &settings.task, &settings.node, {}};
    if (const auto made = makers.find(setting(settings, "table")); made != makers.end())
      question.makers = made->second;
    if (question.makers.empty() ||
        std::ranges::find(question.makers, question.pipeline) != question.makers.end())
      question.makers = {question.pipeline};
    questions.push_back(std::move(question));
  });
  return questions;
}

std::vector<SuiteMistake> suite_mistakes(const SuiteQuestion& question,
                                         const SuiteSubjects& subjects,
                                         const project::Project& project) {
  const project::Problems none;
  return SuiteCheck(subjects, project)
      .mistakes({project, *question.pipeline, *question.task, *question.node, none});
}

}  // namespace millrace::tasks
