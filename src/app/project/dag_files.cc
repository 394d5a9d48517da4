#include "project/dag_files.h"

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

DagFiles look_at_dag_files(const std::string& root, const std::vector<std::string>& programs) {
  const fs::path folder(root);
  DagFiles files;
  const auto add = [&](const std::string& path) {
    files[path] = file_identity((folder / path).string());
  };
  add("millrace.yml");
  for (const std::string& program : programs) add(program);
  std::error_code error;
  for (fs::recursive_directory_iterator at(folder / "pipelines", error), end; !error && at != end;
       at.increment(error))
    if (at->is_regular_file(error)) add(at->path().lexically_relative(folder).string());
  return files;
}

}  // namespace millrace::project
