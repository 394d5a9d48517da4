#pragma once

// A file that another program wrote under a temporary name gets its own name.

#include <string>

#include "base/result.h"

namespace millrace::tasks {

/// After a crash of the machine `path` holds what it held before, or all of `temporary` (fsync,
/// rename, fsync of the folder). Errors: NotFound, Denied, Exhausted, Unavailable.
Status publish_file(const std::string& temporary, const std::string& path);

}  // namespace millrace::tasks
