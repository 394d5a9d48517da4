#include "storage/local_listing.h"

#include <algorithm>
#include <cerrno>

#include <dirent.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>

#include "base/file.h"

namespace millrace::storage {
namespace {

NoObject no_object(int folder_fd, std::string key, const char* name, mode_t mode) {
  if (S_ISFIFO(mode)) return {std::move(key), "a pipe"};
  if (S_ISSOCK(mode)) return {std::move(key), "a socket"};
  if (!S_ISLNK(mode)) return {std::move(key), "a device"};
  struct stat target{};
  if (::fstatat(folder_fd, name, &target, 0) != 0)
    return {std::move(key), "a symbolic link that leads nowhere"};
  if (!S_ISREG(target.st_mode)) return {std::move(key), "a symbolic link to what is no file"};
  return {std::move(key), "a symbolic link to a file", true};
}

class Listing {
 public:
  Listing(const LocalTree& tree, std::string_view prefix, std::string_view start_after)
      : tree_(tree), prefix_(prefix), start_after_(start_after) {}

  Result<std::vector<ObjectInfo>> objects() {
    TRY(walk());
    std::ranges::sort(found_, {}, &ObjectInfo::key);
    return std::move(found_);
  }

  Result<std::vector<NoObject>> others() {
    TRY(walk());
    std::ranges::sort(others_, {}, &NoObject::key);
    return std::move(others_);
  }

 private:
  Status walk() {
    pending_.emplace_back(split_key(prefix_).folder);
    while (!pending_.empty()) {
      const std::string folder = std::move(pending_.back());
      pending_.pop_back();
      TRY(visit(folder));
    }
    return {};
  }

  Status visit(const std::string& folder) {
    Result<FileDescriptor> opened = tree_.folder(folder);
    if (!opened.ok())  // gone since its parent was read, or the prefix names none
      return opened.error().code() == ErrorCode::NotFound ? Status() : std::move(opened).error();
    const std::unique_ptr<DIR, int (*)(DIR*)> entries(::fdopendir(opened->get()), ::closedir);
    if (entries == nullptr) return file_error(errno, tree_.path_of(folder));
    const int fd = opened->release();  // closedir closes it
    for (;;) {
      errno = 0;
      const dirent* entry = ::readdir(entries.get());
      if (entry == nullptr && errno != 0) return file_error(errno, tree_.path_of(folder));
      if (entry == nullptr) return {};
      TRY(consider(fd, folder, *entry));
    }
  }

  Status consider(int folder_fd, const std::string& folder, const dirent& entry) {
    const std::string key = folder.empty() ? entry.d_name : folder + "/" + entry.d_name;
    if (!check_key(key).ok()) return {};  // "." and "..", our temporary files, names of others
    if (entry.d_type == DT_DIR) {
      consider_folder(key);
      return {};
    }
    if (entry.d_type != DT_UNKNOWN && !is_wanted(key)) return {};
    struct stat file{};
    if (::fstatat(folder_fd, entry.d_name, &file, AT_SYMLINK_NOFOLLOW) != 0)
      return errno == ENOENT ? Status() : file_error(errno, tree_.path_of(key));
    if (S_ISDIR(file.st_mode))
      consider_folder(key);
    else if (!is_wanted(key))
      return {};
    else if (S_ISREG(file.st_mode))
      found_.push_back(info_of(key, file));
    else
      others_.push_back(no_object(folder_fd, key, entry.d_name, file.st_mode));
    return {};
  }

  bool is_wanted(std::string_view key) const {
    return key.starts_with(prefix_) && key > start_after_;
  }

  void consider_folder(const std::string& folder) {
    const std::string inside = folder + "/";
    const bool may_match = inside.starts_with(prefix_) || prefix_.starts_with(inside);
    const bool all_before = inside < start_after_ && !start_after_.starts_with(inside);
    if (may_match && !all_before) pending_.push_back(folder);
  }

  const LocalTree& tree_;
  const std::string_view prefix_;
  const std::string_view start_after_;
  std::vector<std::string> pending_;
  std::vector<ObjectInfo> found_;
  std::vector<NoObject> others_;
};

}  // namespace

ObjectInfo info_of(std::string key, const struct stat& file) {
  const Instant modified(
      std::chrono::seconds(file.st_mtim.tv_sec) +
      std::chrono::floor<Duration>(std::chrono::nanoseconds(file.st_mtim.tv_nsec)));
  return {std::move(key), static_cast<std::uint64_t>(file.st_size), modified,
          fmt::format("{:x}-{:x}-{:x}", file.st_ino, file.st_ctim.tv_sec, file.st_ctim.tv_nsec)};
}

Result<std::vector<ObjectInfo>> list_objects(const LocalTree& tree, std::string_view prefix,
                                             std::string_view start_after) {
  return Listing(tree, prefix, start_after).objects();
}

Result<std::vector<NoObject>> list_passed_over(const LocalTree& tree, std::string_view prefix) {
  return Listing(tree, prefix, "").others();
}

}  // namespace millrace::storage
