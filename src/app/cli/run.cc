// run, backfill: runs asked for by people.

#include <cstdio>

#include <fmt/core.h>

#include "cli/run_follower.h"

namespace millrace::cli {
namespace {

Result<Json> params_of(const std::vector<std::string>& given) {
  Json params = Json::object();
  for (const std::string& text : given) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0)
      return Error(ErrorCode::Invalid, fmt::format("'--param {}': write it as name=value", text));
    params.set(text.substr(0, equals), text.substr(equals + 1));
  }
  return params;
}

Result<Json> run_one(const Common& common, const RunArguments& arguments, Terminal& terminal) {
  const project::Project project = arguments.program.empty()
                                       ? TRY(open_project(common))
                                       : TRY(project::program_project(arguments.program));
  const project::Pipeline* pipeline = TRY(project.pipeline(arguments.dag));
  const std::string dag = pipeline->dag.id.str();
  Json body = Json::object({{"params", TRY(params_of(arguments.params))}, {"clear", arguments.clear}});
  if (!arguments.logical_date.empty()) body.set("logical_date", arguments.logical_date);
  Connection connection = TRY(Connection::open(project));
  const Json run =
      TRY(connection.client().post_json("/api/v1/dags/" + net::encode_part(dag) + "/runs", body));
  const std::string id = run.string_or("run_id", "");
  if (!arguments.quiet && !common.json)
    terminal.line(fmt::format("{} {}{}", terminal.paint(Colour::Bold, dag), id,
                              run.bool_or("existed", false) ? " (again: what is "
                                                              "unchanged is not done "
                                                              "twice)"
                                                            : ""));
  RunFollower follower(connection.client(), terminal, arguments.quiet || common.json);
  return follower.follow(dag, id, run.integer_or("events_after", 0));
}

Result<Json> backfill_all(const Common& common, const BackfillArguments& arguments,
                          Terminal& terminal) {
  const project::Project project = TRY(open_project(common));
  const std::string dag = TRY(project.pipeline(arguments.dag))->dag.id.str();
  const Json body = Json::object({{"from", arguments.from},
                                  {"to", arguments.to},
                                  {"clear", arguments.clear},
                                  {"params", TRY(params_of(arguments.params))}});
  Connection connection = TRY(Connection::open(project));
  const Json asked = TRY(
      connection.client().post_json("/api/v1/dags/" + net::encode_part(dag) + "/backfills", body));
  const Json::Array& ids = asked["run_ids"].as_array();
  Json runs = Json::array();
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const std::string id = ids[i].as_string();
    terminal.status(
        fmt::format("  {} {} of {}: {}",
                    Terminal::bar(static_cast<double>(i) / static_cast<double>(ids.size())), i + 1,
                    ids.size(), id));
    RunFollower follower(connection.client(), terminal, true);
    const Json run = TRY(follower.follow(dag, id, 0));
    const auto took = duration_of(run);
    if (!common.json)
      terminal.line(fmt::format("  {:<28} {:<8} {}", id, run.string_or("state", ""),
                                took ? format_duration(*took) : ""));
    runs.push(run);
  }
  return Json::object({{"dag", dag}, {"runs", std::move(runs)}});
}

}  // namespace

int run(const Common& common, const RunArguments& arguments) {
  Terminal terminal(stdout);
  const Result<Json> run = run_one(common, arguments, terminal);
  if (!run.ok()) return fail(common, run.error());
  if (common.json) {
    print_json(*run);
  } else {
    terminal.line("");
    print_run(terminal, *run);
  }
  return run->string_or("state", "") == "success" ? kSuccess : kFailed;
}

int backfill(const Common& common, const BackfillArguments& arguments) {
  Terminal terminal(stdout);
  const Result<Json> done = backfill_all(common, arguments, terminal);
  if (!done.ok()) return fail(common, done.error());
  if (common.json) print_json(*done);
  int failed = 0;
  for (const Json& run : (*done)["runs"].as_array())
    failed += run.string_or("state", "") == "success" ? 0 : 1;
  if (!common.json)
    terminal.line(fmt::format("{} runs, {} failed", (*done)["runs"].as_array().size(), failed));
  return failed == 0 ? kSuccess : kFailed;
}

}  // namespace millrace::cli
