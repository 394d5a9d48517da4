#pragma once

// One attempt, from its request to its result.

#include "base/result.h"
#include "tasks/attempt.h"

namespace millrace::tasks {

/// Runs the task that the request names, unless its content key says that the result of before
/// still stands. The result carries "content_key", and "reused": true when it stood.
Result<Json> run_attempt(Request request, Reporting reporting);

}  // namespace millrace::tasks
