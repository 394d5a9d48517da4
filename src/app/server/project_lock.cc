#include "server/project_lock.h"

#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"

namespace millrace::server {

namespace {

constexpr int kLooksAtTheHolder = 100;
constexpr int kPauseMilliseconds = 10;

Json written_in(const std::string& path) {
  return Json::parse(read_file(path, 4'096).value_or("{}")).value_or(Json::object());
}

bool lives(std::int64_t pid) {
  return pid > 0 && (::kill(static_cast<pid_t>(pid), 0) == 0 || errno == EPERM);
}

/// What the lock file says of its holder, once that is a process that lives: the holder takes the
/// lock first and writes its name then, over that of one who may be long dead.
Json holder_of(const std::string& path) {
  Json holder;
  for (int look = 0; look < kLooksAtTheHolder; ++look) {
    holder = written_in(path);
    if (lives(holder.integer_or("pid", 0))) break;
    ::poll(nullptr, 0, kPauseMilliseconds);
  }
  return holder;
}

/// Whether somebody holds it: by a shared lock of a moment, also where this user may not write. The
/// number of a dead holder may be another's by now.
bool is_held(const std::string& path) {
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  return !file.is_open() || ::flock(file.get(), LOCK_SH | LOCK_NB) != 0;
}

std::int64_t pid_that_holds(const std::string& path) {
  const std::int64_t pid = written_in(path).integer_or("pid", 0);
  return lives(pid) && is_held(path) ? pid : 0;
}

/// Who only asks whether it is held has it for a moment.
Result<bool> lock_file(const FileDescriptor& file, const std::string& path) {
  if (TRY(try_lock_exclusively(file, path))) return true;
  ::poll(nullptr, 0, kPauseMilliseconds);
  return try_lock_exclusively(file, path);
}

/// Whether the path still leads to the file that is open: the folder may have been moved, or made
/// anew, in between.
bool leads_to(const std::string& path, const FileDescriptor& file) {
  struct stat open{};
  struct stat found{};
  return ::fstat(file.get(), &open) == 0 && ::stat(path.c_str(), &found) == 0 &&
         open.st_dev == found.st_dev && open.st_ino == found.st_ino;
}

}  // namespace

Result<ProjectLock> ProjectLock::take(const std::string& state_folder, const std::string& since) {
  const std::string path = state_folder + "/lock";
  FileDescriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (!file.is_open()) return file_error(errno, path);
  if (!TRY(lock_file(file, path))) {
    const Json holder = holder_of(path);
    return Error(
        ErrorCode::AlreadyExists,
        fmt::format(
            "this project is held by a server with pid {} since {}; use it, or stop it with "
            "`millrace down`",
            holder.integer_or("pid", 0), holder.string_or("since", "an unknown time")));
  }
  if (!leads_to(path, file))
    return Error(ErrorCode::Unavailable,
                 path +
                     " was moved or replaced while this server started; start it again in the "
                     "folder where the project is now");
  ProjectLock lock(path, since, std::move(file));
  TRY(lock.write_holder(true));
  return lock;
}

void ProjectLock::note_that_it_has_started() const {
  static_cast<void>(write_holder(false));  // of interest to people only
}

/// The same bytes but one word, so that who reads it meanwhile finds a whole document.
Status ProjectLock::write_holder(bool is_starting) const {
  std::string holder =
      Json::object({{"pid", ::getpid()}, {"since", since_}, {"starting", is_starting}}).dump();
  holder += is_starting ? " \n" : "\n";
  const auto size = static_cast<off_t>(holder.size());
  if (::pwrite(file_.get(), holder.data(), holder.size(), 0) != size ||
      ::ftruncate(file_.get(), size) != 0)
    return file_error(errno, path_);
  return {};
}

Status ProjectLock::check_place() const {
  if (leads_to(path_, file_)) return {};
  return Error(
      ErrorCode::Unavailable,
      fmt::format("{} was moved or replaced while this server (pid {}) ran, and nothing is "
                  "written any more, lest it lands half in the one place and half in the "
                  "other; where the project is now, say `millrace down`, then `millrace up`; a run "
                  "that failed by this goes on with `millrace run`",
                  path_, ::getpid()));
}

std::int64_t ProjectLock::holder(const std::string& state_folder) {
  return pid_that_holds(state_folder + "/lock");
}

std::int64_t ProjectLock::launcher_waited_for(const std::string& state_folder) {
  const std::string path = state_folder + "/lock";
  const bool starts = written_in(path).bool_or("starting", false) && pid_that_holds(path) != 0;
  return starts ? pid_that_holds(state_folder + "/launcher.lock") : 0;
}

}  // namespace millrace::server
