#pragma once

// What `millrace check` finds beyond the files themselves: settings of tasks, SQL that does not
// bind, features that do not fit their models.

#include "project/project.h"

namespace millrace::tasks {

/// Adds what is wrong to `loaded.problems`, and to `loaded.warnings` what check_warnings.h names,
/// once nothing is wrong. Opens an engine without data.
Status check_project(project::Loaded& loaded);

}  // namespace millrace::tasks
