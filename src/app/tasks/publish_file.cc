#include "tasks/publish_file.h"

#include <cerrno>
#include <cstdio>
#include <filesystem>

#include <fcntl.h>

#include "base/file.h"
#include "base/file_descriptor.h"

namespace millrace::tasks {
namespace {

Status sync_file(const std::string& path) {
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.is_open()) return file_error(errno, path);
  return sync(file, path);
}

}  // namespace

Status publish_file(const std::string& temporary, const std::string& path) {
  TRY(sync_file(temporary));
  if (std::rename(temporary.c_str(), path.c_str()) != 0) return file_error(errno, path);
  return sync_file(std::filesystem::path(path).parent_path());
}

}  // namespace millrace::tasks
