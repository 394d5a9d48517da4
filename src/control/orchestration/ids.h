#pragma once

// The names of what is run, and who an attempt is.

#include <compare>
#include <cstdint>
#include <string>

#include "base/id.h"

namespace millrace::orchestration {

using DagId = Id<struct DagIdTag>;
using TaskId = Id<struct TaskIdTag>;
/// Unique within its Dag: "2013-12-01T05:00:00Z", or with parameters that differ from the Dag's own
/// "2013-12-01T05:00:00Z.score_at=leaky" (run.h).
using RunId = Id<struct RunIdTag>;

struct RunKey {
  DagId dag;
  RunId run;

  auto operator<=>(const RunKey&) const = default;
  /// "weekly_retraining/2013-12-01T05:00:00Z"
  std::string str() const { return dag.str() + "/" + run.str(); }
};

/// The map_index of a task instance that is not one of several of a mapped task; no task is mapped
/// yet.
inline constexpr int kNotMapped = -1;

/// One attempt of one task. `epoch` counts every start of this task in this run, over retries,
/// restarts and clearing: of two attempts of a task the one with the higher epoch is the current
/// one, and what the other reports is refused.
struct AttemptId {
  RunKey run;
  TaskId task;
  int epoch = 0;
  int map_index = kNotMapped;

  auto operator<=>(const AttemptId&) const = default;
  /// "weekly_retraining/2013-12-01T05:00:00Z/train/3", of a mapped task ".../train[7]/3"
  std::string str() const {
    const std::string index = map_index == kNotMapped ? "" : "[" + std::to_string(map_index) + "]";
    return run.str() + "/" + task.str() + index + "/" + std::to_string(epoch);
  }
};

}  // namespace millrace::orchestration

template <>
struct std::hash<millrace::orchestration::RunKey> {
  std::size_t operator()(const millrace::orchestration::RunKey& key) const noexcept {
    return std::hash<std::string>{}(key.run.str()) * 31 + std::hash<std::string>{}(key.dag.str());
  }
};

template <>
struct std::hash<millrace::orchestration::AttemptId> {
  std::size_t operator()(const millrace::orchestration::AttemptId& id) const noexcept {
    return (std::hash<millrace::orchestration::RunKey>{}(id.run) * 31 +
            std::hash<std::string>{}(id.task.str())) *
               31 * 31 +
           static_cast<std::size_t>(id.map_index) * 31 + static_cast<std::size_t>(id.epoch);
  }
};
