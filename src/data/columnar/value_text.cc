#include "columnar/value_text.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include <fmt/core.h>

#include "base/text.h"

namespace millrace::columnar {

namespace {

constexpr std::int64_t kMicrosPerSecond = 1'000'000;
constexpr std::int64_t kMicrosPerDay = 86'400 * kMicrosPerSecond;

template <typename T>
std::string shortest(T value) {
  if (std::isnan(value)) return "nan";
  char buffer[64];
  auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, value);
  return {buffer, end};
}

}  // namespace

std::string double_text(double value) {
  return shortest(value);
}

std::string float_text(float value) {
  return shortest(value);
}

std::string decimal_text(Int128 unscaled, int scale) {
  bool negative = unscaled < 0;
  std::string digits;  // from the last to the first
  for (Int128 rest = unscaled; rest != 0; rest /= 10) {
    auto digit = static_cast<int>(rest % 10);
    digits += static_cast<char>('0' + (digit < 0 ? -digit : digit));
  }
  while (static_cast<int>(digits.size()) <= scale) digits += '0';
  std::ranges::reverse(digits);
  if (scale > 0) digits.insert(digits.size() - static_cast<std::size_t>(scale), 1, '.');
  return negative ? "-" + digits : digits;
}

double decimal_to_double(Int128 unscaled, int scale) {
  // Both sides exact: one rounding, by the division (Clinger 1990).
  constexpr double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                               1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                               1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
  constexpr std::int64_t exact = std::int64_t{1} << 53U;
  if (unscaled >= -exact && unscaled <= exact && scale <= 22) {
    return static_cast<double>(static_cast<std::int64_t>(unscaled)) / powers[scale];
  }
  std::string text = decimal_text(unscaled, scale);
  double value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::string binary_text(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  for (char c : bytes) {
    auto byte = static_cast<unsigned char>(c);
    if (byte >= 32 && byte < 127 && c != '\\' && c != '\'' && c != '"') {
      text += c;
    } else {
      text += escaped_byte(c);
    }
  }
  return text;
}

std::string date_text(std::int64_t days) {
  if (days == std::numeric_limits<std::int32_t>::max()) return "infinity";
  if (days == -std::numeric_limits<std::int32_t>::max()) return "-infinity";
  // Howard Hinnant, "chrono-compatible low-level date algorithms", civil_from_days: the standard
  // library's calendar ends at year 32767, a 32-bit date at 5,881,580.
  std::int64_t z = days + 719'468;
  std::int64_t era = (z >= 0 ? z : z - 146'096) / 146'097;
  std::int64_t day_of_era = z - era * 146'097;
  std::int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  std::int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  std::int64_t shifted_month = (5 * day_of_year + 2) / 153;
  std::int64_t day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
  std::int64_t month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
  std::int64_t year = year_of_era + era * 400 + (month <= 2 ? 1 : 0);
  if (year < 0) return fmt::format("-{:04}-{:02}-{:02}", -year, month, day);
  return fmt::format("{:04}-{:02}-{:02}", year, month, day);
}

std::string timestamp_text(std::int64_t microseconds, Zone zone) {
  if (microseconds == std::numeric_limits<std::int64_t>::max()) return "infinity";
  if (microseconds == -std::numeric_limits<std::int64_t>::max()) return "-infinity";
  std::int64_t days = microseconds / kMicrosPerDay;
  std::int64_t rest = microseconds % kMicrosPerDay;
  if (rest < 0) {
    rest += kMicrosPerDay;
    --days;
  }
  std::int64_t seconds = rest / kMicrosPerSecond;
  std::string text = fmt::format("{}T{:02}:{:02}:{:02}", date_text(days), seconds / 3600,
                                 seconds / 60 % 60, seconds % 60);
  if (std::int64_t micros = rest % kMicrosPerSecond; micros != 0) {
    std::string fraction = fmt::format(".{:06}", micros);
    fraction.erase(fraction.find_last_not_of('0') + 1);
    text += fraction;
  }
  return zone == Zone::Utc ? text + 'Z' : text;
}

}  // namespace millrace::columnar
