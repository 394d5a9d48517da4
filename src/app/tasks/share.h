#pragma once

// What an attempt may use, of what its task and its target allow.

#include <cstdint>

#include "orchestration/dag.h"
#include "project/project.h"

namespace millrace::tasks {

/// A process whose task has a limit of memory is ended by the executor when it holds more. So the
/// engine gets a part of that limit, and spills beyond it; the rest is for the process itself, for
/// what an engine keeps outside of its own count (strings of a hash table, rows on their way) and
/// for the trainer.
struct Share {
  int threads = 0;                 // of the engine and the trainer; 0: the machine's
  std::uint64_t engine_bytes = 0;  // 0: the engine's own default
  /// Beyond it the attempt ends itself, with an error that says so; 0: never.
  std::uint64_t process_bytes = 0;
};

/// The smaller of both in everything. A target's memory is the engine's; a task's is the process's,
/// of which the engine gets (memory - 64 MiB) / 2, at least 32 MiB. (An engine of 180 MB was seen in
/// processes of 200 to 520 MB.)
Share share_of(const orchestration::Resources& task, const project::Target& target);

}  // namespace millrace::tasks
