#include "tasks/attempt.h"

#include <fmt/core.h>

#include "base/file.h"
#include "sql/template.h"

namespace millrace::tasks {
namespace {

transform::Variables variables_of(const project::Project& project, const Request& request) {
  transform::Variables variables;
  for (const auto& [name, value] : project.vars.as_object())
    variables.insert_or_assign(name, value);
  for (const auto& [name, value] : request.params.as_object())
    variables.insert_or_assign(name, value);
  variables.insert_or_assign("logical_date", format_instant(request.logical_date));
  variables.insert_or_assign("interval_start", format_instant(request.interval_start));
  variables.insert_or_assign("run_id", request.run);
  return variables;
}

/// What a task of this kind may read of the project. A Dag is not among it: the server gives the
/// task's settings. So nobody's half-written file fails a task that has no use for it.
project::Parts parts_for(const std::string& kind) {
  project::Parts parts{.suites = kind == "validate", .pipelines = false};
  if (kind == "land" || kind == "command") parts.models = parts.features = false;
  if (kind == "command") parts.sources = false;
  if (kind == "sql_model") parts.features = false;
  return parts;
}

}  // namespace

Attempt::Attempt(Request request, Reporting reporting, project::Project project)
    : request_(std::move(request)),
      reporting_(std::move(reporting)),
      project_(std::move(project)),
      clock_(make_system_clock()),
      variables_(variables_of(project_, request_)),
      share_(share_of(request_.resources, project_.target)) {}

Result<std::unique_ptr<Attempt>> Attempt::open(Request request, Reporting reporting) {
  auto loaded =
      TRY(project::load_project(request.project, request.target, parts_for(request.kind)));
  project::Project project = TRY(project::whole(std::move(loaded)));
  std::unique_ptr<Attempt> attempt(
      new Attempt(std::move(request), std::move(reporting), std::move(project)));
  TRY(attempt->open_parts());
  return attempt;
}

Status Attempt::open_parts() {
  engine_ = TRY(engine::open_duckdb({.threads = share_.threads,
                                     .memory_bytes = share_.engine_bytes,
                                     .spill_folder = project_.state + "/spill"}));
  session_ = TRY(engine_->open_session());
  lake_store_ = TRY(storage::open_local_store(project_.target.lake));
  models_ = TRY(storage::open_local_store(project_.target.models));
  lake_ = std::make_unique<lake::Lake>(*lake_store_, *engine_, *clock_);
  return {};
}

Result<std::string> Attempt::setting(std::string_view name) const {
  const std::string text = TRY_DOING("the task's setting", request_.config.string_at(name));
  return sql::render_setting(text, fmt::format("the task's setting '{}'", name),
                             [&](const std::string& variable) -> std::optional<Json> {
                               const auto found = variables_.find(variable);
                               if (found == variables_.end()) return std::nullopt;
                               return found->second;
                             });
}

Result<std::string> Attempt::setting_or(std::string_view name, std::string fallback) const {
  if (request_.config[name].is_null()) return fallback;
  return setting(name);
}

lake::Writer Attempt::writer(const std::string& table) const {
  return {.app_id = fmt::format("{}/{}/{}/{}", request_.dag, request_.task, request_.run, table),
          .generation = request_.generation};
}

Result<std::string> Attempt::run_folder() const {
  const std::string folder =
      fmt::format("{}/runs/{}/{}", project_.state, request_.dag, request_.run);
  TRY(make_folders(folder));
  return folder;
}

Result<Json> Attempt::upstream_with(std::string_view member) const {
  std::vector<Json> found = all_upstream_with(member);
  if (found.empty())
    return Error(ErrorCode::Invalid,
                 fmt::format("no task directly before '{}' gives a '{}'; add it to 'upstream'",
                             request_.task, member));
  if (found.size() > 1)
    return Error(
        ErrorCode::Invalid,
        fmt::format(
            "several tasks directly before '{}' give a '{}'; let one of them stand before it",
            request_.task, member));
  return std::move(found.front());
}

std::vector<Json> Attempt::all_upstream_with(std::string_view member) const {
  std::vector<Json> found;
  for (const auto& [task, result] : request_.upstream.as_object())
    if (result.contains(member)) found.push_back(result);
  return found;
}

std::string Attempt::versions() const {
  return "millrace " MILLRACE_VERSION "; " + engine_->version();
}

}  // namespace millrace::tasks
