#include "storage/local_store.h"

#include <algorithm>
#include <cerrno>
#include <set>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "storage/local_listing.h"
#include "storage/local_tree.h"

namespace millrace::storage {
namespace {

constexpr std::uint64_t kLargestRead = 1ULL << 30U;

Result<struct stat> status_of(const FileDescriptor& file, const std::string& shown) {
  struct stat found{};
  if (::fstat(file.get(), &found) != 0) return file_error(errno, shown);
  return found;
}

Result<std::string> read_range(const FileDescriptor& file, std::uint64_t offset,
                               std::uint64_t length, const std::string& shown) {
  if (length > kLargestRead)
    return Error(ErrorCode::Exhausted, "more than 1 GiB in one read; read it in ranges: " + shown);
  std::string bytes(length, '\0');
  std::size_t filled = 0;
  while (filled < bytes.size()) {
    const ssize_t got = ::pread(file.get(), bytes.data() + filled, bytes.size() - filled,
                                static_cast<off_t>(offset + filled));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return file_error(errno, shown);
    if (got == 0) break;
    filled += static_cast<std::size_t>(got);
  }
  bytes.resize(filled);
  return bytes;
}

class LocalStore final : public ObjectStore {
 public:
  LocalStore(LocalTree tree, NewName way) : tree_(std::move(tree)), way_(way) {}

  Result<std::string> get(std::string_view key) override { return get_range(key, 0, UINT64_MAX); }

  Result<std::string> get_range(std::string_view key, std::uint64_t offset,
                                std::uint64_t length) override {
    TRY(check_key(key));
    const std::string shown = tree_.path_of(key);
    const FileDescriptor file = TRY(tree_.file(key));
    const auto size = static_cast<std::uint64_t>(TRY(status_of(file, shown)).st_size);
    if (offset >= size) return std::string();
    return read_range(file, offset, std::min(length, size - offset), shown);
  }

  Result<ObjectInfo> head(std::string_view key) override {
    TRY(check_key(key));
    const FileDescriptor file = TRY(tree_.file(key));
    return info_of(std::string(key), TRY(status_of(file, tree_.path_of(key))));
  }

  Status put(std::string_view key, std::string_view bytes) override {
    return write(key, bytes,
                 [](TemporaryFile& file, const FileDescriptor& folder, const std::string& name,
                    const std::string& shown) { return file.replace(folder, name, shown); });
  }

  Status put_if_absent(std::string_view key, std::string_view bytes) override {
    return write(
        key, bytes,
        [this](TemporaryFile& file, const FileDescriptor& folder, const std::string& name,
               const std::string& shown) { return file.become(folder, name, shown, way_); });
  }

  Status make_durable(std::string_view folder) override {
    TRY(check_key(folder));
    TRY(tree_.folder(folder));  // durable_folder would make it
    return sync(TRY(tree_.durable_folder(folder)), tree_.path_of(folder));
  }

  Status remove(std::string_view key) override {
    TRY(check_key(key));
    const auto [folder_name, name] = split_key(key);
    const Result<FileDescriptor> folder = tree_.folder(folder_name);
    if (!folder.ok())
      return folder.error().code() == ErrorCode::NotFound ? Status() : folder.error();
    if (::unlinkat(folder->get(), name.c_str(), 0) == 0) return {};
    if (errno == ENOENT || errno == EISDIR) return {};  // a folder is no object
    return file_error(errno, tree_.path_of(key));
  }

  Result<std::vector<ObjectInfo>> list(std::string_view prefix,
                                       std::string_view start_after) override {
    if (!prefix.empty()) TRY(check_key(std::string(prefix) + "x"));
    return list_objects(tree_, prefix, start_after);
  }

  Result<std::vector<NoObject>> passed_over(std::string_view prefix) override {
    if (!prefix.empty()) TRY(check_key(std::string(prefix) + "x"));
    return list_passed_over(tree_, prefix);
  }

  Result<std::string> staging_folder(std::string_view folder) override {
    TRY(check_key(folder));
    TRY(tree_.durable_folder(folder));
    return tree_.path_of(folder);
  }

  Status publish(std::string_view folder, std::span<const std::string> relative_paths) override {
    TRY(check_key(folder));
    std::set<std::string, std::less<>> folders;  // those between `folder` and the files
    for (const std::string& relative : relative_paths) {
      const std::string key = std::string(folder) + "/" + relative;
      TRY(check_key(key));
      TRY(sync(TRY(tree_.file(key)), tree_.path_of(key)));
      for (std::string_view at = split_key(key).folder; at.size() >= folder.size();
           at = split_key(at).folder)
        if (!folders.emplace(at).second) break;
    }
    for (const std::string& at : folders) TRY(sync(TRY(tree_.folder(at)), tree_.path_of(at)));
    return {};
  }

  Result<std::string> engine_path(std::string_view key) override {
    TRY(check_key(key));
    TRY(tree_.file(key));
    return tree_.path_of(key);
  }

 private:
  template <typename GiveName>
  Status write(std::string_view key, std::string_view bytes, GiveName give_name) {
    TRY(check_key(key));
    const auto [folder_name, name] = split_key(key);
    const std::string shown = tree_.path_of(key);
    const FileDescriptor folder = TRY(tree_.durable_folder(folder_name));
    TemporaryFile file = TRY_DOING("writing " + shown, TemporaryFile::write(tree_, bytes));
    TRY(give_name(file, folder, name, shown));
    if (::fsync(folder.get()) != 0)
      return Error(ErrorCode::Unavailable, "written, but not known to be on disk; read it back: " +
                                               file_error(errno, shown).message());
    return {};
  }

  LocalTree tree_;
  const NewName way_;
};

}  // namespace

Result<std::unique_ptr<ObjectStore>> open_local_store_by(NewName way, const std::string& root) {
  LocalTree tree = TRY_DOING("opening the store", LocalTree::open(root));
  sweep_temporary_files(tree);
  return std::make_unique<LocalStore>(std::move(tree), way);
}

Result<std::unique_ptr<ObjectStore>> open_local_store(const std::string& root) {
  return open_local_store_by(NewName::LinkOrRename, root);
}

}  // namespace millrace::storage
