#pragma once

// Watching a run until it ends.

#include <map>
#include <set>
#include <string>

#include "cli/connection.h"
#include "cli/terminal.h"

namespace millrace::cli {

class RunFollower {
 public:
  RunFollower(Connection& connection, Terminal& terminal, bool quiet)
      : connection_(connection), terminal_(terminal), quiet_(quiet) {}

  /// Shows what happens after event `after` until the run has finished. Returns the run with its
  /// tasks. The run itself is asked for at its end and where nothing is heard for a while, not with
  /// each event. What keeps it from going on is told on standard error, also to the quiet.
  Result<Json> follow(const std::string& dag, const std::string& run, std::int64_t after);
  /// Whether each task of the run was shown as it ended.
  bool has_shown(const Json& run) const;

 private:
  void show(const Json& event);
  void show_task(const Json& task);
  void show_progress();
  void tell_trouble(const Json& run);

  Connection& connection_;
  Terminal& terminal_;
  bool quiet_;
  std::map<std::string, Json> running_;  // task -> its latest progress, or null
  std::set<std::string> over_;           // tasks that ended; what they still say is not shown
  std::string trouble_;                  // the last that was told
};

/// What an attempt said of its progress (docs/formats/attempt.md), as a bar and words: "[####....]
/// 50 % round 40 of 80"; without a known total only the words.
std::string progress_text(const Json& progress);
/// A finished run.
bool is_finished(const Json& run);

/// How it stands: its state, or "cancelled".
std::string standing_of(const Json& run);

/// What came of it, in a line: why tasks failed, what was refused, which model was judged and how; ""
/// when that is nothing but success.
std::string outcome_of(const Json& run);

/// "/api/v1/dags/weekly/runs/2013-..." with its parts encoded.
std::string run_path(const std::string& dag, const std::string& run);
/// Seconds between two moments of a JSON record, or nothing.
std::optional<Duration> duration_of(const Json& record);
/// The tasks of a run as a table.
void print_tasks(Terminal& terminal, const Json& run);
/// What went wrong, and how the run ended, in its last line.
void print_end(Terminal& terminal, const Json& run);
/// Runs as a table, with what came of each.
void print_runs(Terminal& terminal, const Json& runs);

}  // namespace millrace::cli
