#include "storage/flaky_object_store_fixture.h"

#include <algorithm>

namespace millrace::storage {

void FlakyObjectStore::plan(FaultPlan plan) {
  INVARIANT(plan.nth >= 1, "calls are counted from 1");
  const std::lock_guard lock(mutex_);
  plans_.push_back(std::move(plan));
}

std::size_t FlakyObjectStore::calls(Call call) const {
  const std::lock_guard lock(mutex_);
  return static_cast<std::size_t>(std::ranges::count(calls_, call));
}

bool FlakyObjectStore::all_plans_came_true() const {
  const std::lock_guard lock(mutex_);
  return plans_.empty();
}

// Every plan that the call matches counts it; the first that is due is taken.
FaultPlan FlakyObjectStore::take_plan(Call call, std::string_view key) {
  const std::lock_guard lock(mutex_);
  calls_.push_back(call);
  auto due = plans_.end();
  for (auto plan = plans_.begin(); plan != plans_.end(); ++plan) {
    if (plan->call != call || key.find(plan->key_part) == std::string_view::npos) continue;
    if (plan->nth > 1)
      --plan->nth;
    else if (due == plans_.end())
      due = plan;
  }
  if (due == plans_.end()) return {.fault = Fault::None};
  FaultPlan taken = std::move(*due);
  plans_.erase(due);
  return taken;
}

template <typename CarryOut>
auto FlakyObjectStore::run(Call call, std::string_view key, CarryOut carry_out)
    -> decltype(carry_out(FaultPlan())) {
  const FaultPlan plan = take_plan(call, key);
  if (plan.meanwhile) plan.meanwhile();
  const Error unavailable(ErrorCode::Unavailable, "planned fault: " + std::string(key));
  switch (plan.fault) {
    case Fault::Unavailable:
      return unavailable;
    case Fault::LostAnswer:
      static_cast<void>(carry_out(plan));
      return unavailable;
    case Fault::Repeated:
      static_cast<void>(carry_out(plan));
      return carry_out(plan);
    case Fault::None:
      break;
  }
  return carry_out(plan);
}

Result<std::string> FlakyObjectStore::get(std::string_view key) {
  return run(Call::Get, key, [&](const FaultPlan&) { return store_.get(key); });
}

Result<std::string> FlakyObjectStore::get_range(std::string_view key, std::uint64_t offset,
                                                std::uint64_t length) {
  return run(Call::GetRange, key,
             [&](const FaultPlan&) { return store_.get_range(key, offset, length); });
}

Result<ObjectInfo> FlakyObjectStore::head(std::string_view key) {
  return run(Call::Head, key, [&](const FaultPlan&) { return store_.head(key); });
}

Status FlakyObjectStore::put(std::string_view key, std::string_view bytes) {
  return run(Call::Put, key, [&](const FaultPlan&) { return store_.put(key, bytes); });
}

Status FlakyObjectStore::put_if_absent(std::string_view key, std::string_view bytes) {
  return run(Call::PutIfAbsent, key,
             [&](const FaultPlan&) { return store_.put_if_absent(key, bytes); });
}

Status FlakyObjectStore::make_durable(std::string_view folder) {
  return run(Call::MakeDurable, folder,
             [&](const FaultPlan&) { return store_.make_durable(folder); });
}

Status FlakyObjectStore::remove(std::string_view key) {
  return run(Call::Remove, key, [&](const FaultPlan&) { return store_.remove(key); });
}

Result<std::vector<ObjectInfo>> FlakyObjectStore::list(std::string_view prefix,
                                                       std::string_view start_after) {
  return run(Call::List, prefix, [&](const FaultPlan& plan) {
    Result<std::vector<ObjectInfo>> found = store_.list(prefix, start_after);
    if (found.ok() && !plan.hidden.empty())
      std::erase_if(*found, [&](const ObjectInfo& object) {
        return object.key.find(plan.hidden) != std::string::npos;
      });
    return found;
  });
}

Result<std::vector<NoObject>> FlakyObjectStore::passed_over(std::string_view prefix) {
  return run(Call::PassedOver, prefix,
             [&](const FaultPlan&) { return store_.passed_over(prefix); });
}

Result<std::string> FlakyObjectStore::staging_folder(std::string_view folder) {
  return run(Call::StagingFolder, folder,
             [&](const FaultPlan&) { return store_.staging_folder(folder); });
}

Status FlakyObjectStore::publish(std::string_view folder,
                                 std::span<const std::string> relative_paths) {
  return run(Call::Publish, folder,
             [&](const FaultPlan&) { return store_.publish(folder, relative_paths); });
}

Result<std::string> FlakyObjectStore::engine_path(std::string_view key) {
  return run(Call::EnginePath, key, [&](const FaultPlan&) { return store_.engine_path(key); });
}

}  // namespace millrace::storage
