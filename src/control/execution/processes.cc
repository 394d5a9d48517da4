#include "execution/processes.h"

#include <algorithm>
#include <charconv>
#include <memory>
#include <string_view>

#include <dirent.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/syscall.h>
#include <unistd.h>

extern char** environ;

namespace millrace::execution {
namespace {

// Fields of the line, counted from 1.
constexpr int kState = 3;
constexpr int kGroup = 5;
constexpr int kStarted = 22;
constexpr int kResident = 24;

/// "" when it cannot be read: the process has ended meanwhile, or is another user's.
std::string read_all(const std::string& path) {
  std::string text;
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  char piece[4096];
  for (ssize_t size = 1; file.is_open() && size > 0;) {
    size = ::read(file.get(), piece, sizeof(piece));
    if (size > 0) text.append(piece, static_cast<std::size_t>(size));
  }
  return text;
}

/// proc(5): "pid (name) state ppid pgrp session ... starttime vsize rss ...", where the name may
/// hold anything.
std::optional<Process> parse(pid_t pid, std::string_view stat) {
  static const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  const std::size_t end_of_name = stat.rfind(')');
  if (end_of_name == std::string_view::npos) return std::nullopt;
  Process process;
  process.pid = pid;
  std::string_view left = stat.substr(end_of_name + 1);
  for (int field = kState; field <= kResident; ++field) {
    if (!left.starts_with(' ')) return std::nullopt;
    left.remove_prefix(1);
    const char* first = left.data();
    const char* last = first + std::min(left.find(' '), left.size());
    if (field == kState && (*first == 'Z' || *first == 'X')) return std::nullopt;
    if (field == kGroup) std::from_chars(first, last, process.group);
    if (field == kStarted) std::from_chars(first, last, process.started);
    if (field == kResident) std::from_chars(first, last, process.resident_bytes);
    left.remove_prefix(static_cast<std::size_t>(last - first));
  }
  process.resident_bytes *= page;
  return process;
}

}  // namespace

std::map<std::string, std::string> own_environment() {
  std::map<std::string, std::string> all;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const std::size_t equals = text.find('=');
    if (equals != std::string_view::npos)
      all[std::string(text.substr(0, equals))] = std::string(text.substr(equals + 1));
  }
  return all;
}

std::optional<Process> find_process(pid_t pid) {
  return parse(pid, read_all(fmt::format("/proc/{}/stat", pid)));
}

std::vector<Process> list_processes() {
  std::vector<Process> all;
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir("/proc"), ::closedir);
  if (folder == nullptr) return all;
  while (const dirent* entry = ::readdir(folder.get())) {
    const std::string_view name = entry->d_name;
    pid_t pid = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (error != std::errc() || end != name.data() + name.size()) continue;
    if (const auto process = find_process(pid)) all.push_back(*process);
  }
  return all;
}

FileDescriptor hold(const Process& process) {
  FileDescriptor pidfd(static_cast<int>(::syscall(SYS_pidfd_open, process.pid, 0)));
  const std::optional<Process> now = find_process(process.pid);
  if (!now || now->started != process.started) pidfd.close();
  return pidfd;
}

FileDescriptor hold_one_of(pid_t group) {
  // A walk misses who is forked behind it by a process that ends before it is reached; the next one
  // sees the child. So nobody is there when three on end have seen nobody.
  for (int walk = 0; walk < 3; ++walk) {
    for (const Process& process : list_processes()) {
      if (process.group != group) continue;
      if (FileDescriptor pidfd = hold(process); pidfd.is_open()) return pidfd;
    }
  }
  return {};
}

bool was_started_with(pid_t pid, const std::string& name_and_value) {
  // Each entry ends with a zero byte.
  const std::string environment = '\0' + read_all(fmt::format("/proc/{}/environ", pid));
  const std::string entry = '\0' + name_and_value + '\0';
  return environment.find(entry) != std::string::npos;
}

void measure_groups(std::map<pid_t, std::uint64_t>& groups) {
  for (auto& entry : groups) entry.second = 0;
  for (const Process& process : list_processes())
    if (const auto found = groups.find(process.group); found != groups.end())
      found->second += process.resident_bytes;
}

}  // namespace millrace::execution
