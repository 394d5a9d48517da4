#pragma once

// How much memory this process may use before the machine kills it.

#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::engine {

/// The machine's memory, or the least limit of the control groups that this process is in: its own,
/// and each around it (a systemd unit, a container, a pod).
std::uint64_t memory_of_machine();

/// The least limit from the group of a process up, or `most`.
///
///   membership  the text of /proc/self/cgroup: "0::/system.slice/a.service" (version 2), or
///               "5:memory:/docker/1234" (version 1)
///   root        where the groups are mounted, "/sys/fs/cgroup"
///
/// Source: Linux, Documentation/admin-guide/cgroup-v2.rst ("memory.max") and cgroup-v1/memory.rst.
std::uint64_t memory_limit(std::string_view membership, const std::string& root,
                           std::uint64_t most);

}  // namespace millrace::engine
