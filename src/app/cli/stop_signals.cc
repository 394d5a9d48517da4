#include "cli/stop_signals.h"

#include <cerrno>
#include <cstdio>
#include <exception>

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "cli/verbs.h"

namespace millrace::cli {

StopSignals::StopSignals(std::function<void()> stop) : stop_(std::move(stop)) {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&set, signal);
  signals_ = FileDescriptor(::signalfd(-1, &set, SFD_CLOEXEC));
  Result<Pipe> end = open_pipe("the end of waiting for signals");
  // Where nobody could hear them they stay what they are: the end of the process.
  if (!signals_.is_open() || !end.ok()) return;
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  end_ = *std::move(end);
  listener_ = std::thread([this] { listen(); });
}

StopSignals::~StopSignals() {
  const char byte = 0;
  if (listener_.joinable() && ::write(end_.in.get(), &byte, 1) == 1) listener_.join();
  if (stopping_.joinable()) stopping_.join();
}

/// Nobody stands behind this thread who could catch what `stop` throws. A process that cannot stop in
/// good order ends all the same.
void StopSignals::stop_or_leave() {
  const auto leave = [](const char* why) {
    std::fprintf(stderr, "error: stopping in good order failed: %s\n", why);
    ::_exit(kUnavailable);
  };
  try {
    stop_();
  } catch (const std::exception& error) {
    leave(error.what());
  } catch (...) {
    leave("an exception without words");
  }
}

void StopSignals::listen() {
  for (int received = 0;;) {
    pollfd waits[2] = {{signals_.get(), POLLIN, 0}, {end_.out.get(), POLLIN, 0}};
    if (::poll(waits, 2, -1) < 0 && errno == EINTR) continue;
    if ((waits[0].revents & POLLIN) == 0) return;
    signalfd_siginfo info{};
    if (::read(signals_.get(), &info, sizeof info) != sizeof info) continue;
    if (++received == 2) ::_exit(kInterrupted);
    stopping_ = std::thread([this] { stop_or_leave(); });
  }
}

}  // namespace millrace::cli
