#pragma once

// What `millrace check` warns of: a project that would run, and probably not as it was meant.
//
//   a source that no task lands, or that no longer fits the table in the target's lake
//   a YAML file in models/, where dbt keeps its tests
//   a SQL model that nothing reads and no task writes
//   a suite that no task asks, a training set that no task makes
//
// What a task takes by a variable ({{ var('set') }}) may be any: then nothing of that sort is warned
// of. Neither is a project without Dags told what is unused: it has just been begun. What is delivered is
// looked at in check_deliveries.h.

#include "project/project.h"

namespace millrace::tasks {

/// Of a project without mistakes. Looks into the lake. Errors: of the engine and the store.
Result<project::Problems> warnings_of(const project::Project& project);

}  // namespace millrace::tasks
