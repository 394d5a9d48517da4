#pragma once

// Dags as users write them in YAML: pipelines/*.yml.

#include <map>
#include <string>
#include <vector>

#include "orchestration/dag.h"
#include "project/yaml.h"

namespace millrace::project {

/// One Dag and where it was written.
struct Pipeline {
  orchestration::DagSpec dag;
  Place place;
  /// The mapping of each task, so that whoever knows its kind can read the rest of it with places.
  std::map<orchestration::TaskId, Node> task_nodes;
  /// The program that holds the tasks, absolute; empty for YAML.
  std::string program;
};

/// The members that a task has whatever its kind; all others belong to the kind and stand in
/// TaskSpec::config.
const std::vector<std::string>& common_task_members();

/// Reads a pipeline file. What is missing or wrong goes into `problems`; the Dag is whole only when
/// there are none. `default_id` is the file's name without its ending.
Pipeline read_pipeline(const Node& root, const std::string& default_id, Problems& problems);

}  // namespace millrace::project
