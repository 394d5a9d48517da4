#include "storage/local_file.h"

#include <cerrno>
#include <cstdio>
#include <memory>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/id.h"

namespace millrace::storage {
namespace {

constexpr std::string_view kTemporaryFolder = ".millrace-tmp";

Status write_all(const FileDescriptor& file, std::string_view bytes, const std::string& shown) {
  while (!bytes.empty()) {
    const ssize_t wrote = ::write(file.get(), bytes.data(), bytes.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return file_error(errno, shown);
    bytes.remove_prefix(static_cast<std::size_t>(wrote));
  }
  return sync(file, shown);
}

Error naming_error(int why, const std::string& shown) {
  switch (why) {
    case EXDEV:
      return Error(ErrorCode::Unsupported,
                   "another file system than the store's root; open a store there: " + shown);
    case EISDIR:
    case ENOTEMPTY:
      return Error(ErrorCode::Invalid, "a folder has the object's name: " + shown);
    case EEXIST:
      return Error(ErrorCode::AlreadyExists, "object exists: " + shown);
    default:
      return file_error(why, shown);
  }
}

bool means_no_hard_links(int why) {
  return why == EPERM || why == EOPNOTSUPP || why == ENOSYS || why == EMLINK;
}

}  // namespace

Result<TemporaryFile> TemporaryFile::write(LocalTree& tree, std::string_view bytes) {
  TemporaryFile temporary = TRY(create_locked(tree));
  TRY(write_all(temporary.file_, bytes, tree.path_of(kTemporaryFolder) + "/" + temporary.name_));
  return temporary;
}

// The lock says that the writer lives. A sweeper may come between the creation and the lock; then
// the name is gone when the lock is had, and another is made.
Result<TemporaryFile> TemporaryFile::create_locked(LocalTree& tree) {
  for (;;) {
    FileDescriptor folder = TRY(tree.durable_folder(kTemporaryFolder));
    std::string name = new_uuid();
    const std::string shown = tree.path_of(kTemporaryFolder) + "/" + name;
    FileDescriptor file(
        ::openat(folder.get(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
    if (!file.is_open()) return file_error(errno, shown);
    TemporaryFile temporary(std::move(folder), std::move(name), std::move(file));
    if (const Status locked = lock_exclusively(temporary.file_, shown); !locked.ok())
      return Error(
          ErrorCode::Unsupported,
          "the file system has no locks, which keep a sweep from a living writer's file: " +
              locked.error().message());
    struct stat found{};
    if (::fstat(temporary.file_.get(), &found) != 0) return file_error(errno, shown);
    if (found.st_nlink > 0) return temporary;
  }
}

TemporaryFile::~TemporaryFile() {
  if (file_.is_open()) ::unlinkat(folder_.get(), name_.c_str(), 0);
}

Status TemporaryFile::replace(const FileDescriptor& folder, const std::string& name,
                              const std::string& shown) {
  if (::renameat(folder_.get(), name_.c_str(), folder.get(), name.c_str()) != 0)
    return naming_error(errno, shown);
  return {};
}

Status TemporaryFile::become(const FileDescriptor& folder, const std::string& name,
                             const std::string& shown, NewName way) {
  if (way == NewName::RenameOnly) return rename_to(folder, name, shown);
  return link_to(folder, name, shown);
}

// Over NFS an answer can be lost and the call repeated: then it reports EEXIST or another error
// though the link was made. Two names of our file say that it was.
Status TemporaryFile::link_to(const FileDescriptor& folder, const std::string& name,
                              const std::string& shown) {
  if (::linkat(folder_.get(), name_.c_str(), folder.get(), name.c_str(), 0) == 0) return {};
  const int why = errno;
  struct stat found{};
  if (::fstat(file_.get(), &found) == 0 && found.st_nlink == 2) return {};
  if (means_no_hard_links(why)) return rename_to(folder, name, shown);
  return naming_error(why, shown);
}

Status TemporaryFile::rename_to(const FileDescriptor& folder, const std::string& name,
                                const std::string& shown) {
  if (::renameat2(folder_.get(), name_.c_str(), folder.get(), name.c_str(), RENAME_NOREPLACE) == 0)
    return {};
  const int why = errno;
  if (is_now(folder, name)) return {};
  if (why == EINVAL || why == ENOSYS || why == EOPNOTSUPP)
    return Error(ErrorCode::Unsupported,
                 "the file system can neither link nor rename without replacing, so a write that "
                 "must not overwrite is not safe here: " +
                     shown);
  return naming_error(why, shown);
}

bool TemporaryFile::is_now(const FileDescriptor& folder, const std::string& name) const {
  struct stat mine{};
  struct stat there{};
  return ::fstat(file_.get(), &mine) == 0 &&
         ::fstatat(folder.get(), name.c_str(), &there, AT_SYMLINK_NOFOLLOW) == 0 &&
         mine.st_dev == there.st_dev && mine.st_ino == there.st_ino;
}

void sweep_temporary_files(const LocalTree& tree) {
  Result<FileDescriptor> folder = tree.folder(kTemporaryFolder);
  if (!folder.ok()) return;
  const FileDescriptor for_listing(::fcntl(folder->get(), F_DUPFD_CLOEXEC, 0));
  if (!for_listing.is_open()) return;
  const std::unique_ptr<DIR, int (*)(DIR*)> entries(::fdopendir(folder->get()), ::closedir);
  if (entries == nullptr) return;
  folder->release();  // closedir closes it
  while (const dirent* entry = ::readdir(entries.get())) {
    const FileDescriptor file(
        ::openat(for_listing.get(), entry->d_name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (file.is_open() && try_lock_exclusively(file, entry->d_name).value_or(false))
      ::unlinkat(for_listing.get(), entry->d_name, 0);
  }
}

}  // namespace millrace::storage
