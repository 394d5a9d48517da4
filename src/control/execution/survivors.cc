#include "execution/survivors.h"

#include <algorithm>
#include <csignal>
#include <set>

#include <fmt/core.h>
#include <fmt/ranges.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file_descriptor.h"
#include "execution/attempt_protocol.h"
#include "execution/processes.h"

namespace millrace::execution {
namespace {

using SteadyTime = std::chrono::steady_clock::time_point;

using Spared = std::set<orchestration::AttemptId>;

bool is_spared(pid_t pid, const Spared& spared) {
  return std::any_of(spared.begin(), spared.end(), [&](const orchestration::AttemptId& attempt) {
    return was_started_with(pid, fmt::format("{}={}", kAttemptVariable, attempt.str()));
  });
}

std::vector<Process> find_survivors(const std::string& owner, const Spared& spared) {
  const std::string mark = fmt::format("{}={}", kAttemptOfVariable, owner);
  const pid_t self = ::getpid();
  std::vector<Process> all = list_processes();
  std::set<pid_t> marked;
  std::set<pid_t> groups;
  for (const Process& process : all) {
    if (!was_started_with(process.pid, mark) || is_spared(process.pid, spared)) continue;
    marked.insert(process.pid);
    groups.insert(process.group);
  }
  groups.erase(::getpgrp());
  std::erase_if(all, [&](const Process& process) {
    return process.pid == self ||
           (!marked.contains(process.pid) && !groups.contains(process.group));
  });
  return all;
}

void wait_for_end(const FileDescriptor& pidfd, SteadyTime deadline) {
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
  pollfd watched{pidfd.get(), POLLIN, 0};
  ::poll(&watched, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
}

}  // namespace

Result<int> end_survivors(const std::string& owner, Duration patience, const Spared& spared) {
  const SteadyTime deadline = std::chrono::steady_clock::now() + patience;
  std::set<std::pair<pid_t, std::uint64_t>> ended;
  // Again until there is none: one that is being ended may just have started another.
  for (;;) {
    const std::vector<Process> survivors = find_survivors(owner, spared);
    if (survivors.empty()) return static_cast<int>(ended.size());
    if (std::chrono::steady_clock::now() >= deadline) {
      std::vector<pid_t> pids;
      pids.reserve(survivors.size());
      for (const Process& process : survivors) pids.push_back(process.pid);
      return Error(ErrorCode::Unavailable,
                   fmt::format("processes of attempts of an earlier server live on and cannot be "
                               "ended: {}; end them (kill -9), then try again",
                               fmt::join(pids, ", ")));
    }
    std::vector<FileDescriptor> dying;
    dying.reserve(survivors.size());
    for (const Process& process : survivors) {
      FileDescriptor pidfd = hold(process);
      if (!pidfd.is_open()) continue;
      ::syscall(SYS_pidfd_send_signal, pidfd.get(), SIGKILL, nullptr, 0);
      ended.emplace(process.pid, process.started);
      dying.push_back(std::move(pidfd));
    }
    for (const FileDescriptor& pidfd : dying) wait_for_end(pidfd, deadline);
  }
}

}  // namespace millrace::execution
