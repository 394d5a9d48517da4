#include "orchestration/pools.h"

#include <algorithm>

namespace millrace::orchestration {

Pools::Pools(int parallelism, const std::map<std::string, int>& slots) : parallelism_(parallelism) {
  pools_[kDefault].slots = 128;
  for (const auto& [name, count] : slots) pools_[name].slots = std::max(count, 1);
}

Pools::Pool& Pools::named(const std::string& pool) {
  const auto found = pools_.find(pool);
  return found != pools_.end() ? found->second : pools_.at(kDefault);
}

std::optional<int> Pools::size(const std::string& pool) const {
  const auto found = pools_.find(pool);
  if (found == pools_.end()) return std::nullopt;
  return found->second.slots;
}

std::vector<std::string> Pools::names() const {
  std::vector<std::string> all;
  all.reserve(pools_.size());
  for (const auto& entry : pools_) all.push_back(entry.first);
  return all;
}

void Pools::add(const std::string& name, int slots, const ReadyTask& task) {
  Pool& pool = named(name);
  pool.ready.emplace(task, std::min(slots, pool.slots));
  list(pool);
}

void Pools::remove(const std::string& name, const ReadyTask& task) {
  Pool& pool = named(name);
  pool.ready.erase(task);
  list(pool);
}

void Pools::list(Pool& pool) {
  const bool fits = !pool.ready.empty() && pool.ready.begin()->second <= pool.slots - pool.used;
  if (pool.listed) open_.erase(*pool.listed);
  pool.listed.reset();
  if (!fits) return;
  pool.listed = pool.ready.begin()->first;
  open_.emplace(*pool.listed, &pool);
}

std::optional<ReadyTask> Pools::take() {
  if (running_ >= std::min(parallelism_, most_running_) || open_.empty()) return std::nullopt;
  const auto [task, pool] = *open_.begin();
  pool->used += pool->ready.begin()->second;
  pool->ready.erase(pool->ready.begin());
  ++running_;
  list(*pool);
  return task;
}

void Pools::occupy(const std::string& name, int slots) {
  Pool& pool = named(name);
  pool.used += std::min(slots, pool.slots);
  ++running_;
  list(pool);
}

void Pools::give_back(const std::string& name, int slots) {
  Pool& pool = named(name);
  pool.used -= std::min(slots, pool.slots);
  --running_;
  list(pool);
}

std::map<std::string, int> Pools::used() const {
  std::map<std::string, int> all;
  for (const auto& [name, pool] : pools_) all[name] = pool.used;
  return all;
}

}  // namespace millrace::orchestration
