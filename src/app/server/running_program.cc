#include "server/running_program.h"

#include <array>

#include <unistd.h>

#include "project/dag_files.h"

namespace millrace::server {
std::string own_program() {
  std::array<char, 4'096> path{};
  const ssize_t length = ::readlink("/proc/self/exe", path.data(), path.size() - 1);
  return length > 0 ? std::string(path.data(), static_cast<std::size_t>(length)) : "millrace";
}

RunningProgram::RunningProgram() : RunningProgram(own_program()) {}

RunningProgram::RunningProgram(std::string path)
    : path_(std::move(path)), identity_(project::file_identity(path_)) {}

bool RunningProgram::replaced() const {
  return project::file_identity(path_) != identity_;
}

}  // namespace millrace::server
