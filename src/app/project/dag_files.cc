#include "project/dag_files.h"

#include <algorithm>
#include <filesystem>

#include <fmt/core.h>
#include <sys/stat.h>

namespace millrace::project {
namespace fs = std::filesystem;

std::string file_identity(const std::string& path) {
  struct stat file{};
  if (::stat(path.c_str(), &file) != 0) return "";
  // The time of its last change of any kind: a program may set the time of modification back.
  return fmt::format("{}:{}:{}:{}.{:09}", file.st_dev, file.st_ino, file.st_size,
                     file.st_ctim.tv_sec, file.st_ctim.tv_nsec);
}

std::string dag_files_state(const std::string& root, const std::vector<std::string>& programs) {
  std::vector<std::string> paths = {(fs::path(root) / "millrace.yml").string()};
  for (const std::string& program : programs) paths.push_back((fs::path(root) / program).string());
  std::error_code error;
  for (fs::recursive_directory_iterator at(fs::path(root) / "pipelines", error), end;
       !error && at != end; at.increment(error))
    if (at->is_regular_file(error)) paths.push_back(at->path().string());
  std::ranges::sort(paths);
  std::string state;
  for (const std::string& path : paths) state += fmt::format("{}\n{}\n", path, file_identity(path));
  return state;
}

}  // namespace millrace::project
