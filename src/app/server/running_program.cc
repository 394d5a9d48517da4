#include "server/running_program.h"

#include <array>

#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

namespace millrace::server {
namespace {

/// What a file of another content differs in; "" when there is none.
std::string identity_of(const std::string& path) {
  struct stat file{};
  if (::stat(path.c_str(), &file) != 0) return "";
  return fmt::format("{}:{}:{}:{}.{:09}", file.st_dev, file.st_ino, file.st_size,
                     file.st_mtim.tv_sec, file.st_mtim.tv_nsec);
}

}  // namespace

std::string own_program() {
  std::array<char, 4'096> path{};
  const ssize_t length = ::readlink("/proc/self/exe", path.data(), path.size() - 1);
  return length > 0 ? std::string(path.data(), static_cast<std::size_t>(length)) : "millrace";
}

RunningProgram::RunningProgram() : RunningProgram(own_program()) {}

RunningProgram::RunningProgram(std::string path)
    : path_(std::move(path)), identity_(identity_of(path_)) {}

bool RunningProgram::replaced() const {
  return identity_of(path_) != identity_;
}

}  // namespace millrace::server
