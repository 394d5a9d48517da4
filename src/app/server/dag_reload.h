#pragma once

// A running server follows the files of its project.
//
// Attempts read SQL models, suites, features and sources when they begin; if Dags stayed as they
// were when the server started, a run would mix the old ones with the new SQL. So Dags are taken
// over whenever their files changed: before a run is asked for, before the status is told, and
// every few seconds for the schedule. A run that has begun keeps its Dag; one that is run again
// takes the new one.
//
// Files with mistakes are not taken over: the Dags from before go on by their schedule, the status
// tells the mistakes, and what people ask for is refused with them. What a server cannot change
// under way (its target and the programs, from millrace.yml) is such a mistake, whose remedy is to
// start the server anew.

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include "orchestration/orchestrator.h"
#include "project/project.h"

namespace millrace::server {

class DagReload {
 public:
  /// `project` is the one whose Dags were added; both outlive this.
  DagReload(const project::Project& project, orchestration::Orchestrator& orchestrator);
  ~DagReload();

  /// Takes over what changed since the last call. Errors: Invalid names every mistake, as long as it
  /// is there; those of Orchestrator::add_dag. Thread-safe.
  Status refresh();
  /// refresh() every few seconds, from a thread of its own, until stop_following().
  void follow();
  void stop_following();

 private:
  Status take_over();
  Status apply(const project::Project& read);

  const project::Project& project_;
  orchestration::Orchestrator& orchestrator_;
  std::mutex mutex_;
  std::string seen_;  // the state of the files that was dealt with last
  Status last_;       // what came of it
  std::mutex follower_mutex_;
  std::condition_variable_any wake_;
  std::jthread follower_;
};

}  // namespace millrace::server
