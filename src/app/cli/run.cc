// run, backfill, cancel, clear: runs asked for, and taken back, by people.

#include <algorithm>
#include <cstdio>

#include <fmt/core.h>

#include "cli/asked_runs.h"
#include "cli/run_follower.h"
#include "cli/run_names.h"
#include "cli/stop_signals.h"

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

std::string dag_path(const std::string& dag) {
  return "/api/v1/dags/" + net::encode_part(dag);
}

Error interrupted(const std::string& what) {
  return {ErrorCode::Cancelled, what + " was cancelled"};
}

/// The tasks as a table when some were not shown as they ended.
void show_rest(Terminal& terminal, const RunFollower& follower, const Json& run) {
  terminal.line("");
  if (follower.has_shown(run)) return;
  print_tasks(terminal, run);
  terminal.line("");
}

Result<Json> run_one(const Common& common, const RunArguments& arguments, Terminal& terminal) {
  const project::Project project = arguments.program.empty()
                                       ? TRY(open_checked_project(common))
                                       : TRY(project::program_project(arguments.program));
  const std::string dag = TRY(project.pipeline(arguments.dag))->dag.id.str();
  const Json params = TRY(params_of(arguments.params));
  Json body = Json::object({{"params", params}, {"clear", arguments.clear}});
  if (!arguments.logical_date.empty()) body.set("logical_date", arguments.logical_date);
  AskedRuns asked(project);
  const StopSignals signals([&] { asked.cancel(); });
  Connection connection = TRY(Connection::open(project));
  const Json run =
      TRY(asked.ask([&] { return connection.post_json(dag_path(dag) + "/runs", body); }));
  const std::string id = run.string_or("run_id", "");
  if (const std::string odd = run.string_or("warning", ""); !odd.empty()) warn(odd);
  const bool quiet = arguments.quiet || common.json;
  const std::string_view again =
      arguments.clear ? " (again, all of it)" : " (again: what is unchanged is not done twice)";
  if (!quiet)
    terminal.line(fmt::format("{} {}{}", terminal.paint(Colour::Bold, dag), id,
                              run.bool_or("existed", false) ? again : ""));
  RunFollower follower(connection, terminal, quiet);
  Json ended = TRY(follower.follow(dag, id, run.integer_or("events_after", 0)));
  if (asked.cancelled()) return interrupted("the run " + id);
  if (!quiet) show_rest(terminal, follower, ended);
  return ended;
}

/// Of an answer to a backfill: whether the run had succeeded before, and so was not run again.
bool had_succeeded(const Json& answer, const std::string& run) {
  const Json& done = answer["had_succeeded"];
  return done.is_array() && std::ranges::find(done.as_array(), Json(run)) != done.as_array().end();
}

/// One run of a backfill in a line.
std::string line_of(const Json& run) {
  const auto took = duration_of(run);
  const std::string outcome = outcome_of(run);
  const std::string before =
      run.bool_or("had_succeeded", false)
          ? fmt::format("had succeeded, {}{}", to_the_second(run.string_or("finished_at", "")),
                        outcome.empty() ? "" : ": ")
          : "";
  return fmt::format("  {:<28} {:<9} {:>8}  {}{}", run.string_or("run_id", ""), standing_of(run),
                     took ? format_duration(*took) : "", before, outcome);
}

Result<Json> backfill_all(const Common& common, const BackfillArguments& arguments,
                          Terminal& terminal) {
  const project::Project project = TRY(open_checked_project(common));
  const std::string dag = TRY(project.pipeline(arguments.dag))->dag.id.str();
  const Json params = TRY(params_of(arguments.params));
  const Json body = Json::object({{"from", arguments.from},
                                  {"to", arguments.to},
                                  {"clear", arguments.clear},
                                  {"params", params}});
  AskedRuns asked(project);
  const StopSignals signals([&] { asked.cancel(); });
  Connection connection = TRY(Connection::open(project));
  const Json answer =
      TRY(asked.ask([&] { return connection.post_json(dag_path(dag) + "/backfills", body); }));
  if (const std::string odd = answer.string_or("warning", ""); !odd.empty()) warn(odd);
  const Json::Array& ids = answer["run_ids"].as_array();
  Json runs = Json::array();
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const std::string id = ids[i].as_string();
    terminal.status(
        fmt::format("  {} {} of {}: {}",
                    Terminal::bar(static_cast<double>(i) / static_cast<double>(ids.size())), i + 1,
                    ids.size(), id));
    RunFollower follower(connection, terminal, true);
    Json run = TRY(follower.follow(dag, id, 0));
    run.set("had_succeeded", had_succeeded(answer, id));
    if (!common.json) terminal.line(line_of(run));
    runs.push(std::move(run));
  }
  if (asked.cancelled()) return interrupted("the backfill");
  return Json::object({{"dag", dag}, {"runs", std::move(runs)}});
}

Result<Json> clear_one(const Common& common, const ClearArguments& arguments, Terminal& terminal) {
  const project::Project project = TRY(open_checked_project(common));
  const std::string dag = TRY(project.pipeline(arguments.dag))->dag.id.str();
  AskedRuns asked(project);
  const StopSignals signals([&] { asked.cancel(); });
  Connection connection = TRY(Connection::open(project));
  Json body = Json::object();
  if (!arguments.task.empty()) body.set("task", arguments.task);
  const std::string run = TRY(run_named(project, dag, arguments.run));
  const Json cleared =
      TRY(asked.ask([&] { return connection.post_json(run_path(dag, run) + "/clear", body); }));
  RunFollower follower(connection, terminal, common.json);
  Json ended = TRY(follower.follow(dag, run, cleared.integer_or("events_after", 0)));
  if (asked.cancelled()) return interrupted("the run " + run);
  if (!common.json) show_rest(terminal, follower, ended);
  return ended;
}

