#include "base/file_descriptor.h"

#include <array>
#include <cerrno>

#include <fcntl.h>
#include <sys/file.h>

#include "base/file.h"

namespace millrace {
namespace {

int flock_unbroken(const FileDescriptor& file, int how) {
  while (::flock(file.get(), how) != 0)
    if (errno != EINTR) return errno;
  return 0;
}

}  // namespace

Result<FileDescriptor> open_folder(const std::string& path) {
  FileDescriptor folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder.is_open()) return file_error(errno, path);
  return folder;
}

Result<Pipe> open_pipe(const std::string& shown) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return file_error(errno, shown);
  return Pipe{FileDescriptor(ends[0]), FileDescriptor(ends[1])};
}

Status sync(const FileDescriptor& file_or_folder, const std::string& shown) {
  if (::fsync(file_or_folder.get()) != 0) return file_error(errno, shown);
  return {};
}

Status lock_exclusively(const FileDescriptor& file_or_folder, const std::string& shown) {
  const int why = flock_unbroken(file_or_folder, LOCK_EX);
  if (why != 0) return file_error(why, shown);
  return {};
}

Result<bool> try_lock_exclusively(const FileDescriptor& file_or_folder, const std::string& shown) {
  const int why = flock_unbroken(file_or_folder, LOCK_EX | LOCK_NB);
  if (why != 0 && why != EWOULDBLOCK) return file_error(why, shown);
  return why == 0;
}

}  // namespace millrace
