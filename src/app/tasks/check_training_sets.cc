#include "tasks/check_training_sets.h"

#include <algorithm>

#include <fmt/core.h>

#include "base/suggest.h"
#include "columnar/schema.h"
#include "features/point_in_time.h"
#include "sql/names.h"
#include "tasks/each_kind.h"
#include "tasks/references.h"

namespace millrace::tasks {
namespace {

class TrainingSetCheck {
 public:
  TrainingSetCheck(const project::Project& project, engine::Session& session,
                   project::Problems& problems)
      : project_(project), session_(session), problems_(problems) {}

  void check(const std::string& name) {
    const auto bound = training_set(project_, name);
    if (!bound.ok()) return problem(in_set(name, bound.error().message()));
    for (const Error& error : features::PointInTimeJoin::check(session_, bound->set, bound->views))
      problem(error.message());
    const auto labels = labels_of(bound->set);
    if (!labels.ok()) return;  // said already
    check_known_at(bound->set, *labels);
    check_label(bound->set, *labels);
    check_joined_columns(bound->set, bound->views);
  }

 private:
  static std::string in_set(const std::string& name, std::string_view message) {
    return fmt::format("training set {}: {}", name, message);
  }

  /// `message` begins with the definition. Several sets may say the same of one view.
  void problem(const std::string& message) {
    const auto same = [&](const project::Problem& other) { return other.message == message; };
    if (std::ranges::any_of(problems_, same)) return;
    problems_.push_back(
        {project::place_in_definition(project_.definitions, message, {"features"}), message});
  }

  Result<columnar::Schema> labels_of(const features::TrainingSet& set) {
    const std::string table = TRY(sql::quoted_table_name(set.labels));
    return TRY(session_.bind("SELECT * FROM " + table)).result;
  }

  void check_known_at(const features::TrainingSet& set, const columnar::Schema& labels) {
    const auto table = sql::quoted_table_name(set.labels);
    const auto check = [&](std::string_view list,
                           const std::vector<features::KnownColumn>& columns) {
      for (std::size_t i = 0; i < columns.size(); ++i) {
        const std::string& known_at = columns[i].known_at;
        if (!labels.index_of(columns[i].name).has_value()) continue;  // said already
        if (known_at == set.timestamp && !labels.index_of(known_at).has_value()) continue;  // too
        const auto bound = session_.bind(fmt::format("SELECT ({}) FROM {}", known_at, *table));
        if (!bound.ok())
          problem(in_set(set.name,
                         fmt::format("{} {} ({}): known_at: {}", list, i + 1, columns[i].name,
                                     no_moment(set, labels, known_at, bound.error().message()))));
      }
    };
    check("request_columns", set.request_columns);
    check("entity_columns", set.entity_columns);
  }

  /// `why`: the engine's words, which help neither where the column's name is a word of SQL nor
  /// where it is mistyped.
  std::string no_moment(const features::TrainingSet& set, const columnar::Schema& labels,
                        const std::string& known_at, const std::string& why) {
    if (labels.index_of(known_at).has_value())
      return fmt::format(
          "'{0}' is a word of SQL, which known_at is; the column of this name is "
          "written in double quotes: known_at: '\"{0}\"'",
          known_at);
    const auto near = nearest_word(known_at, labels.names());
    return fmt::format(
        "'{}' is not a moment that can be read from the labels (a column of theirs "
        "such as {}, or SQL over them){}",
        known_at, as_known_at(set.timestamp, set.labels),
        near.has_value() ? fmt::format("; did you mean {}?", as_known_at(*near, set.labels))
                         : ": " + why);
  }

  /// The column as known_at would have to be written: placed_at, or '"at"' for a word of SQL.
  std::string as_known_at(const std::string& column, const std::string& labels) {
    const auto bound =
        session_.bind(fmt::format("SELECT ({}) FROM {}", column, *sql::quoted_table_name(labels)));
    return bound.ok() ? column : fmt::format("'{}'", sql::quote_identifier(column));
  }

  /// What every objective would refuse, once there are rows.
  void check_label(const features::TrainingSet& set, const columnar::Schema& labels) {
    const auto label = labels.index_of(set.label);
    if (!label.has_value()) return;  // none, or said already
    const columnar::DataType& type = labels[*label].type;
    if (type.kind == columnar::Kind::Boolean || type.is_numeric()) return;
    const std::string learner = task_over(set.name, train_kind());
    if (learner.empty()) return;
    problem(in_set(set.name,
                   fmt::format("label: '{}' is {} in {}, and the task '{}' learns from a number or "
                               "a BOOLEAN; write it as one in the SQL model",
                               set.label, columnar::to_sql(type), set.labels, learner)));
  }

  /// What the leak check would refuse in every run.
  void check_joined_columns(const features::TrainingSet& set,
                            std::span<const features::FeatureView> views) {
    if (task_over(set.name, leak_check_kind()).empty()) return;
    for (const std::string& name : features::undeclared_joined_columns(set, views))
      problem(in_set(set.name, fmt::format("{}: {}", name, features::kUndeclaredJoin)));
  }

  /// The first task of that kind over the set's rows, or "".
  std::string task_over(const std::string& set, const TaskKind& kind) const {
    for (const project::Pipeline& pipeline : project_.pipelines)
      for (const auto& task : pipeline.dag.tasks) {
        const auto node = pipeline.task_nodes.find(task.id);
        if (node == pipeline.task_nodes.end() || task.kind != kind.name()) continue;
        const auto learned =
            upstream_training_set({project_, pipeline, task, node->second, problems_});
        if (learned.has_value() && learned->set.name == set) return task.id.str();
      }
    return "";
  }

  const project::Project& project_;
  engine::Session& session_;
  project::Problems& problems_;
};

}  // namespace

void check_training_sets(const project::Project& project, engine::Session& session,
                         project::Problems& problems) {
  TrainingSetCheck check(project, session, problems);
  for (const auto& set : project.features.training_sets) check.check(set.name);
}

}  // namespace millrace::tasks
