#pragma once

// An ObjectStore that misbehaves on demand, for the tests of rooms above: what does a commit do
// when its put succeeded and the answer was lost? It breaks no law of the port: everything it does,
// a real store over a real network does.

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "storage/object_store.h"

namespace millrace::storage {

enum class Call {
  Get,
  GetRange,
  Head,
  Put,
  PutIfAbsent,
  MakeDurable,
  Remove,
  List,
  PassedOver,
  StagingFolder,
  Publish,
  EnginePath,
};

enum class Fault {
  None,         // carried out as it is
  Unavailable,  // not carried out; the caller gets Unavailable
  LostAnswer,   // carried out; the caller gets Unavailable
  Repeated,     // carried out twice, as when a request is sent again; the caller gets the second
                // answer (AlreadyExists for its own put_if_absent)
};

/// The `nth` call (from 1, counted since the plan was made) of that kind whose key, prefix or
/// folder contains `key_part`.
struct FaultPlan {
  Call call = Call::Get;
  std::string key_part;
  std::size_t nth = 1;
  Fault fault = Fault::Unavailable;
  /// Called before the call is carried out, without a lock held: another writer's commit that comes
  /// between, or a wait (a delayed call).
  std::function<void()> meanwhile = nullptr;
  /// For List: objects whose key contains this are left out, as a listing may leave out those that
  /// are put while it runs. Empty: none.
  std::string hidden = {};
};

/// Thread-safe when the store under it is.
class FlakyObjectStore final : public ObjectStore {
 public:
  /// `store` is kept, not owned.
  explicit FlakyObjectStore(ObjectStore& store) : store_(store) {}

  /// Each plan comes true once.
  void plan(FaultPlan plan);
  /// How many calls of that kind were made so far.
  std::size_t calls(Call call) const;
  /// Whether every plan has come true: a test that waits for a fault in vain should say so.
  bool all_plans_came_true() const;

  Result<std::string> get(std::string_view key) override;
  Result<std::string> get_range(std::string_view key, std::uint64_t offset,
                                std::uint64_t length) override;
  Result<ObjectInfo> head(std::string_view key) override;
  Status put(std::string_view key, std::string_view bytes) override;
  Status put_if_absent(std::string_view key, std::string_view bytes) override;
  Status make_durable(std::string_view folder) override;
  Status remove(std::string_view key) override;
  Result<std::vector<ObjectInfo>> list(std::string_view prefix,
                                       std::string_view start_after) override;
  Result<std::vector<NoObject>> passed_over(std::string_view prefix) override;
  Result<std::string> staging_folder(std::string_view folder) override;
  Status publish(std::string_view folder, std::span<const std::string> relative_paths) override;
  Result<std::string> engine_path(std::string_view key) override;

 private:
  FaultPlan take_plan(Call call, std::string_view key);
  template <typename CarryOut>
  auto run(Call call, std::string_view key, CarryOut carry_out) -> decltype(carry_out(FaultPlan()));

  ObjectStore& store_;
  mutable std::mutex mutex_;
  std::deque<FaultPlan> plans_;  // nth counts down
  std::vector<Call> calls_;
};

}  // namespace millrace::storage
