#pragma once

// What `millrace check` says of the delivered files, seen from the sources that declare them.
//
// It warns of a source whose pattern no file fits today, and of one whose latest file a run would
// refuse by its first rows: tomorrow's may be well, and no run that needs none of them is held up.
// A mistake is only a `delimiter` that neither the first nor the latest file has while nothing has
// landed yet: no run could land the files.

#include "project/project.h"

namespace millrace::tasks {

/// Adds to the problems and warnings of a project that is otherwise in order. Errors: of the engine
/// and the store.
Status check_deliveries(project::Loaded& loaded);

}  // namespace millrace::tasks
