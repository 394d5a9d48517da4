#pragma once

// Small Dags for tests.

#include <string>
#include <vector>

#include "orchestration/dag.h"

namespace millrace::orchestration {

inline TaskSpec task_of(const std::string& id) {
  TaskSpec task;
  task.id = TaskId(id);
  task.kind = "test";
  return task;
}

/// Tasks that come one after the other.
inline DagSpec chain_of(const std::string& dag, const std::vector<std::string>& tasks) {
  DagSpec spec;
  spec.id = DagId(dag);
  for (const std::string& id : tasks) {
    TaskSpec task = task_of(id);
    if (!spec.tasks.empty()) task.upstream = {spec.tasks.back().id};
    spec.tasks.push_back(std::move(task));
  }
  return spec;
}

}  // namespace millrace::orchestration
