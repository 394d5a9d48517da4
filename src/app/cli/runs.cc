// runs: what ran, from the store of runs; with a server or without one.

#include <cstdio>
#include <filesystem>

#include "cli/run_follower.h"
#include "metadata/database.h"
#include "orchestration/run_store.h"
#include "server/event_log.h"

namespace millrace::cli {
namespace {

Result<Json> list_runs(const Common& common, const RunsArguments& arguments) {
  const project::Project project = TRY(open_project(common, project::Parts::config()));
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

}  // namespace

int runs(const Common& common, const RunsArguments& arguments) {
  const Result<Json> listed = list_runs(common, arguments);
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
  return kSuccess;
}

}  // namespace millrace::cli
