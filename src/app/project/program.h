#pragma once

// Pipelines that are programs: `program describe` prints a Dag.

#include <string>

#include "base/result.h"
#include "orchestration/dag.h"

namespace millrace::project {

/// Runs `path describe` (at most 10 s, 4 MiB) and reads the Dag that it prints. Every task's kind
/// is "program". Errors: NotFound, Unavailable (it failed: its words), Invalid (what it printed),
/// Timeout.
Result<orchestration::DagSpec> describe_program(const std::string& path);

}  // namespace millrace::project
