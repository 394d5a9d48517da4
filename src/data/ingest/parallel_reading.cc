#include "ingest/parallel_reading.h"

#include <algorithm>
#include <exception>
#include <string>

namespace millrace::ingest {

ParallelReading::ParallelReading(Source& source, std::span<const Delivery> deliveries, int threads)
    : source_(source), deliveries_(deliveries), lanes_(deliveries.size()) {
  INVARIANT(threads >= 1, "someone must read");
  const std::size_t count = std::min<std::size_t>(static_cast<std::size_t>(threads), lanes_.size());
  for (std::size_t i = 0; i < count; ++i) threads_.emplace_back([this] { work(); });
}

ParallelReading::~ParallelReading() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  changed_.notify_all();
}

void ParallelReading::work() {
  while (true) {
    std::size_t mine = 0;
    {
      const std::lock_guard lock(mutex_);
      if (stopped_ || begun_ == deliveries_.size()) return;
      mine = begun_++;
    }
    read(mine);
  }
}

void ParallelReading::read(std::size_t delivery) {
  Step end{.delivery = delivery, .piece = std::nullopt, .outcome = {}, .counts = {}};
  try {
    auto reader = source_.open(deliveries_[delivery]);
    if (!reader.ok()) {
      end.outcome = std::move(reader).error();
    } else {
      while (true) {
        Result<std::optional<Piece>> piece = (*reader)->next();
        if (!piece.ok()) {
          end.outcome = std::move(piece).error();
          break;
        }
        if (!*piece) break;
        if (!push(delivery, {delivery, *std::move(piece), {}, {}})) return;
      }
      end.counts = (*reader)->counts();
    }
  } catch (const std::exception& thrown) {
    end.outcome = Error(ErrorCode::Internal,
                        "reading " + deliveries_[delivery].path + " threw: " + thrown.what());
  }
  push(delivery, std::move(end));
}

/// Puts a step into the delivery's queue when there is room. False when nobody wants it any more.
bool ParallelReading::push(std::size_t delivery, Step step) {
  {
    std::unique_lock lock(mutex_);
    std::deque<Step>& lane = lanes_[delivery];
    changed_.wait(lock, [&] { return stopped_ || lane.size() < kQueuedPieces; });
    if (stopped_) return false;
    lane.push_back(std::move(step));
  }
  changed_.notify_all();
  return true;
}

std::optional<ParallelReading::Step> ParallelReading::next() {
  std::optional<Step> step;
  {
    std::unique_lock lock(mutex_);
    if (current_ == lanes_.size()) return std::nullopt;
    std::deque<Step>& lane = lanes_[current_];
    changed_.wait(lock, [&] { return !lane.empty(); });
    step = std::move(lane.front());
    lane.pop_front();
    if (!step->piece) ++current_;
  }
  changed_.notify_all();
  return step;
}

}  // namespace millrace::ingest
