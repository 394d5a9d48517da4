#pragma once

// Watching a run until it ends.

#include <string>

#include "cli/connection.h"
#include "cli/terminal.h"

namespace millrace::cli {

class RunFollower {
 public:
  RunFollower(net::HttpClient& client, Terminal& terminal, bool quiet)
      : client_(client), terminal_(terminal), quiet_(quiet) {}

  /// Shows what happens after event `after` until the run has finished. Returns the run with its
  /// tasks.
  Result<Json> follow(const std::string& dag, const std::string& run, std::int64_t after);

 private:
  void show(const Json& event, const std::string& path);
  void show_task(const Json& task, const std::string& path);
  void show_progress();

  net::HttpClient& client_;
  Terminal& terminal_;
  bool quiet_;
  std::map<std::string, Json> running_;  // task -> its latest progress, or null
};

/// "/api/v1/dags/weekly/runs/2013-..." with its parts encoded.
std::string run_path(const std::string& dag, const std::string& run);
/// Seconds between two moments of a JSON record, or nothing.
std::optional<Duration> duration_of(const Json& record);
/// The tasks of a run as a table, and what went wrong.
void print_run(Terminal& terminal, const Json& run);

}  // namespace millrace::cli
