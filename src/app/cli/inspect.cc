// check, status, version: looking without changing.

#include <cstdio>

#include <fmt/core.h>

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
  return status_of_running(TRY(open_project(common, project::Parts::config())));
}

/// ", status at http://...", or "" for a server of one command.
std::string status_url(const Json& status) {
  const std::string address = status.string_or("status", "");
  return address.empty() ? "" : fmt::format(", status at http://{}/api/v1/status", address);
}

std::string serving_line(Terminal& terminal, const Json& model) {
  const std::string name = model.string_or("model", "");
  if (!model.contains("instead_of"))
    return fmt::format("  serving {} version {}", name, model.integer_or("version", 0));
  const std::string answers =
      model["version"].is_null()
          ? fmt::format("nothing answers for {}", name)
          : fmt::format("serving {} version {}", name, model.integer_or("version", 0));
  return terminal.paint(
      Colour::Yellow,
      fmt::format("  {}: version {}, which is in Production, cannot be loaded; the server's log "
                  "says why",
                  answers, model.integer_or("instead_of", 0)));
}

void print_status(Terminal& terminal, const Json& status) {
  terminal.line(fmt::format("{} ({}), pid {}, up since {}, predictions at {}{}",
                            terminal.paint(Colour::Bold, status.string_or("project", "")),
                            status.string_or("target", ""), status.integer_or("pid", 0),
                            to_the_second(status.string_or("started_at", "")),
                            status.string_or("endpoint", ""), status_url(status)));
  if (status.bool_or("outdated", false))
    terminal.line(terminal.paint(
        Colour::Yellow,
        "  it runs the program as it was before it was built anew; `millrace down`, then `up`"));
  if (const std::string files = status.string_or("files", ""); !files.empty())
    terminal.line(terminal.paint(Colour::Yellow, "  " + files));
  if (const std::string trouble = status.string_or("trouble", ""); !trouble.empty())
    terminal.line(terminal.paint(Colour::Yellow, "  " + trouble));
  for (const Json& model : status["models"].as_array())
    terminal.line(serving_line(terminal, model));
  for (const Json& dag : status["dags"].as_array()) {
    const std::string next = dag.string_or("next_logical_date", "");
    const std::string schedule = dag.string_or("schedule", "");
    terminal.line(fmt::format(
        "\n{}  {}  {}", terminal.paint(Colour::Bold, dag.string_or("dag", "")),
        schedule.empty() ? "no schedule"
                         : fmt::format("{} ({})", schedule, dag.string_or("timezone", "UTC")),
        next.empty() ? "" : "next " + next));
    if (!dag["runs"].as_array().empty()) print_runs(terminal, dag["runs"]);
  }
  const Json& gone = status["gone_dags"];  // none of an older server
  for (const Json& dag : gone.is_array() ? gone.as_array() : Json::Array()) {
    terminal.line(
        fmt::format("\n{}", terminal.paint(Colour::Yellow, dag.string_or("trouble", ""))));
    print_runs(terminal, dag["runs"]);
  }
}

Json to_json(const project::Problems& problems) {
  Json list = Json::array();
  for (const project::Problem& problem : problems)
    list.push(Json::object({{"file", problem.place.file},
                            {"line", problem.place.line},
                            {"column", problem.place.column},
                            {"message", problem.message}}));
  return list;
}

std::string contents_of(const project::Project& project) {
  const auto many = [](std::size_t number, const char* noun) {
    return counted(static_cast<std::int64_t>(number), noun);
  };
  return fmt::format("{}, {}, {}, {}, {}", many(project.pipelines.size(), "Dag"),
                     many(project.sources.size(), "source"),
                     many(project.models.names().size(), "SQL model"),
                     many(project.suites.size(), "suite"),
                     many(project.features.training_sets.size(), "training set"));
}

}  // namespace

int check(const Common& common) {
  const auto loaded = checked(common);
  if (!loaded.ok()) return fail(common, loaded.error());
  const project::Project& project = loaded->project;
  if (common.json) {
    print_json(Json::object({{"project", project.name},
                             {"problems", to_json(loaded->problems)},
                             {"warnings", to_json(loaded->warnings)}}));
  } else {
    for (const project::Problem& problem : loaded->problems)
      std::fprintf(stderr, "%s\n", problem.str().c_str());
    if (loaded->problems.empty())
      std::printf("%s is in order: %s\n", project.name.c_str(), contents_of(project).c_str());
    else
      std::fprintf(stderr, "%zu to mend\n", loaded->problems.size());
    if (!loaded->warnings.empty()) std::fprintf(stderr, "warnings:\n");
    for (const project::Problem& warning : loaded->warnings)
      std::fprintf(stderr, "  %s\n", warning.str().c_str());
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
