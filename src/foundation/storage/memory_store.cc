#include <algorithm>
#include <atomic>
#include <filesystem>
#include <map>
#include <mutex>

#include "base/file.h"
#include "storage/object_store.h"

namespace millrace::storage {
namespace {

class MemoryStore final : public ObjectStore {
 public:
  explicit MemoryStore(const Clock* clock)
      : own_clock_(clock == nullptr ? make_system_clock() : nullptr),
        clock_(clock == nullptr ? *own_clock_ : *clock) {}

  Result<std::string> get(std::string_view key) override { return *TRY(find(key)).bytes; }

  Result<std::string> get_range(std::string_view key, std::uint64_t offset,
                                std::uint64_t length) override {
    const Object object = TRY(find(key));
    if (offset >= object.bytes->size()) return std::string();
    return object.bytes->substr(offset, length);
  }

  Result<ObjectInfo> head(std::string_view key) override {
    const Object object = TRY(find(key));
    return ObjectInfo{std::string(key), object.bytes->size(), object.modified, object.etag};
  }

  Status put(std::string_view key, std::string_view bytes) override {
    TRY(check_key(key));
    Object object = make(bytes);
    const std::lock_guard lock(mutex_);
    objects_.insert_or_assign(std::string(key), std::move(object));
    return {};
  }

  Status put_if_absent(std::string_view key, std::string_view bytes) override {
    TRY(check_key(key));
    Object object = make(bytes);
    const std::lock_guard lock(mutex_);
    if (!objects_.emplace(std::string(key), std::move(object)).second)
      return Error(ErrorCode::AlreadyExists, "object exists: " + std::string(key));
    return {};
  }

  Status make_durable(std::string_view folder) override {
    const std::vector<ObjectInfo> found = TRY(list(std::string(folder) + "/", ""));
    if (found.empty()) return Error(ErrorCode::NotFound, "no such folder: " + std::string(folder));
    return {};
  }

  Status remove(std::string_view key) override {
    TRY(check_key(key));
    const std::lock_guard lock(mutex_);
    if (const auto found = objects_.find(key); found != objects_.end()) objects_.erase(found);
    return {};
  }

  Result<std::vector<ObjectInfo>> list(std::string_view prefix,
                                       std::string_view start_after) override {
    if (!prefix.empty()) TRY(check_key(std::string(prefix) + "x"));
    std::vector<ObjectInfo> found;
    const std::lock_guard lock(mutex_);
    for (auto at = objects_.lower_bound(prefix);
         at != objects_.end() && at->first.starts_with(prefix); ++at)
      if (at->first > start_after)
        found.push_back(
            {at->first, at->second.bytes->size(), at->second.modified, at->second.etag});
    return found;
  }

  Result<std::string> staging_folder(std::string_view folder) override {
    TRY(check_key(folder));
    std::string path = TRY(own_folder()) + "/staging/" + std::string(folder);
    TRY(make_folders(path));
    return path;
  }

  Status publish(std::string_view folder, std::span<const std::string> relative_paths) override {
    const std::string staging = TRY(staging_folder(folder));
    for (const std::string& relative : relative_paths) {
      const std::string key = std::string(folder).append("/").append(relative);
      TRY(check_key(key));
      const std::string path = std::string(staging).append("/").append(relative);
      TRY(put(key, TRY(read_file(path))));
      std::error_code ignored;  // a file that stays costs only room
      std::filesystem::remove(path, ignored);
    }
    return {};
  }

  Result<std::string> engine_path(std::string_view key) override {
    const Object object = TRY(find(key));
    std::string path = TRY(own_folder()) + "/objects/" + std::string(key);
    TRY(write_file(path, *object.bytes));
    return path;
  }

 private:
  struct Object {
    std::shared_ptr<const std::string> bytes;
    Instant modified;
    std::string etag;
  };

  Object make(std::string_view bytes) {
    return {std::make_shared<const std::string>(bytes), clock_.now(), std::to_string(++puts_)};
  }

  Result<Object> find(std::string_view key) {
    TRY(check_key(key));
    const std::lock_guard lock(mutex_);
    const auto found = objects_.find(key);
    if (found == objects_.end())
      return Error(ErrorCode::NotFound, "no such object: " + std::string(key));
    return found->second;
  }

  Result<std::string> own_folder() {
    const std::lock_guard lock(mutex_);
    if (folder_ == nullptr) folder_ = std::make_unique<TemporaryFolder>(TRY(TemporaryFolder::make()));
    return folder_->path();
  }

  const std::unique_ptr<Clock> own_clock_;
  const Clock& clock_;
  std::mutex mutex_;
  std::atomic<std::int64_t> puts_ = 0;
  std::map<std::string, Object, std::less<>> objects_;
  std::unique_ptr<TemporaryFolder> folder_;  // made when an engine first asks for a path
};

}  // namespace

std::unique_ptr<ObjectStore> make_memory_store(const Clock* clock) {
  return std::make_unique<MemoryStore>(clock);
}

}  // namespace millrace::storage
