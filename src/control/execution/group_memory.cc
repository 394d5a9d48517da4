#include "execution/group_memory.h"

#include <charconv>
#include <string_view>

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

namespace millrace::execution {
namespace {

constexpr int kGroup = 5;  // fields of the line, counted from 1
constexpr int kResident = 24;

struct Process {
  pid_t group = 0;
  std::uint64_t resident_pages = 0;
};

/// proc(5): "pid (name) state ppid pgrp session ... rss ...", where the name may hold anything.
bool parse(std::string_view stat, Process& out) {
  const std::size_t end_of_name = stat.rfind(')');
  if (end_of_name == std::string_view::npos) return false;
  std::string_view left = stat.substr(end_of_name + 1);
  for (int field = 3; field <= kResident; ++field) {
    if (!left.starts_with(' ')) return false;
    left.remove_prefix(1);
    const char* first = left.data();
    const char* last = first + std::min(left.find(' '), left.size());
    if (field == kGroup) std::from_chars(first, last, out.group);
    if (field == kResident) std::from_chars(first, last, out.resident_pages);
    left.remove_prefix(static_cast<std::size_t>(last - first));
  }
  return true;
}

}  // namespace

void measure_groups(std::map<pid_t, std::uint64_t>& groups) {
  for (auto& entry : groups) entry.second = 0;
  static const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  DIR* folder = ::opendir("/proc");
  if (folder == nullptr) return;
  while (const dirent* entry = ::readdir(folder)) {
    if (entry->d_name[0] < '1' || entry->d_name[0] > '9') continue;
    const std::string path = std::string("/proc/") + entry->d_name + "/stat";
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) continue;  // it has ended meanwhile
    char text[1024];
    const ssize_t size = ::read(fd, text, sizeof(text));
    ::close(fd);
    Process process;
    if (size <= 0 || !parse({text, static_cast<std::size_t>(size)}, process)) continue;
    if (const auto found = groups.find(process.group); found != groups.end())
      found->second += process.resident_pages * page;
  }
  ::closedir(folder);
}

}  // namespace millrace::execution
