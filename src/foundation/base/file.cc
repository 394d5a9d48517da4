#include "base/file.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file_descriptor.h"
#include "base/id.h"

namespace millrace {
namespace fs = std::filesystem;
namespace {

constexpr const char* kUnfinished = ".tmp-";  // behind the file's own name

Status sync_folder(const std::string& folder) {
  return sync(TRY(open_folder(folder)), folder);
}

Status write_new(const std::string& path, std::string_view bytes) {
  const FileDescriptor fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  if (fd.get() < 0) return file_error(errno, path);
  while (!bytes.empty()) {
    const ssize_t wrote = ::write(fd.get(), bytes.data(), bytes.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return file_error(errno, path);
    bytes.remove_prefix(static_cast<std::size_t>(wrote));
  }
  return sync(fd, path);
}

}  // namespace

Error file_error(int error_number, const std::string& path, std::source_location where) {
  ErrorCode code = ErrorCode::Unavailable;
  switch (error_number) {
    case ENOENT:
    case ENOTDIR:
      code = ErrorCode::NotFound;
      break;
    case EEXIST:
      code = ErrorCode::AlreadyExists;
      break;
    case EACCES:
    case EPERM:
    case EROFS:
      code = ErrorCode::Denied;
      break;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EMFILE:
    case ENFILE:
      code = ErrorCode::Exhausted;
      break;
    case EISDIR:
    case ENAMETOOLONG:
      code = ErrorCode::Invalid;
      break;
    default:
      break;
  }
  return Error(code, path + ": " + std::strerror(error_number), where);
}

Result<std::string> read_file(const std::string& path, std::uint64_t limit_bytes) {
  const FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) return file_error(errno, path);
  std::string bytes;
  std::string buffer(1U << 16U, '\0');
  for (;;) {
    const ssize_t got = ::read(fd.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return file_error(errno, path);
    if (got == 0) return bytes;
    if (bytes.size() + static_cast<std::size_t>(got) > limit_bytes)
      return Error(ErrorCode::Exhausted,
                   path + ": larger than " + std::to_string(limit_bytes) + " bytes");
    bytes.append(buffer.data(), static_cast<std::size_t>(got));
  }
}

Status write_file(const std::string& path, std::string_view bytes) {
  const std::string folder = fs::path(path).has_parent_path() ? fs::path(path).parent_path() : ".";
  TRY(make_folders(folder));
  const std::string temporary = path + kUnfinished + new_uuid();
  Status status = write_new(temporary, bytes);
  if (status.ok() && ::rename(temporary.c_str(), path.c_str()) != 0)
    status = file_error(errno, path);
  if (!status.ok()) {
    ::unlink(temporary.c_str());
    return status;
  }
  return sync_folder(folder);
}

void remove_unfinished(const std::string& path) {
  const fs::path file(path);
  const std::string beginning = file.filename().string() + kUnfinished;
  std::error_code error;
  std::vector<fs::path> found;
  for (fs::directory_iterator at(file.has_parent_path() ? file.parent_path() : ".", error), end;
       !error && at != end; at.increment(error))
    if (at->path().filename().string().starts_with(beginning)) found.push_back(at->path());
  for (const fs::path& each : found) fs::remove(each, error);
}

Status make_folders(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) return file_error(error.value(), path);
  return {};
}

Status make_folders_in(const std::string& root, const std::string& path) {
  const FileDescriptor folder = TRY(open_folder(root));
  std::string below;
  for (const fs::path& part : fs::path(path).lexically_relative(root)) {
    below += (below.empty() ? "" : "/") + part.string();
    if (::mkdirat(folder.get(), below.c_str(), 0777) != 0 && errno != EEXIST)
      return file_error(errno, path);
  }
  return {};
}

Result<TemporaryFolder> TemporaryFolder::make(const std::string& parent) {
  std::error_code error;
  const fs::path base = parent.empty() ? fs::temp_directory_path(error) : fs::path(parent);
  if (error) return file_error(error.value(), "the system's temporary folder");
  std::string pattern = base / "millrace-XXXXXX";
  if (::mkdtemp(pattern.data()) == nullptr) return file_error(errno, pattern);
  return TemporaryFolder(pattern);
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  if (!path_.empty()) fs::remove_all(path_, ignored);
}

}  // namespace millrace
