#pragma once

// Amounts of memory and disk as people write and read them.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace millrace {

/// Reads "4GB", "512 MB", "1.5GiB", "100kB" or a number of bytes; kB, MB, GB, TB are powers of
/// 1000, KiB, MiB, GiB, TiB of 1024. Errors: Invalid.
Result<std::uint64_t> parse_bytes(std::string_view text);

/// "532 B", "1.4 MB", "3.0 GB" (powers of 1000).
std::string format_bytes(std::uint64_t bytes);

}  // namespace millrace
