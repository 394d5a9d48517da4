#pragma once

// What `millrace check` finds beyond the files themselves: settings of tasks, SQL that does not
// bind, features that do not fit their models.

#include "project/project.h"

namespace millrace::tasks {

/// What is wrong with the Dags as they stand: in pipelines/, millrace.yml and the programs, and in the
/// settings of tasks. A mistake in another folder is left out, and so is what its file would declare:
/// a task asks for it when it begins. No engine.
project::Problems problems_of_dags(const project::Loaded& loaded);

/// Adds what is wrong with the project itself to `loaded.problems`. Deliveries are not looked at: one
/// that cannot be read is the matter of the Dag that lands it. Opens an engine without data.
Status check_before_run(project::Loaded& loaded);

/// That, what check_deliveries.h says, and to `loaded.warnings` what check_warnings.h names, once
/// nothing is wrong.
Status check_project(project::Loaded& loaded);

}  // namespace millrace::tasks
