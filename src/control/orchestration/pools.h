#pragma once

// Who may run next: tasks that are ready, by pool, and the slots that they take.

#include <compare>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "base/time.h"
#include "orchestration/dag.h"

namespace millrace::orchestration {

/// A task that waits for slots. What compares less runs first.
struct ReadyTask {
  bool backfill = false;
  Instant logical_date;
  std::uint64_t run = 0;       // number, in the order in which runs were asked for
  std::uint32_t position = 0;  // in the Dag's order
  TaskIndex task = 0;

  auto operator<=>(const ReadyTask&) const = default;
};

/// A pool that does not exist reads as default_pool, and a task that wants more slots than its pool
/// has takes all of them: runs from the store may be older than the settings, and must still end.
class Pools {
 public:
  static constexpr const char* kDefault = "default_pool";

  Pools(int parallelism, const std::map<std::string, int>& slots);

  /// The slots of the pool, none when there is no such pool.
  std::optional<int> size(const std::string& pool) const;
  std::vector<std::string> names() const;

  void add(const std::string& pool, int slots, const ReadyTask& task);
  void remove(const std::string& pool, const ReadyTask& task);

  /// The first of all pools' first tasks that fits, with its slots taken; none when nothing fits.
  /// Costs the logarithm of what waits.
  std::optional<ReadyTask> take();
  /// Takes slots for what runs already (after a restart), even where there are too few.
  void occupy(const std::string& pool, int slots);
  void give_back(const std::string& pool, int slots);

  /// No more than this many run at once, whatever the parallelism says.
  void limit(int running) { most_running_ = running; }
  /// From now on nothing is taken.
  void close() { parallelism_ = 0; }

  int running() const { return running_; }
  std::map<std::string, int> used() const;

 private:
  struct Pool {
    int slots = 0;
    int used = 0;
    std::map<ReadyTask, int> ready;   // with the slots that it wants
    std::optional<ReadyTask> listed;  // its entry in open_
  };

  Pool& named(const std::string& pool);
  void list(Pool& pool);

  int parallelism_;
  int most_running_ = std::numeric_limits<int>::max();
  int running_ = 0;
  std::map<std::string, Pool> pools_;
  std::map<ReadyTask, Pool*> open_;  // the first task of each pool in which it fits
};

}  // namespace millrace::orchestration
