#include "tasks/publish_file.h"

#include <cerrno>
#include <cstdio>
#include <filesystem>

#include <fcntl.h>
#include <unistd.h>

#include "base/file.h"

namespace millrace::tasks {
namespace {

Status sync(const std::string& path, int flags) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC);
  if (fd < 0) return file_error(errno, path);
  const int failed = ::fsync(fd) == 0 ? 0 : errno;
  ::close(fd);
  return failed == 0 ? Status() : Status(file_error(failed, path));
}

}  // namespace

Status publish_file(const std::string& temporary, const std::string& path) {
  TRY(sync(temporary, O_RDONLY));
  if (std::rename(temporary.c_str(), path.c_str()) != 0) return file_error(errno, path);
  return sync(std::filesystem::path(path).parent_path().string(), O_RDONLY | O_DIRECTORY);
}

}  // namespace millrace::tasks
