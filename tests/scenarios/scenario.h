#pragma once

// Scheduler stories as short scripts, run by the simulation: see tests/scenarios/README.md for the
// words.

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "orchestration/simulation.h"

namespace millrace::orchestration {

class Scenario {
 public:
  /// Runs the script. Errors: Invalid for a line that cannot be read, DataQuality for an
  /// expectation that does not hold, both with the line's number.
  static Status run(const std::string& text);

 private:
  using Words = std::vector<std::string>;

  Status take(const std::string& line);
  Status obey(Words words);
  Status define_dag(const Words& words);
  Status define_task(const Words& words);
  Status finish_dag();
  Status option(const Words& words);
  Status behave(const std::string& task, const Words& words);
  Status move_to(const std::string& when);
  Status act(const Words& words);
  Status restart(const Words& words);
  Status set_clock(const Words& words);
  Status expect(Words words);
  Status expect_runs(const Words& words);
  Status expect_log(const Words& words);
  Status expect_run(const Words& words);
  Status expect_task(const RunKey& key, const Words& words);
  Status report(const Words& words);

  AttemptPlan plan(const AttemptId& attempt);
  Simulation& simulation();
  RunKey key(const std::string& dag, const std::string& run) const;
  void note(Instant now, const Action& action);

  SchedulerOptions options_;
  Instant now_ = *parse_instant("2013-01-01");
  std::unique_ptr<Simulation> simulation_;
  std::optional<DagSpec> writing_;                             // the Dag whose lines are being read
  std::map<std::string, std::deque<AttemptPlan>> next_plans_;  // by task
  std::map<std::string, AttemptPlan> usual_plans_;
  std::vector<std::string> started_;  // "task run" in order
  std::vector<std::string> refused_;
};

}  // namespace millrace::orchestration
