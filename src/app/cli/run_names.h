#pragma once

// Runs by the time at which they were due, as people name them.

#include <string>

#include "base/result.h"
#include "project/project.h"

namespace millrace::cli {

/// The id of the run that `text` names: a date or a time is the run that `millrace run` makes of it
/// without parameters, anything else is the id itself. Of a Dag whose file is gone the store of runs
/// knows when it was due. Errors: Invalid for a day on which the Dag is due several times.
Result<std::string> run_named(const project::Project& project, const std::string& dag,
                              const std::string& text);

}  // namespace millrace::cli
