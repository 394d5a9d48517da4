#pragma once

// The processes of this machine, as /proc shows them.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/file_descriptor.h"

namespace millrace::execution {

struct Process {
  pid_t pid = 0;
  pid_t group = 0;
  std::uint64_t started = 0;  // clock ticks since the machine began: with the pid, who it is
  std::uint64_t resident_bytes = 0;
};

/// What this process was given by the one that started it, as it is now.
std::map<std::string, std::string> own_environment();

/// None when there is no such process, or it has ended and only waits to be reaped.
std::optional<Process> find_process(pid_t pid);

/// One walk through /proc: about 10 us a process of the machine.
std::vector<Process> list_processes();

/// A descriptor of the process, readable when it has ended; closed when it is not the one that was
/// seen. From then on its number cannot become another's.
FileDescriptor hold(const Process& process);

/// The same of one that lives in the group, whichever; closed when none does.
FileDescriptor hold_one_of(pid_t group);

/// Whether the process was started with NAME=value in its environment. What it changed there itself
/// does not count. False for a process of another user, and for one that has ended.
bool was_started_with(pid_t pid, const std::string& name_and_value);

/// Adds up the resident memory of the processes of each group that is a key of `groups`. Pages that
/// processes share count for each of them. A limit of the address space would be cheaper and wrong:
/// DuckDB and others reserve far more than they use.
void measure_groups(std::map<pid_t, std::uint64_t>& groups);

}  // namespace millrace::execution
