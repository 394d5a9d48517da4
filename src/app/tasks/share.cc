#include "tasks/share.h"

#include <algorithm>

namespace millrace::tasks {
namespace {

constexpr std::uint64_t kMiB = 1ULL << 20U;
constexpr std::uint64_t kProcess = 64 * kMiB;  // of a process that has asked nothing yet: 40 MB
constexpr std::uint64_t kLeastEngine = 32 * kMiB;

/// The smaller of two limits, of which 0 is none.
template <typename Number>
Number within(Number a, Number b) {
  if (a == 0 || b == 0) return std::max(a, b);
  return std::min(a, b);
}

}  // namespace

Share share_of(const orchestration::Resources& task, const project::Target& target) {
  Share share;
  share.threads = within(task.threads, target.threads);
  share.engine_bytes = target.memory_bytes;
  if (task.memory_bytes == 0) return share;
  const std::uint64_t rest = task.memory_bytes - std::min(task.memory_bytes, kProcess);
  share.engine_bytes = within(std::max(rest / 2, kLeastEngine), target.memory_bytes);
  share.process_bytes = task.memory_bytes / 8 * 7;
  return share;
}

}  // namespace millrace::tasks
