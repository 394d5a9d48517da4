#pragma once

// features/*.yml: what the room features makes of them, with places.

#include "project/project.h"

namespace millrace::project {

/// Adds the entities, feature views and training sets of one file. What is wrong goes into
/// `problems`.
void read_features(const Node& root, Project& project, Problems& problems);

/// When all files are read: looks up what definitions say of each other and of SQL models.
void check_features(Project& project, Problems& problems);

}  // namespace millrace::project
