// up, down: the project's server.

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <thread>

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "cli/connection.h"

namespace millrace::cli {
namespace {

/// Waits for SIGINT or SIGTERM on a thread of its own, so that nothing happens inside a signal
/// handler.
class StopSignals {
 public:
  StopSignals() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    ::pthread_sigmask(SIG_BLOCK, &set, nullptr);  // inherited by all threads that start later
    fd_ = ::signalfd(-1, &set, SFD_CLOEXEC);
    ::pipe2(end_, O_CLOEXEC);
  }
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;
  ~StopSignals() {
    const char byte = 0;
    if (::write(end_[1], &byte, 1) == 1 && thread_.joinable()) thread_.join();
    ::close(fd_);
    ::close(end_[0]);
    ::close(end_[1]);
  }
  void call(std::function<void()> stop) {
    thread_ = std::thread([this, stop = std::move(stop)] {
      pollfd waits[2] = {{fd_, POLLIN, 0}, {end_[0], POLLIN, 0}};
      while (::poll(waits, 2, -1) < 0 && errno == EINTR) {
      }
      if ((waits[0].revents & POLLIN) != 0) stop();
    });
  }

 private:
  int fd_ = -1;
  int end_[2] = {-1, -1};
  std::thread thread_;
};

Status serve(const Common& common) {
  const project::Project project = TRY(open_project(common));
  StopSignals signals;
  const auto server = TRY(server::Server::start(
      project, {.resident = true, .attempt_command = {own_program(), "attempt"}}));
  log_info(fmt::format("{} is up: predictions at {}, status at http://{}/api/v1/status",
                       project.name, server->endpoint_address(), server->status_address()));
  signals.call([&] { server->request_stop(); });
  server->wait();
  log_info("stopping");
  server->stop();
  return {};
}

/// Starts `millrace up` again in the background and waits until it answers.
Status detach(const Common& common) {
  const project::Project project = TRY(open_project(common));
  if (Connection::to_running(project).ok())
    return Error(ErrorCode::AlreadyExists,
                 "a server runs for this project already; stop it with `millrace down`");
  const std::string log = project.state + "/server.log";
  TRY(make_folders(project.state));
  const pid_t child = ::fork();
  if (child < 0) return Error(ErrorCode::Exhausted, std::strerror(errno));
  if (child == 0) {
    ::setsid();
    const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    const int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    ::dup2(null, STDIN_FILENO);
    ::dup2(out, STDOUT_FILENO);
    ::dup2(out, STDERR_FILENO);
    const std::string program = own_program();
    ::execl(program.c_str(), program.c_str(), "up", "--project", project.root.c_str(), "--target",
            project.target.name.c_str(), nullptr);
    ::_exit(127);
  }
  for (int i = 0; i < 300; ++i) {
    if (Connection::to_running(project).ok()) return {};
    if (::waitpid(child, nullptr, WNOHANG) == child) break;
    ::poll(nullptr, 0, 100);
  }
  return Error(ErrorCode::Unavailable, "the server did not come up; its words are in " + log);
}

Status stop_running(const Common& common) {
  const project::Project project = TRY(open_project(common));
  Connection connection = TRY(Connection::to_running(project));
  TRY(connection.client().post_json("/api/v1/shutdown", Json::object()));
  for (int i = 0; i < 600; ++i) {
    if (::access(server::socket_path(project).c_str(), F_OK) != 0) return {};
    ::poll(nullptr, 0, 50);
  }
  return Error(ErrorCode::Timeout, "the server is still stopping after 30 s");
}

}  // namespace

int up(const Common& common, const UpArguments& arguments) {
  const Status status = arguments.detach ? detach(common) : serve(common);
  if (!status.ok()) return fail(common, status.error());
  if (arguments.detach && !common.json) std::printf("the server is up; `millrace down` stops it\n");
  return kSuccess;
}

int down(const Common& common) {
  const Status status = stop_running(common);
  if (!status.ok()) return fail(common, status.error());
  if (!common.json) std::printf("the server has stopped\n");
  return kSuccess;
}

}  // namespace millrace::cli
