#pragma once

// The files that Dags are read from, and whether they are still those that were read.

#include <map>
#include <string>
#include <vector>

namespace millrace::project {

/// What a file of another content differs in (device, inode, size, time of the last change); "" when
/// there is none.
std::string file_identity(const std::string& path);

/// The identities of millrace.yml, of what is in pipelines/ and of the programs of a project, by
/// their paths below its folder, as a Pipeline's place has them.
using DagFiles = std::map<std::string, std::string>;

/// As they are now. Cost: a look at each file, none is read.
DagFiles look_at_dag_files(const std::string& root, const std::vector<std::string>& programs);

}  // namespace millrace::project
