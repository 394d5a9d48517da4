#pragma once

// A running server follows the files of its project.
//
// Attempts read SQL models, suites, features and sources when they begin; if Dags stayed as they
// were when the server started, a run would mix the old ones with the new SQL. So Dags are taken
// over whenever their files changed: before a run is asked for, before the status is told, and
// every few seconds for the schedule. A run that has begun keeps its Dag; one that is run again
// takes the new one.
//
// Files with mistakes, also in the settings of a task, are not taken over: the Dags from before go on
// by their schedule, the status tells the mistakes, and what people ask for is refused with them.
// What a server cannot change under way (its target and the programs, from millrace.yml) is such a
// mistake, whose remedy is to start the server anew.
//
// Files are read on a thread of their own, since a program may take 10 s to describe itself. Who
// asks waits for that only where the file of his own Dag has changed.

#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "orchestration/orchestrator.h"
#include "project/project.h"

namespace millrace::server {

class DagReload {
 public:
  /// `project` is the one whose Dags were added; both outlive this. What is read within a `moment`
  /// everybody waits for.
  DagReload(const project::Project& project, orchestration::Orchestrator& orchestrator,
            Duration moment = std::chrono::seconds(2));
  ~DagReload();

  /// Takes over what changed since the last call, and waits a moment for it. Errors: Invalid names
  /// every mistake, as long as it is there; those of Orchestrator::add_dag; Unavailable when the
  /// files are still being read, and the Dags are as they were. Thread-safe.
  Status refresh();
  /// Before something is done with this Dag: the same, but waits for as long as it takes when its
  /// own file, or millrace.yml, has changed; and otherwise goes on with it as it is.
  Status refresh(const std::string& dag);
  /// Looks at the files every few seconds, too, until stop().
  void follow();
  /// Who waits is answered Unavailable, and nothing more is read.
  void request_stop();
  /// The same, and waits for the end of what is being read. That may stand in a call of the
  /// orchestrator whose store does not answer: stop the orchestrator in between.
  void stop();

 private:
  using Lock = std::unique_lock<std::mutex>;

  Status refresh_for(const std::string* dag);
  void read_when_asked(const std::stop_token& stop);
  void read_once(Lock& lock);
  Result<project::Project> read_project() const;
  Status apply(const project::Project& read);
  void settle(project::DagFiles now, const std::optional<project::Project>& read, Status outcome);
  bool is_dealt_with(const project::DagFiles& now) const;
  void remember_files_of(const project::Project& project);
  bool is_unchanged(const std::string& dag, const project::DagFiles& now) const;

  const project::Project& project_;
  orchestration::Orchestrator& orchestrator_;
  const Duration moment_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::condition_variable settled_;
  bool following_ = false;
  bool stopped_ = false;
  std::uint64_t asked_ = 0;     // who looked and saw a change, counted
  std::uint64_t answered_ = 0;  // up to whom a reading has begun since, and ended
  // The next two are written by the reader, under the lock.
  project::DagFiles seen_;                    // those that were dealt with last
  bool try_again_ = false;                    // what was done with others since is not whole
  Status last_;                               // what came of it
  std::map<std::string, std::string> files_;  // the file of each Dag
  std::jthread reader_;
};

}  // namespace millrace::server
