#pragma once

// Dags whose files are gone while runs of theirs have not ended.

#include <string>
#include <vector>

#include "orchestration/orchestrator.h"

namespace millrace::server {

/// Whether the server has no such Dag now.
bool is_gone(const orchestration::Orchestrator& orchestrator, const orchestration::DagId& dag);
/// What that means for the runs of it that wait in line, and what can be done.
std::string why_runs_wait(const orchestration::DagId& dag);
/// Those that have not ended, of Dags that are gone, in the order of their Dags and dates.
Result<std::vector<orchestration::RunRecord>> runs_of_gone_dags(
    const orchestration::Orchestrator& orchestrator);

}  // namespace millrace::server
