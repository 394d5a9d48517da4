#pragma once

// millrace.yml and sources/*.yml: small files read member by member.

#include <string>

#include "project/project.h"

namespace millrace::project {

/// Fills name, target, target_names and vars. `wanted` names a target, or is "" for the default.
/// Returns the programs that are named, relative to the project.
std::vector<std::string> read_config(const Node& root, const std::string& wanted, Project& project,
                                     Problems& problems);

/// Adds the tables of one sources file.
void read_sources(const Node& root, Project& project, Problems& problems);

}  // namespace millrace::project
