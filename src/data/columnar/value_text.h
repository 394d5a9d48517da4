#pragma once

// Single values as text, as people read them and as SQL takes them back.

#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::columnar {

__extension__ using Int128 = __int128;  // an unscaled decimal, as Arrow's decimal128 stores it

/// The shortest digits that read back as the same number; "nan", "inf", "-inf".
std::string double_text(double value);
std::string float_text(float value);

/// "-12.50" for -1250 with scale 2.
std::string decimal_text(Int128 unscaled, int scale);
/// The nearest double of unscaled / 10^scale, scale 0..38.
double decimal_to_double(Int128 unscaled, int scale);

/// Printable ASCII as it is, a backslash and all other bytes as "\x5C": DuckDB's BLOB literal.
std::string binary_text(std::string_view bytes);

/// ISO 8601 of days since 1970 in the proleptic Gregorian calendar; "infinity" and "-infinity" for
/// the two values that DuckDB keeps for them.
std::string date_text(std::int64_t days);

enum class Zone : std::uint8_t { None, Utc };
/// "2013-12-01T05:00:00.25", with "Z" at the end when the zone is UTC.
std::string timestamp_text(std::int64_t microseconds, Zone zone);

}  // namespace millrace::columnar
