#pragma once

// A SELECT's syntax tree as JSON, in both directions without loss.

#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace millrace::engine {

/// DuckDB writes 64-bit unsigned numbers into its trees (the halves of 128-bit constants, "no
/// place"), and Json holds signed ones: those beyond stand as texts that start with this.
inline constexpr std::string_view kUnsignedMark = "\x01uint64:";

/// The text with every number above 2^63 - 1 marked, ready for Json::parse.
std::string mark_unsigned(std::string_view json);
/// The reverse, on what Json::dump wrote.
std::string unmark_unsigned(std::string_view json);

}  // namespace millrace::engine
