#include "tasks/check_suites.h"

#include <algorithm>
#include <filesystem>
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
  SuiteCheck(const SuiteSubjects& subjects, project::Loaded& loaded)
      : subjects_(subjects), loaded_(loaded) {}

  void check(const TaskSettings& settings) {
    const auto suite = loaded_.project.suites.find(setting(settings, "suite"));
    const auto subject = subject_of(settings);
    if (suite == loaded_.project.suites.end() || !subject.has_value()) return;
    for (const quality::Misfit& misfit : misfits(suite->second.suite, *subject))
      note(suite->second, misfit,
           fmt::format("{} (task '{}' of the Dag '{}' asks this of {})", misfit.error.message(),
                       settings.task.id.str(), settings.pipeline.dag.id.str(), subject->name));
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
    const std::string& lake_folder = loaded_.project.target.lake;
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
    for (const transform::SqlModel* model : loaded_.project.models.in_order())
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

  void note(const project::SuiteFile& suite, const quality::Misfit& misfit, std::string message) {
    const project::Place place =
        suite.node.has_value() ? project::place_of_mistake(*suite.node, message) : suite.place;
    const bool stops = misfit.severity == quality::Severity::Critical;
    (stops ? loaded_.problems : loaded_.warnings).push_back({place, std::move(message)});
  }

  const SuiteSubjects& subjects_;
  project::Loaded& loaded_;
};

}  // namespace

bool asks_a_suite(const project::Pipeline& pipeline) {
  return std::ranges::any_of(pipeline.dag.tasks, [](const orchestration::TaskSpec& task) {
    return task.kind == validate_kind().name();
  });
}

void check_suites(const project::Pipeline& pipeline, const SuiteSubjects& subjects,
                  project::Loaded& loaded) {
  SuiteCheck check(subjects, loaded);
  const project::Problems none;
  for (const orchestration::TaskSpec& task : pipeline.dag.tasks) {
    const auto node = pipeline.task_nodes.find(task.id);
    if (node == pipeline.task_nodes.end() || task.kind != validate_kind().name()) continue;
    check.check({loaded.project, pipeline, task, node->second, none});
  }
}

}  // namespace millrace::tasks
