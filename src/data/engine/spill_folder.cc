#include "engine/spill_folder.h"

#include <filesystem>

#include <fmt/core.h>
#include <unistd.h>

#include "base/file.h"

namespace millrace::engine {

namespace {

namespace fs = std::filesystem;

/// Precondition: the shared folder is locked, so that no folder in it is about to be locked.
void sweep(const std::string& shared) {
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(shared, error)) {
    if (entry.is_symlink(error)) continue;
    const Result<FileDescriptor> folder = open_folder(entry.path());
    if (folder.ok() && try_lock_exclusively(*folder, entry.path()).value_or(false))
      fs::remove_all(entry.path(), error);
  }
}

}  // namespace

Result<SpillFolder> SpillFolder::take(const std::string& shared) {
  TRY(make_folders(shared));
  const FileDescriptor all = TRY(open_folder(shared));
  TRY(lock_exclusively(all, shared));
  sweep(shared);
  std::error_code error;
  std::string path = fmt::format("{}/{}", shared, ::getpid());
  // This process may have several engines; another container, a process of the same number.
  for (int next = 2; fs::exists(path, error); ++next)
    path = fmt::format("{}/{}-{}", shared, ::getpid(), next);
  TRY(make_folders(path));
  FileDescriptor own = TRY(open_folder(path));
  TRY(lock_exclusively(own, path));
  return SpillFolder(std::move(path), std::move(own));
}

SpillFolder::~SpillFolder() {
  if (!lock_.is_open()) return;
  std::error_code error;
  fs::remove_all(path_, error);
}

}  // namespace millrace::engine
