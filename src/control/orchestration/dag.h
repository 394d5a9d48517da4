#pragma once

// A Dag as data: what every way of writing one (YAML, C++, Python) produces, and all that the
// scheduler knows of it. docs/formats/dag.md describes the JSON.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "base/time.h"
#include "orchestration/ids.h"
#include "orchestration/schedule.h"
#include "orchestration/trigger_rule.h"

namespace millrace::orchestration {

/// What an attempt may use of the machine it runs on. The executor keeps it within these.
struct Resources {
  int threads = 0;                 // 0: nothing is said, as many as the target allows
  std::uint64_t memory_bytes = 0;  // 0: no limit

  bool operator==(const Resources&) const = default;
};

struct TaskSpec {
  TaskId id;
  std::string kind;              // what app/tasks makes of it: "command", "sql", "train", ...
  Json config = Json::object();  // for that kind alone; the scheduler never looks inside
  std::vector<TaskId> upstream;  // direct ones
  TriggerRule trigger_rule = TriggerRule::AllSuccess;
  int retries = 0;
  Duration retry_delay = std::chrono::minutes(5);
  bool retry_exponential_backoff = false;  // doubles the delay each time, with full jitter
  Duration max_retry_delay = std::chrono::hours(24);
  std::optional<Duration> execution_timeout;  // of one attempt, from its start
  std::string pool = "default_pool";
  int pool_slots = 1;
  Resources resources;

  bool operator==(const TaskSpec&) const = default;
};

struct DagSpec {
  DagId id;
  std::string description;
  std::string schedule;  // cron, a preset, "@once", or "" for none
  std::string timezone = "UTC";
  std::optional<Instant> start_date;  // no run is due before it
  std::optional<Instant> end_date;    // no run is due after it
  bool catchup = false;               // whether points missed since start_date are run
  /// Runs at once. One by default: tasks that write one table then write it in the order of the
  /// logical dates.
  int max_active_runs = 1;
  Json params = Json::object();  // name -> default value
  std::vector<TaskSpec> tasks;

  Json to_json() const;
  /// Errors: Invalid naming the task and the member, unknown members with a suggestion; Unsupported
  /// for a newer version and for features by name.
  static Result<DagSpec> from_json(const Json& json);

  bool operator==(const DagSpec&) const = default;
};

/// The place of a task in DagSpec::tasks.
using TaskIndex = std::uint32_t;

/// A DagSpec that was checked, with its graph made quick to walk. Immutable.
class Dag {
 public:
  /// Errors: Invalid for ids that are not [A-Za-z0-9_.-]{1,250} beginning with a letter, digit or
  /// _, duplicates, an upstream task that does not exist (with a suggestion), cycles (named as a ->
  /// b -> a), numbers out of range, and what Schedule::parse refuses.
  static Result<std::shared_ptr<const Dag>> make(DagSpec spec);

  const DagSpec& spec() const { return spec_; }
  const DagId& id() const { return spec_.id; }
  const Schedule& schedule() const { return schedule_; }
  /// 16 hexadecimal digits of the content's hash: equal specs have equal versions.
  const std::string& version() const { return version_; }

  TaskIndex size() const { return static_cast<TaskIndex>(spec_.tasks.size()); }
  const TaskSpec& task(TaskIndex index) const { return spec_.tasks[index]; }
  std::optional<TaskIndex> find(const TaskId& id) const;
  std::span<const TaskIndex> upstream(TaskIndex index) const { return upstream_[index]; }
  std::span<const TaskIndex> downstream(TaskIndex index) const { return downstream_[index]; }
  /// The tasks in an order in which each stands behind its upstream ones.
  std::span<const TaskIndex> order() const { return order_; }
  /// Where a task stands in order().
  std::uint32_t position(TaskIndex index) const { return position_[index]; }
  /// The task and everything behind it, in that order.
  std::vector<TaskIndex> with_downstream(TaskIndex index) const;

 private:
  Dag(DagSpec spec, Schedule schedule);
  Status connect();
  Status sort();
  std::string some_cycle(const std::vector<std::uint32_t>& waiting) const;

  DagSpec spec_;
  Schedule schedule_;
  std::string version_;
  std::map<TaskId, TaskIndex> index_;
  std::vector<std::vector<TaskIndex>> upstream_;
  std::vector<std::vector<TaskIndex>> downstream_;
  std::vector<TaskIndex> order_;
  std::vector<std::uint32_t> position_;
};

}  // namespace millrace::orchestration
