#include "engine/spill_folder.h"

#include <cerrno>
#include <filesystem>

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file.h"

namespace millrace::engine {

namespace {

namespace fs = std::filesystem;

/// A folder that is open, to be locked and closed.
class OpenFolder {
 public:
  static Result<OpenFolder> open(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return file_error(errno, path);
    return OpenFolder(fd);
  }
  OpenFolder(OpenFolder&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  OpenFolder& operator=(OpenFolder&&) = delete;
  ~OpenFolder() {
    if (fd_ >= 0) ::close(fd_);
  }

  /// False when another process holds the lock and `wait` is not asked for.
  bool lock(int wait = LOCK_NB) const {
    int locked = -1;
    do locked = ::flock(fd_, LOCK_EX | wait);
    while (locked != 0 && errno == EINTR);
    return locked == 0;
  }
  int release() { return std::exchange(fd_, -1); }

 private:
  explicit OpenFolder(int fd) : fd_(fd) {}
  int fd_ = -1;
};

/// Precondition: the shared folder is locked, so that no folder in it is about to be locked.
void sweep(const std::string& shared) {
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(shared, error)) {
    const Result<OpenFolder> folder = OpenFolder::open(entry.path().string());
    if (folder.ok() && folder->lock()) fs::remove_all(entry.path(), error);
  }
}

}  // namespace

Result<SpillFolder> SpillFolder::take(const std::string& shared) {
  TRY(make_folders(shared));
  const OpenFolder all = TRY(OpenFolder::open(shared));
  if (!all.lock(0)) return file_error(errno, shared);
  sweep(shared);
  std::error_code error;
  std::string path = fmt::format("{}/{}", shared, ::getpid());
  // This process may have several engines; another container, a process of the same number.
  for (int next = 2; fs::exists(path, error); ++next)
    path = fmt::format("{}/{}-{}", shared, ::getpid(), next);
  TRY(make_folders(path));
  OpenFolder own = TRY(OpenFolder::open(path));
  if (!own.lock()) return file_error(errno, path);
  return SpillFolder(path, own.release());
}

SpillFolder::~SpillFolder() {
  if (lock_ < 0) return;
  std::error_code error;
  fs::remove_all(path_, error);
  ::close(lock_);
}

}  // namespace millrace::engine
