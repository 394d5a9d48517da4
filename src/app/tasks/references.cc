#include "tasks/references.h"

#include <algorithm>

#include <fmt/core.h>

#include "base/suggest.h"
#include "sql/template.h"
#include "tasks/each_kind.h"

namespace millrace::tasks {
namespace {

/// As Attempt::setting() will find it, with the Dag's own parameters and any time.
std::optional<Json> value_by_default(const TaskSettings& settings, const std::string& variable) {
  if (variable == "logical_date" || variable == "interval_start" || variable == "run_id")
    return Json("2000-01-02T00:00:00Z");
  for (const Json* values : {&settings.pipeline.dag.params, &settings.project.vars})
    if (const Json* value = values->find(variable)) return *value;
  return std::nullopt;
}

Result<std::string> by_default(const TaskSettings& settings, const std::string& text,
                               std::string_view key) {
  return sql::render_setting(text, fmt::format("'{}'", key), [&](const std::string& variable) {
    return value_by_default(settings, variable);
  });
}

const orchestration::TaskSpec* task_named(const TaskSettings& settings,
                                          const orchestration::TaskId& id) {
  for (const orchestration::TaskSpec& task : settings.pipeline.dag.tasks)
    if (task.id == id) return &task;
  return nullptr;
}

bool has_mistakes(const TaskSettings& settings, std::string_view folder) {
  return std::ranges::any_of(settings.mistakes, [&](const project::Problem& mistake) {
    return mistake.str().starts_with(fmt::format("{}/", folder));
  });
}

/// Whether nothing is known of what the task gives.
bool may_give_anything(const orchestration::TaskSpec& task) {
  const TaskKind* kind = find_kind(task.kind);
  return kind == nullptr || kind == &command_kind() || kind == &program_kind();
}

}  // namespace

std::optional<std::string> setting_by_default(const TaskSettings& settings, std::string_view key,
                                              project::Fields& fields) {
  const Json& value = settings.task.config[key];
  if (!value.is_string()) return std::nullopt;
  const auto text = by_default(settings, value.as_string(), key);
  if (text.ok()) return *text;
  fields.problem(key, text.error().message());
  return std::nullopt;
}

std::optional<std::string> check_reference(const TaskSettings& settings, std::string_view key,
                                           const Declared& declared,
                                           const std::vector<std::string>& known,
                                           project::Fields& fields) {
  auto name = setting_by_default(settings, key, fields);
  if (!name.has_value() || std::ranges::find(known, *name) != known.end()) return name;
  if (!has_mistakes(settings, declared.folder))
    fields.problem(
        key, fmt::format("there is no {} '{}'{}", declared.what, *name, suggestion(*name, known)));
  return std::nullopt;
}

std::vector<const orchestration::TaskSpec*> upstream_giving(const TaskSettings& settings,
                                                            std::string_view member) {
  std::vector<const orchestration::TaskSpec*> giving;
  for (const orchestration::TaskId& id : settings.task.upstream) {
    const orchestration::TaskSpec* task = task_named(settings, id);
    if (task == nullptr || may_give_anything(*task)) continue;
    const auto given = find_kind(task->kind)->gives();
    if (std::ranges::find(given, member) != given.end()) giving.push_back(task);
  }
  return giving;
}

void check_upstream(const TaskSettings& settings, std::string_view member, std::string_view remedy,
                    project::Fields& fields) {
  for (const orchestration::TaskId& id : settings.task.upstream) {
    const orchestration::TaskSpec* task = task_named(settings, id);
    if (task != nullptr && may_give_anything(*task)) return;
  }
  if (upstream_giving(settings, member).empty())
    fields.problem("upstream",
                   fmt::format("no task directly before '{}' gives '{}'; add a task of kind {} to "
                               "its 'upstream'",
                               settings.task.id.str(), member, remedy));
}

std::optional<BoundSet> upstream_training_set(const TaskSettings& settings) {
  const auto giving = upstream_giving(settings, "dataset");
  if (giving.size() != 1) return std::nullopt;
  const Json& written = giving.front()->config["training_set"];
  if (!written.is_string()) return std::nullopt;
  const auto name = by_default(settings, written.as_string(), "training_set");
  const auto names = training_set_names(settings.project);
  if (!name.ok() || std::ranges::find(names, *name) == names.end()) return std::nullopt;
  auto bound = training_set(settings.project, *name);
  return bound.ok() ? std::optional(*std::move(bound)) : std::nullopt;
}

std::vector<std::string> training_set_names(const project::Project& project) {
  std::vector<std::string> names;
  for (const auto& set : project.features.training_sets) names.push_back(set.name);
  return names;
}

}  // namespace millrace::tasks
