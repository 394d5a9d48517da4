#include "server/project_lock.h"

#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"

namespace millrace::server {

Result<ProjectLock> ProjectLock::take(const std::string& state_folder, const std::string& since) {
  TRY(make_folders(state_folder));
  const std::string path = state_folder + "/lock";
  FileDescriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (!file.is_open()) return file_error(errno, path);
  if (!TRY(try_lock_exclusively(file, path))) {
    const Json holder = Json::parse(read_file(path, 4'096).value_or("{}")).value_or(Json::object());
    return Error(
        ErrorCode::AlreadyExists,
        fmt::format(
            "this project is held by a server with pid {} since {}; use it, or stop it with "
            "`millrace down`",
            holder.integer_or("pid", 0), holder.string_or("since", "an unknown time")));
  }
  const std::string holder = Json::object({{"pid", ::getpid()}, {"since", since}}).dump() + "\n";
  if (::ftruncate(file.get(), 0) != 0 || ::pwrite(file.get(), holder.data(), holder.size(), 0) < 0)
    return file_error(errno, path);
  return ProjectLock(std::move(file));
}

}  // namespace millrace::server
