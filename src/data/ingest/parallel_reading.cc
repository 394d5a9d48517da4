#include "ingest/parallel_reading.h"

#include <algorithm>
#include <exception>
#include <string>
#include <system_error>

namespace millrace::ingest {

ParallelReading::ParallelReading(Source& source, std::span<const Delivery> deliveries, int threads)
    : source_(source), deliveries_(deliveries), lanes_(deliveries.size()) {
  INVARIANT(threads >= 1, "someone must read");
  const std::size_t count = std::min<std::size_t>(static_cast<std::size_t>(threads), lanes_.size());
  start(count);
}

void ParallelReading::start(std::size_t count) {
  most_begun_ = count;
  try {
    for (std::size_t i = 0; i < count; ++i) threads_.emplace_back([this] { work(); });
  } catch (const std::system_error& thrown) {
    if (!threads_.empty()) return;
    for (std::size_t i = 0; i < lanes_.size(); ++i) {
      const std::string what = std::string("no thread can be started: ") + thrown.what();
      lanes_[i].push_back(end_of(i, Error(ErrorCode::Exhausted, what)));
    }
  }
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
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] {
        return stopped_ || begun_ == deliveries_.size() || begun_ < current_ + most_begun_;
      });
      if (stopped_ || begun_ == deliveries_.size()) return;
      mine = begun_++;
    }
    read(mine);
  }
}

ParallelReading::Step ParallelReading::end_of(std::size_t delivery, Error error) const {
  return {.delivery = delivery, .piece = std::nullopt, .outcome = std::move(error), .counts = {}};
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
    end = end_of(delivery, Error(ErrorCode::Internal, "reading " + deliveries_[delivery].path +
                                                          " threw: " + thrown.what()));
  } catch (...) {
    end = end_of(delivery, Error(ErrorCode::Internal,
                                 "reading " + deliveries_[delivery].path + " threw no exception"));
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