/// The run that is named, or all of the Dag that have not ended.
Result<std::vector<std::string>> runs_to_cancel(Connection& connection, const std::string& dag,
                                                const std::string& run) {
  if (!run.empty()) return std::vector<std::string>{run};
  std::vector<std::string> found;
  const Json listed =
      TRY(connection.get_json("/api/v1/runs?limit=1000&dag=" + net::encode_part(dag)));
  for (const Json& each : listed["runs"].as_array())
    if (!is_finished(each)) found.push_back(each.string_or("run_id", ""));
  return found;
}

/// The Dag that is named, also one whose file is gone while its runs are there; or the only one.
Result<std::string> dag_to_cancel(const project::Project& project, Connection& connection,
                                  const std::string& named) {
  const auto pipeline = project.pipeline(named);
  if (pipeline.ok()) return (*pipeline)->dag.id.str();
  if (named.empty()) return pipeline.error();
  const Json runs = TRY(connection.get_json("/api/v1/runs?limit=1&dag=" + net::encode_part(named)));
  if (runs["runs"].as_array().empty()) return pipeline.error();
  return named;
}

Result<Json> cancel_some(const Common& common, const CancelArguments& arguments) {
  const auto whole = open_project(common);
  // Files with mistakes keep nobody from ending what runs; only the Dag has to be named then.
  if (!whole.ok() && arguments.dag.empty()) return whole.error();
  const project::Project project =
      whole.ok() ? *whole : TRY(open_project(common, project::Parts::config()));
  // Without a server nothing of it runs, and nothing shall begin only to be cancelled.
  Connection connection = TRY(Connection::open(project, Attempts::Wait));
  const std::string dag =
      whole.ok() ? TRY(dag_to_cancel(project, connection, arguments.dag)) : arguments.dag;
  Terminal silent(stderr);
  Json runs = Json::array();
  const std::string named = whole.ok() ? TRY(run_named(project, dag, arguments.run)) : arguments.run;
  for (const std::string& run : TRY(runs_to_cancel(connection, dag, named))) {
    const bool had_ended = is_finished(TRY(connection.get_json(run_path(dag, run))));
    TRY(connection.post_json(run_path(dag, run) + "/cancel", Json::object()));
    Json ended = TRY(RunFollower(connection, silent, true).follow(dag, run, 0));
    // It may also have ended by itself at the last moment.
    ended.set("had_ended", had_ended || !ended.bool_or("cancelled", false));
    runs.push(std::move(ended));
  }
  return Json::object({{"dag", dag}, {"runs", std::move(runs)}});
}

bool succeeded(const Json& run) {
  return run.string_or("state", "") == "success";
}

/// "6 runs, 1 failed, 1 cancelled, 2 with a refusal, 3 had succeeded before"; without what there is
/// none of, but failures.
std::string tally_of(const Json::Array& runs) {
  const auto count = [&](const auto& holds) { return std::ranges::count_if(runs, holds); };
  const auto was_cancelled = [](const Json& run) {
    return !succeeded(run) && run.bool_or("cancelled", false);
  };
  const auto was_refused = [](const Json& run) {
    return run["refused"].is_array() && !run["refused"].as_array().empty();
  };
  const auto cancelled = count(was_cancelled);
  const auto refused = count(was_refused);
  std::string text =
      fmt::format("{}, {} failed", counted(static_cast<std::int64_t>(runs.size()), "run"),
                  static_cast<std::ptrdiff_t>(runs.size()) - count(succeeded) - cancelled);
  if (cancelled > 0) text += fmt::format(", {} cancelled", cancelled);
  if (refused > 0) text += fmt::format(", {} with a refusal", refused);
  const auto before = count([](const Json& run) { return run.bool_or("had_succeeded", false); });
  if (before > 0)
    text += fmt::format(", {} had succeeded before (`--clear` runs them again)", before);
  return text;
}

/// Prints how a run ended; returns the exit code.
int tell(const Common& common, Terminal& terminal, const Result<Json>& run) {
  if (!run.ok()) return fail(common, run.error());
  if (common.json) {
    print_json(*run);
  } else {
    print_end(terminal, *run);
  }
  return succeeded(*run) ? kSuccess : kFailed;
}

}  // namespace

int run(const Common& common, const RunArguments& arguments) {
  Terminal terminal(stdout);
  return tell(common, terminal, run_one(common, arguments, terminal));
}

int backfill(const Common& common, const BackfillArguments& arguments) {
  Terminal terminal(stdout);
  const Result<Json> done = backfill_all(common, arguments, terminal);
  if (!done.ok()) return fail(common, done.error());
  if (common.json) print_json(*done);
  const Json::Array& runs = (*done)["runs"].as_array();
  if (!common.json) terminal.line(tally_of(runs));
  return std::ranges::all_of(runs, succeeded) ? kSuccess : kFailed;
}

int clear(const Common& common, const ClearArguments& arguments) {
  Terminal terminal(stdout);
  return tell(common, terminal, clear_one(common, arguments, terminal));
}

int cancel(const Common& common, const CancelArguments& arguments) {
  const Result<Json> done = cancel_some(common, arguments);
  if (!done.ok()) return fail(common, done.error());
  if (common.json) {
    print_json(*done);
    return kSuccess;
  }
  Terminal terminal(stdout);
  for (const Json& run : (*done)["runs"].as_array())
    terminal.line(fmt::format("{} {}{}", run.string_or("run_id", ""),
                              run.bool_or("had_ended", false) ? "had ended: " : "was ",
                              standing_of(run)));
  if ((*done)["runs"].as_array().empty()) terminal.line("nothing runs");
  return kSuccess;
}

}  // namespace millrace::cli
