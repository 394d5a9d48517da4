#pragma once

// One attempt, from its request to its result.

#include "base/result.h"
#include "tasks/attempt.h"

namespace millrace::tasks {

/// Runs the task that the request names, unless its content key says that the result of before
/// still stands. The result carries "content_key", and "reused": true when it stood. A request to
/// stop interrupts the statement that runs. Errors: beside the task's own, Exhausted for one that
/// comes near the memory that its resources allow.
Result<Json> run_attempt(Request request, Reporting reporting);

}  // namespace millrace::tasks
