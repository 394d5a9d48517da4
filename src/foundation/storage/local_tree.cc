#include "storage/local_tree.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

namespace millrace::storage {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kMostRemembered = 10'000;

bool is_link(const FileDescriptor& folder, const std::string& name) {
  struct stat found{};
  return ::fstatat(folder.get(), name.c_str(), &found, AT_SYMLINK_NOFOLLOW) == 0 &&
         S_ISLNK(found.st_mode);
}

Error link_error(const std::string& shown) {
  return Error(ErrorCode::Denied,
               "a symbolic link, which the store does not follow; mount the folder there instead, "
               "or open a store at the link's target: " +
                   shown);
}

/// Calls step(name, relative path so far) for each part of `relative`.
template <typename Step>
Result<FileDescriptor> descend(Result<FileDescriptor> at, std::string_view relative, Step step) {
  for (std::size_t start = 0; at.ok() && start < relative.size();) {
    const std::size_t end = std::min(relative.find('/', start), relative.size());
    at = step(*at, std::string(relative.substr(start, end - start)),
              std::string(relative.substr(0, end)));
    start = end + 1;
  }
  return at;
}

Status make_durable_root(const fs::path& root) {
  std::vector<fs::path> missing;
  for (fs::path at = root; !at.empty() && at != at.parent_path(); at = at.parent_path()) {
    std::error_code ignored;
    if (fs::exists(at, ignored)) break;
    missing.push_back(at);
  }
  TRY(make_folders(root));
  for (const fs::path& made : missing) {
    const std::string parent = made.parent_path();
    TRY(sync(TRY(open_folder(parent)), parent));
  }
  return {};
}

}  // namespace

KeyParts split_key(std::string_view key) {
  const std::size_t slash = key.rfind('/');
  if (slash == std::string_view::npos) return {"", std::string(key)};
  return {key.substr(0, slash), std::string(key.substr(slash + 1))};
}

Result<FileDescriptor> open_child_folder(const FileDescriptor& parent, const std::string& name,
                                         const std::string& shown) {
  FileDescriptor folder(
      ::openat(parent.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (folder.is_open()) return folder;
  const int why = errno;  // a link is ENOTDIR or ELOOP, as the kernel likes
  if ((why == ENOTDIR || why == ELOOP) && is_link(parent, name)) return link_error(shown);
  return file_error(why, shown);
}

Result<LocalTree> LocalTree::open(const std::string& root) {
  std::error_code error;
  const fs::path absolute = fs::absolute(root.empty() ? "." : root, error).lexically_normal();
  if (error) return file_error(error.value(), root);
  std::string path = absolute;
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  TRY(make_durable_root(path));
  FileDescriptor folder = TRY(open_folder(path));
  return LocalTree(std::move(path), std::move(folder));
}

std::string LocalTree::path_of(std::string_view relative) const {
  if (relative.empty()) return path_;
  return (path_ == "/" ? "" : path_) + "/" + std::string(relative);
}

Result<FileDescriptor> LocalTree::folder(std::string_view relative) const {
  return descend(open_child_folder(root_, ".", path_), relative,
                 [&](const FileDescriptor& at, const std::string& name, const std::string& so_far) {
                   return open_child_folder(at, name, path_of(so_far));
                 });
}

Result<FileDescriptor> LocalTree::durable_folder(std::string_view relative) {
  return descend(open_child_folder(root_, ".", path_), relative,
                 [&](const FileDescriptor& at, const std::string& name, const std::string& so_far) {
                   return durable_child(at, name, so_far);
                 });
}

Result<FileDescriptor> LocalTree::durable_child(const FileDescriptor& parent,
                                                const std::string& name,
                                                const std::string& relative) {
  const std::string shown = path_of(relative);
  bool made = false;
  struct stat found{};
  if (::fstatat(parent.get(), name.c_str(), &found, AT_SYMLINK_NOFOLLOW) != 0) {
    made = ::mkdirat(parent.get(), name.c_str(), 0777) == 0;
    if (!made && errno != EEXIST) return file_error(errno, shown);
  } else if (!S_ISDIR(found.st_mode) && !S_ISLNK(found.st_mode)) {
    return Error(ErrorCode::Invalid,
                 "an object is where a folder is needed, and nothing can be below it: " + shown);
  }
  FileDescriptor folder = TRY(open_child_folder(parent, name, shown));
  {
    const std::lock_guard lock(mutex_);
    if (!made && durable_.contains(relative)) return folder;
  }
  TRY(sync(parent, shown));  // also where another process made it and may not have synced it yet
  const std::lock_guard lock(mutex_);
  if (durable_.size() >= kMostRemembered) durable_.clear();
  durable_.insert(relative);
  return folder;
}

Result<FileDescriptor> LocalTree::file(std::string_view key) const {
  const auto [folder_name, name] = split_key(key);
  const FileDescriptor folder = TRY(this->folder(folder_name));
  // O_NONBLOCK: a FIFO that someone put there must not make us wait.
  FileDescriptor opened(
      ::openat(folder.get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!opened.is_open())
    return errno == ELOOP ? link_error(path_of(key)) : file_error(errno, path_of(key));
  struct stat found{};
  if (::fstat(opened.get(), &found) != 0) return file_error(errno, path_of(key));
  if (!S_ISREG(found.st_mode))
    return Error(ErrorCode::NotFound, "not a regular file: " + path_of(key));
  return opened;
}

}  // namespace millrace::storage
