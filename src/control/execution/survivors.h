#pragma once

// What a supervisor that was killed leaves behind. The kernel ends the attempts' own processes with
// it, but not those that they had started: `sh -c "train; publish"` is gone, `train` runs on. It
// must not run beside the attempt that takes its place.

#include <set>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "orchestration/ids.h"

namespace millrace::execution {

/// Ends every process that was started by an attempt of `owner` (kAttemptOfVariable in its
/// environment), and all others in its process group, but for what attempts of `spared` have
/// started; returns when they are gone, with their number. Only the one who holds what makes the
/// owner's supervisor the only one (the launcher's lock) may call it. A process that was started
/// with another environment (`env -i`) and is the last one of its group is not found.
/// Errors: Unavailable when some still live after `patience`; it names them.
Result<int> end_survivors(const std::string& owner, Duration patience,
                          const std::set<orchestration::AttemptId>& spared = {});

}  // namespace millrace::execution
