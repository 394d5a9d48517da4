#pragma once

// The part of `millrace check` that looks at what training sets say of their SQL models' columns.

#include "engine/engine.h"
#include "project/project.h"

namespace millrace::tasks {

/// Notes every column, moment and type that is not as the sets, their views and the tasks that learn
/// from them have it. The project's SQL models are defined in the session, without rows.
void check_training_sets(const project::Project& project, engine::Session& session,
                         project::Problems& problems);

}  // namespace millrace::tasks
