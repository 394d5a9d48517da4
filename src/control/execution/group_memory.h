#pragma once

// How much memory process groups hold.

#include <cstdint>
#include <map>

#include <sys/types.h>

namespace millrace::execution {

/// Adds up the resident memory of the processes of each group that is a key of `groups`, by one
/// walk through /proc (about 10 us a process of the machine). Pages that processes share count for
/// each of them. A limit of the address space would be cheaper and wrong: DuckDB and others reserve
/// far more than they use.
void measure_groups(std::map<pid_t, std::uint64_t>& groups);

}  // namespace millrace::execution
