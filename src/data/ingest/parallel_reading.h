#pragma once

// Several deliveries read at once on threads of their own, and handed out as if they had been read
// one after the other: what comes out does not depend on timing.
//
// Deliveries are begun in their order, and at most as many as there are threads before the one that
// is being handed out has ended. Each has a short queue of pieces; a thread whose queue is full
// waits. The delivery that is being handed out is always being read and its queue being emptied, so
// nothing waits in a circle, and memory is bounded by threads * (kQueuedPieces + 1) pieces.

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "base/result.h"
#include "ingest/source.h"

namespace millrace::ingest {

class ParallelReading {
 public:
  static constexpr std::size_t kQueuedPieces = 3;

  /// `source` and `deliveries` must outlive the object. `threads` at least 1; where the machine
  /// lends fewer, those read. Where it lends none, every delivery ends with Exhausted.
  ParallelReading(Source& source, std::span<const Delivery> deliveries, int threads);
  /// Stops reading and waits for the threads.
  ~ParallelReading();
  ParallelReading(const ParallelReading&) = delete;
  ParallelReading& operator=(const ParallelReading&) = delete;

  struct Step {
    std::size_t delivery = 0;    // its index
    std::optional<Piece> piece;  // nothing: the delivery ends here, with `outcome`
    Status outcome;
    DeliveryCounts counts;  // of the whole delivery, at its end
  };
  /// The next step, or nothing when every delivery has ended. Of each delivery all pieces come
  /// first, then its end. A failed delivery does not keep the others from being read.
  std::optional<Step> next();

 private:
  void start(std::size_t count);
  void work();
  void read(std::size_t delivery);
  Step end_of(std::size_t delivery, Error error) const;
  bool push(std::size_t delivery, Step step);

  Source& source_;
  std::span<const Delivery> deliveries_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::deque<Step>> lanes_;  // one per delivery
  std::size_t most_begun_ = 0;           // that have not been handed out to their end
  std::size_t begun_ = 0;                // deliveries that a thread has taken
  std::size_t current_ = 0;              // the delivery that is being handed out
  bool stopped_ = false;
  std::vector<std::jthread> threads_;
};

}  // namespace millrace::ingest
