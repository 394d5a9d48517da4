#pragma once

// The files that Dags are read from, and whether they are still those that were read.

#include <string>
#include <vector>

namespace millrace::project {

/// What a file of another content differs in (device, inode, size, time of the last change); "" when
/// there is none.
std::string file_identity(const std::string& path);

/// One text for millrace.yml, pipelines/ and the programs of a project as they are now: it differs
/// once any of them was changed, added or removed. Cost: a look at each file, none is read.
std::string dag_files_state(const std::string& root, const std::vector<std::string>& programs);

}  // namespace millrace::project
