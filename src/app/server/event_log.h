#pragma once

// What has happened lately, for those who watch: the command line today, the web interface later.

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <vector>

#include "base/json.h"
#include "orchestration/orchestrator.h"

namespace millrace::server {

/// The last notices of the orchestrator as JSON, numbered from 1: at most 20,000, and at most 32 MiB
/// of them. An attempt's metrics and lineage are not among them; they may be large, and nobody
/// watches them. Thread-safe.
class EventLog {
 public:
  void add(const orchestration::Notice& notice);

  struct Page {
    std::vector<Json> events;
    std::int64_t next = 0;  // ask for what comes after this
  };
  /// The events of one run after number `after`, as many as fit 1 MiB (at least one); waits up to
  /// `patience` when there are none yet. An `after` of -1 begins at what happens from now on.
  ///
  /// At most 24 wait at a time, since each holds a thread of the server; who comes above that is
  /// answered at once.
  Page after(const orchestration::RunKey& run, std::int64_t after,
             std::chrono::milliseconds patience);
  /// How many wait now.
  int waiting() const;
  /// Nobody waits any more.
  void close();

 private:
  struct Entry {
    std::int64_t number;
    orchestration::RunKey run;
    Json event;
    std::size_t bytes;
  };
  Page collect(const orchestration::RunKey& run, std::int64_t after) const;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Entry> entries_;
  std::size_t bytes_ = 0;  // of all entries
  std::int64_t last_ = 0;
  int waiting_ = 0;
  bool closed_ = false;
};

/// Runs and tasks as the API shows them.
Json to_json(const orchestration::RunRecord& run);
Json to_json(const orchestration::TaskRecord& task);
/// A run and what came of it: "failed" has those of its tasks that failed and "refused" those that
/// gave a refusal, each with its message; "models" the versions that were judged, with whether they
/// were promoted and their metrics. `results` are those of its tasks, by id.
Json with_outcome(const orchestration::RunRecord& run,
                  const std::vector<orchestration::TaskRecord>& tasks, const Json& results);
/// Whether a task that did its work gave a refusal: findings of a leak check, a gate that lets the
/// model not through.
bool is_refusal(const Json& result);

}  // namespace millrace::server
