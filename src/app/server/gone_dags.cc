#include "server/gone_dags.h"

#include <algorithm>

#include <fmt/core.h>

namespace millrace::server {

using orchestration::RunRecord;
using orchestration::RunState;

bool is_gone(const orchestration::Orchestrator& orchestrator, const orchestration::DagId& dag) {
  return std::ranges::none_of(orchestrator.dags(),
                              [&](const auto& known) { return known->id() == dag; });
}

std::string why_runs_wait(const orchestration::DagId& dag) {
  return fmt::format(
      "the Dag '{0}' is gone from the project's files: what waits in line begins when it is back, "
      "and `millrace cancel {0}` ends it",
      dag.str());
}

Result<std::vector<RunRecord>> runs_of_gone_dags(const orchestration::Orchestrator& orchestrator) {
  std::vector<RunRecord> found;
  for (const RunState state : {RunState::Running, RunState::Queued})
    for (RunRecord& run : TRY(orchestrator.runs({.dag = {}, .state = state, .limit = 1'000})))
      if (is_gone(orchestrator, run.key.dag)) found.push_back(std::move(run));
  std::ranges::sort(found, {}, [](const RunRecord& run) {
    return std::pair(run.key.dag.str(), run.logical_date);
  });
  return found;
}

}  // namespace millrace::server
