#include "engine/memory_limit.h"

#include <algorithm>
#include <fstream>
#include <sstream>

#include <unistd.h>

namespace millrace::engine {

namespace {

/// The number in a file, or nothing ("max" when there is no limit).
std::uint64_t limit_in(const std::string& file, std::uint64_t most) {
  std::ifstream text(file);
  std::uint64_t limit = 0;
  return text >> limit && limit > 0 ? std::min(limit, most) : most;
}

/// The least limit of the folders root/path, root/its parent, ..., root.
std::uint64_t least_limit(const std::string& root, std::string path, std::string_view file,
                          std::uint64_t most) {
  while (path.ends_with('/')) path.pop_back();
  for (;;) {
    most = limit_in(root + path + "/" + std::string(file), most);
    if (path.empty()) return most;
    path.resize(path.rfind('/'));
  }
}

}  // namespace

std::uint64_t memory_limit(std::string_view membership, const std::string& root,
                           std::uint64_t most) {
  std::istringstream lines{std::string(membership)};
  for (std::string line; std::getline(lines, line);) {
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const std::string path = line.substr(second + 1);
    if (!path.starts_with('/')) continue;
    if (controllers == ",,") {
      most = least_limit(root, path, "memory.max", most);
    } else if (controllers.find(",memory,") != std::string::npos) {
      most = least_limit(root + "/memory", path, "memory.limit_in_bytes", most);
    }
  }
  return most;
}

std::uint64_t memory_of_machine() {
  const auto pages = static_cast<std::uint64_t>(std::max(0L, sysconf(_SC_PHYS_PAGES)));
  const std::uint64_t bytes = pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  std::ifstream file("/proc/self/cgroup");
  std::ostringstream membership;
  membership << file.rdbuf();
  return memory_limit(membership.str(), "/sys/fs/cgroup", bytes);
}

}  // namespace millrace::engine
