#pragma once

// The C++ door: pipelines written as C++ programs.
//
//   #include <millrace/millrace.h>
//
//   int main(int argc, char** argv) {
//     using namespace millrace;
//     Dag dag{"daily_training_pipeline", {.schedule = "@daily", .start_date = "2023-01-01"}};
//     auto extract = dag.task("extract", [](Context& context) -> Result<> { ... });
//     auto load = dag.task("load", [] { ... });
//     extract >> load;
//     return dag.main(argc, argv);
//   }
//
// The program is the pipeline. Run alone, it asks the `millrace` beside it (or $MILLRACE, or the
// one on the path) to run its Dag and shows the progress. Named under `programs:` in a project's
// millrace.yml, its Dag is scheduled with the others. Both ways Millrace calls the program back:
// `program describe` prints the Dag as JSON, `program run-task ID` is one attempt of one task, in a
// process of its own.
//
// Link with the CMake target millrace::client.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "base/time.h"
#include "millrace/table.h"

namespace millrace {

/// What an attempt of a task can ask and tell, and SQL and tables in a session of the task's own,
/// which begins with its first use. Valid while the task's function runs; calls from several threads
/// of the task are fine.
class Context : public Tables {
 public:
  /// The moment at which this run is due. Its data interval ends here.
  virtual Instant logical_date() const = 0;
  virtual Instant data_interval_start() const = 0;
  Instant data_interval_end() const { return logical_date(); }
  /// The Dag's parameters with those of this run.
  virtual const Json& params() const = 0;
  /// The result of a task that stands before this one (XCom), or null when it gave none.
  virtual Json result_of(std::string_view task_id) const = 0;
  /// 1 for the first attempt of this task in this run.
  virtual int attempt() const = 0;

  /// This task's result, for the tasks behind it. At most 1 MB: pass tables by name, not by value.
  virtual void set_result(Json result) = 0;
  /// A line in the task's log.
  virtual void log(std::string_view message) = 0;
  /// How far this task is: 0..1, with a word for people.
  virtual void progress(double fraction, std::string_view message) = 0;
  /// Whether the run was cancelled, timed out or lost its server: stop soon.
  virtual bool cancelled() const = 0;
};

/// How often and how long a task is tried, and what it needs.
struct TaskOptions {
  int retries = 0;
  Duration retry_delay = std::chrono::minutes(5);
  /// Doubles the wait with each try, up to max_retry_delay, with full jitter.
  bool retry_exponential_backoff = false;
  Duration max_retry_delay = std::chrono::hours(24);
  Duration execution_timeout = Duration::zero();  // none
  /// One of the target's `pools`, of which it takes pool_slots while it runs.
  std::string pool = "default_pool";
  int pool_slots = 1;
  int threads = 0;                 // 0: as many as the target allows
  std::uint64_t memory_bytes = 0;  // 0: no limit
};

class Dag;

/// A task of a Dag under construction. `a >> b` says that b runs after a, and gives b, so that
/// chains read in order. Both must be of one Dag: otherwise main says so.
class TaskRef {
 public:
  TaskRef operator>>(const TaskRef& downstream) const;
  const std::string& id() const;

 private:
  friend class Dag;
  TaskRef(Dag& dag, std::size_t index) : dag_(&dag), index_(index) {}
  Dag* dag_;
  std::size_t index_;
};

/// Several tasks at once: `Tasks{a, b} >> c` says that c runs after both, `a >> Tasks{b, c}` that
/// both run after a.
using Tasks = std::vector<TaskRef>;
TaskRef operator>>(const Tasks& upstream, const TaskRef& downstream);
Tasks operator>>(const TaskRef& upstream, const Tasks& downstream);

struct DagOptions {
  /// A cron expression of five fields, @hourly, @daily, @weekly, @monthly, @yearly, @once, or "".
  std::string schedule = "";
  /// "2023-01-01": no run is due before it. Read as the clocks of `timezone` show it, unless it
  /// says its offset ("2023-01-01T05:00:00Z").
  std::string start_date = "";
  std::string timezone = "UTC";
  bool catchup = false;
  /// With 1 the runs go one after the other, by logical date, so that those that write one table
  /// write it in that order.
  int max_active_runs = 1;
  Json params = Json::object();
  std::string description = "";
};

class Dag {
 public:
  Dag(std::string id, DagOptions options);
  ~Dag();
  Dag(const Dag&) = delete;
  Dag& operator=(const Dag&) = delete;

  /// A task and its work. `work` takes a Context& or nothing, and returns Result<> or nothing; an
  /// exception in it fails the attempt with its text.
  template <typename Work>
  TaskRef task(std::string id, Work work, TaskOptions options = {}) {
    return add(std::move(id), wrap(std::move(work)), std::move(options));
  }

  /// The program's main: describe, run-task, --help, or run the Dag. Returns the exit code.
  int main(int argc, char** argv);

 private:
  friend class TaskRef;
  using TaskFunction = std::function<Result<>(Context&)>;
  struct State;

  template <typename Work>
  static TaskFunction wrap(Work work) {
    return [work = std::move(work)](Context& context) mutable -> Result<> {
      if constexpr (std::is_invocable_v<Work&, Context&>) {
        if constexpr (std::is_void_v<std::invoke_result_t<Work&, Context&>>) {
          work(context);
          return {};
        } else {
          return work(context);
        }
      } else {
        static_assert(std::is_invocable_v<Work&>, "a task's function takes a Context& or nothing");
        if constexpr (std::is_void_v<std::invoke_result_t<Work&>>) {
          work();
          return {};
        } else {
          return work();
        }
      }
    };
  }
  TaskRef add(std::string id, TaskFunction work, TaskOptions options);

  std::unique_ptr<State> state_;
};

}  // namespace millrace
