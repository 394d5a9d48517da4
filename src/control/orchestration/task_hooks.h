#pragma once

// The port through which the orchestrator meets what tasks are; app/tasks implements it.

#include "base/json.h"
#include "base/result.h"
#include "metadata/database.h"
#include "orchestration/executor.h"
#include "orchestration/run.h"

namespace millrace::orchestration {

/// A task instance at the start or the end of an attempt.
struct TaskInstance {
  RunRecord run;
  TaskSpec task;
  AttemptId attempt;
  int generation = 1;  // equal for all retries; what is written under it is written once
  int number = 1;      // of the attempt in this generation
  /// prepare only: what the direct upstream tasks returned, by task id.
  Json upstream_results = Json::object();
};

class TaskHooks {
 public:
  virtual ~TaskHooks() = default;
  /// What the attempt is to run. Called on the orchestrator's thread, outside any transaction, when
  /// the attempt is recorded as queued and before it starts. It must be quick: nothing is scheduled
  /// meanwhile. An Error fails the attempt (and is retried when its code says so).
  virtual Result<Preparation> prepare(const TaskInstance& instance) = 0;
  /// Called in the very transaction that records the task's success, so that what it writes there
  /// is there exactly when the task has succeeded. It changes nothing but the transaction, and may
  /// be called again with the same arguments when a commit failed or its outcome is unknown. An
  /// Error takes everything back and fails the attempt instead. It may run on any thread that is
  /// writing to the database, while the orchestrator waits.
  virtual Status complete(metadata::Transaction& transaction, const TaskInstance& instance,
                          const Json& result) = 0;
};

}  // namespace millrace::orchestration
