#pragma once

// The part of `millrace check` that rehearses: every source is opened and every table that the
// project will write is made, in a lake in memory, by the code that a run uses.

#include "base/result.h"
#include "engine/engine.h"
#include "project/project.h"

namespace millrace::tasks {

/// A source's columns as they are after landing.
columnar::Schema landed_schema(const project::SourceTable& source);

/// Notes what a run would refuse: patterns, columns, moments and names of sources; columns and
/// partitioning of SQL models; one table that two would write. Precondition: the models are defined
/// in `session`.
void check_tables(engine::Engine& engine, engine::Session& session, const project::Project& project,
                  project::Problems& problems);

}  // namespace millrace::tasks
