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

/// The last 20,000 notices of the orchestrator as JSON, numbered from 1. Thread-safe.
class EventLog {
 public:
  void add(const orchestration::Notice& notice);

  struct Page {
    std::vector<Json> events;
    std::int64_t next = 0;  // ask for what comes after this
  };
  /// The events of one run after number `after`; waits up to `patience` when there are none yet. An
  /// `after` of -1 begins at what happens from now on.
  Page after(const orchestration::RunKey& run, std::int64_t after,
             std::chrono::milliseconds patience);
  /// Nobody waits any more.
  void close();

 private:
  struct Entry {
    std::int64_t number;
    orchestration::RunKey run;
    Json event;
  };
  Page collect(const orchestration::RunKey& run, std::int64_t after) const;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Entry> entries_;
  std::int64_t last_ = 0;
  bool closed_ = false;
};

/// Runs and tasks as the API shows them.
Json to_json(const orchestration::RunRecord& run);
Json to_json(const orchestration::TaskRecord& task);

}  // namespace millrace::server
