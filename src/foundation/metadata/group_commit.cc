#include "metadata/group_commit.h"

#include <algorithm>

namespace millrace::metadata {
namespace {

// Bounds how long the first of a batch waits for the last, and what one failed commit takes along.
constexpr std::size_t kLargestBatch = 256;
constexpr std::chrono::milliseconds kLongestWait{2};

}  // namespace

Status GroupCommit::write(const Work& work) {
  Request request;
  request.work = &work;
  std::unique_lock lock(mutex_);
  queue_.push_back(&request);
  arrived_.notify_one();
  request.changed.wait(lock,
                       [&] { return request.done || (!leading_ && queue_.front() == &request); });
  if (request.done) return request.outcome;

  leading_ = true;
  const std::vector<Request*> batch = take_batch(lock);
  lock.unlock();
  const auto began = std::chrono::steady_clock::now();
  commit_(batch);
  const auto took = std::chrono::steady_clock::now() - began;
  lock.lock();
  leading_ = false;
  last_batch_ = batch.size();
  last_commit_ = took;
  for (Request* done : batch) {
    done->done = true;
    done->changed
        .notify_one();  // under the lock: the request is gone as soon as its thread sees it
  }
  if (!queue_.empty()) queue_.front()->changed.notify_one();
  return request.outcome;
}

std::size_t GroupCommit::waiting() const {
  const std::lock_guard lock(mutex_);
  return queue_.size();
}

std::vector<GroupCommit::Request*> GroupCommit::take_batch(std::unique_lock<std::mutex>& lock) {
  if (last_batch_ > 1) {
    const auto longest = std::min<std::chrono::steady_clock::duration>(last_commit_, kLongestWait);
    arrived_.wait_for(lock, longest, [&] { return queue_.size() >= last_batch_; });
  }
  const auto size = static_cast<std::ptrdiff_t>(std::min(queue_.size(), kLargestBatch));
  std::vector<Request*> batch(queue_.begin(), queue_.begin() + size);
  queue_.erase(queue_.begin(), queue_.begin() + size);
  return batch;
}

}  // namespace millrace::metadata
