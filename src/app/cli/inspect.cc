// check, status, logs, version: looking without changing.

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include <fmt/core.h>

#include "base/file.h"
#include "cli/run_follower.h"
#include "engine/engine.h"
#include "tasks/check_project.h"

namespace millrace::cli {
namespace {

Result<project::Loaded> checked(const Common& common) {
  project::Loaded loaded = TRY(project::load_project(common.project, common.target));
  TRY(tasks::check_project(loaded));
  return loaded;
}

Result<Json> status_of(const Common& common) {
  const project::Project project = TRY(open_project(common));
  auto connection = TRY(Connection::to_running(project));
  return connection.client().get_json("/api/v1/status");
}

void print_status(Terminal& terminal, const Json& status) {
  terminal.line(fmt::format("{} ({}), pid {}, up since {}, predictions at {}",
                            terminal.paint(Colour::Bold, status.string_or("project", "")),
                            status.string_or("target", ""), status.integer_or("pid", 0),
                            status.string_or("started_at", ""), status.string_or("endpoint", "")));
  for (const Json& model : status["models"].as_array())
    terminal.line(fmt::format("  serving {} version {}", model.string_or("model", ""),
                              model.integer_or("version", 0)));
  for (const Json& dag : status["dags"].as_array()) {
    const std::string next = dag.string_or("next_logical_date", "");
    terminal.line(
        fmt::format("\n{}  {}  {}", terminal.paint(Colour::Bold, dag.string_or("dag", "")),
                    dag.string_or("schedule", "no schedule"), next.empty() ? "" : "next " + next));
    std::vector<std::vector<std::string>> rows;
    for (const Json& run : dag["runs"].as_array()) {
      const auto took = duration_of(run);
      rows.push_back({run.string_or("run_id", ""), run.string_or("state", ""),
                      run.string_or("reason", ""), took ? format_duration(*took) : ""});
    }
    if (!rows.empty()) terminal.table({"RUN", "STATE", "REASON", "TIME"}, rows);
  }
}

/// The log files of a run, by task and attempt, from the state folder.
Result<std::string> newest_run(const std::string& folder) {
  std::string newest;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error))
    newest = std::max(newest, entry.path().filename().string());
  if (newest.empty()) return Error(ErrorCode::NotFound, "there are no logs in " + folder + " yet");
  return newest;
}

Status print_logs(const Common& common, const LogsArguments& arguments) {
  const project::Project project = TRY(open_project(common));
  const std::string dag = TRY(project.pipeline(arguments.dag))->dag.id.str();
  const std::string dag_folder = project.state + "/logs/" + dag;
  const std::string run = arguments.run.empty() ? TRY(newest_run(dag_folder)) : arguments.run;
  const std::string folder = dag_folder + "/" + run;
  std::vector<std::string> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder, error))
    if (entry.is_regular_file())
      files.push_back(std::filesystem::relative(entry.path(), folder).string());
  if (error) return file_error(error.value(), folder);
  std::ranges::sort(files);
  bool found = false;
  for (const std::string& file : files) {
    if (!arguments.task.empty() && file.substr(0, file.find('/')) != arguments.task) continue;
    found = true;
    std::printf("==> %s %s\n%s", run.c_str(), file.c_str(),
                TRY(read_file(folder + "/" + file)).c_str());
  }
  if (!found)
    return Error(ErrorCode::NotFound,
                 fmt::format("the run {} has no logs of the task '{}'", run, arguments.task));
  return {};
}

}  // namespace

int check(const Common& common) {
  const auto loaded = checked(common);
  if (!loaded.ok()) return fail(common, loaded.error());
  const project::Project& project = loaded->project;
  if (common.json) {
    Json problems = Json::array();
    for (const project::Problem& problem : loaded->problems)
      problems.push(Json::object({{"file", problem.place.file},
                                  {"line", problem.place.line},
                                  {"column", problem.place.column},
                                  {"message", problem.message}}));
    print_json(Json::object({{"project", project.name}, {"problems", std::move(problems)}}));
  } else {
    for (const project::Problem& problem : loaded->problems)
      std::fprintf(stderr, "%s\n", problem.str().c_str());
    if (loaded->problems.empty())
      std::printf(
          "%s is in order: %zu Dags, %zu sources, %zu SQL models, %zu suites, %zu training sets\n",
          project.name.c_str(), project.pipelines.size(), project.sources.size(),
          project.models.names().size(), project.suites.size(),
          project.features.training_sets.size());
    else
      std::fprintf(stderr, "%zu to mend\n", loaded->problems.size());
  }
  return loaded->problems.empty() ? kSuccess : kMistake;
}

int status(const Common& common) {
  const Result<Json> status = status_of(common);
  if (!status.ok()) return fail(common, status.error());
  if (common.json) {
    print_json(*status);
    return kSuccess;
  }
  Terminal terminal(stdout);
  print_status(terminal, *status);
  return kSuccess;
}

int logs(const Common& common, const LogsArguments& arguments) {
  const Status printed = print_logs(common, arguments);
  return printed.ok() ? kSuccess : fail(common, printed.error());
}

int version(const Common& common) {
  const auto engine = engine::open_duckdb({.threads = 1});
  const std::string engine_version = engine.ok() ? (*engine)->version() : "no engine";
  if (common.json)
    print_json(Json::object({{"millrace", MILLRACE_VERSION}, {"engine", engine_version}}));
  else
    std::printf("millrace %s, %s\n", MILLRACE_VERSION, engine_version.c_str());
  return kSuccess;
}

}  // namespace millrace::cli
