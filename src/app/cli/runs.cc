// runs: what ran, from the store of runs; with a server or without one.

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "cli/run_follower.h"
#include "metadata/database.h"
#include "orchestration/run_store.h"
#include "server/event_log.h"

namespace millrace::cli {
namespace {

Result<Json> list_runs(const project::Project& project, const RunsArguments& arguments) {
  Json runs = Json::array();
  std::error_code error;
  if (!std::filesystem::exists(project.target.metadata, error)) return runs;
  const auto database = TRY(metadata::open_sqlite_to_read(project.target.metadata));
  const auto store = TRY(orchestration::RunStore::open(*database));
  orchestration::RunFilter filter;
  if (!arguments.dag.empty()) filter.dag = orchestration::DagId(arguments.dag);
  filter.limit = static_cast<int>(arguments.limit);
  filter.order = orchestration::RunOrder::LastActive;
  for (const orchestration::RunRecord& run : TRY(store.runs(filter))) {
    const auto tasks = TRY(store.task_instances(run.key));
    std::vector<orchestration::TaskId> ids;
    for (const orchestration::TaskRecord& task : tasks) ids.push_back(task.task);
    runs.push(server::with_outcome(run, tasks, TRY(store.results(run.key, ids))));
  }
  return runs;
}

/// What was begun or stands in line goes on with a server, and with nothing else.
bool waits_for_a_server(const project::Project& project, const Json& runs) {
  if (std::ranges::all_of(runs.as_array(), is_finished)) return false;
  const auto status = status_of_running(project);
  return !status.ok() && status.error().code() == ErrorCode::Unavailable;
}

}  // namespace

int runs(const Common& common, const RunsArguments& arguments) {
  const auto project = open_project(common, project::Parts::config());
  if (!project.ok()) return fail(common, project.error());
  const Result<Json> listed = list_runs(*project, arguments);
  if (!listed.ok()) return fail(common, listed.error());
  if (common.json) {
    print_json(*listed);
    return kSuccess;
  }
  Terminal terminal(stdout);
  if (listed->as_array().empty())
    terminal.line("nothing has run yet");
  else
    print_runs(terminal, *listed);
  if (waits_for_a_server(*project, *listed))
    terminal.line("no server answers: runs that have not ended wait for `millrace up`");
  return kSuccess;
}

}  // namespace millrace::cli
