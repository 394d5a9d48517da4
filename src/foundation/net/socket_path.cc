#include "net/socket_path.h"

#include <cerrno>
#include <filesystem>

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/un.h>

#include "base/file.h"

namespace millrace::net {
namespace {

constexpr std::size_t kLongest = sizeof(sockaddr_un::sun_path) - 1;
constexpr std::size_t kLongestName =
    kLongest - std::string_view("/proc/self/fd/2147483647/").size();

}  // namespace

Result<SocketPath> SocketPath::of(const std::string& path) {
  if (path.find('\0') != std::string::npos)
    return Error(ErrorCode::Invalid, "the path of a Unix socket holds no NUL: " + path);
  if (path.size() <= kLongest) return SocketPath(FileDescriptor(), path);
  const std::filesystem::path whole(path);
  const std::string name = whole.filename();
  if (name.size() > kLongestName)
    return Error(ErrorCode::Invalid,
                 fmt::format("the name of a Unix socket's file has at most {} bytes: {}",
                             kLongestName, name));
  const std::string folder = whole.parent_path();
  FileDescriptor opened(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!opened.is_open()) return file_error(errno, folder);
  std::string through = fmt::format("/proc/self/fd/{}/{}", opened.get(), name);
  return SocketPath(std::move(opened), std::move(through));
}

}  // namespace millrace::net
