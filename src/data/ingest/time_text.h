#pragma once

// Dates and moments as data files write them, read without allocation: a million a second and more,
// where parse_instant of base (which knows five formats and explains itself) reads a tenth of that.

#include <cstdint>
#include <optional>
#include <string_view>

namespace millrace::ingest {

/// "2013-12-01": days since 1970. Years 0001 to 9999.
std::optional<std::int64_t> read_date(std::string_view text);

enum class Offset : std::uint8_t { Allowed, Required, Refused };

/// "2013-12-01T05:00:00.25+01:00" and what cell.h lists: microseconds since 1970 (of UTC, or of the
/// wall clock when the offset is refused). A date alone has no offset.
std::optional<std::int64_t> read_moment(std::string_view text, Offset offset);

}  // namespace millrace::ingest
