#include "ingest/time_text.h"

#include <chrono>

namespace millrace::ingest {
namespace {

constexpr std::int64_t kMicrosOfSecond = 1'000'000;
constexpr std::int64_t kMicrosOfDay = 86'400 * kMicrosOfSecond;

/// Reads exactly `count` digits from the front.
bool take_digits(std::string_view& text, std::size_t count, int& value) {
  if (text.size() < count) return false;
  value = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (text[i] < '0' || text[i] > '9') return false;
    value = value * 10 + (text[i] - '0');
  }
  text.remove_prefix(count);
  return true;
}

bool take(std::string_view& text, char wanted) {
  if (text.empty() || text[0] != wanted) return false;
  text.remove_prefix(1);
  return true;
}

std::optional<std::int64_t> take_date(std::string_view& text) {
  int year = 0;
  int month = 0;
  int day = 0;
  if (!take_digits(text, 4, year) || !take(text, '-') || !take_digits(text, 2, month) ||
      !take(text, '-') || !take_digits(text, 2, day) || year == 0)
    return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return std::nullopt;
  return std::chrono::sys_days(date).time_since_epoch().count();
}

/// ".25": microseconds; what is finer is cut off.
std::optional<std::int64_t> take_fraction(std::string_view& text) {
  if (!take(text, '.')) return 0;
  std::int64_t micros = 0;
  int digits = 0;
  for (; !text.empty() && text[0] >= '0' && text[0] <= '9'; text.remove_prefix(1), ++digits)
    if (digits < 6) micros = micros * 10 + (text[0] - '0');
  if (digits == 0 || digits > 9) return std::nullopt;
  for (; digits < 6; ++digits) micros *= 10;
  return micros;
}

/// "05:00", "05:00:00", "05:00:00.25": microseconds of the day.
std::optional<std::int64_t> take_time(std::string_view& text) {
  int hour = 0;
  int minute = 0;
  int second = 0;
  if (!take_digits(text, 2, hour) || !take(text, ':') || !take_digits(text, 2, minute))
    return std::nullopt;
  std::optional<std::int64_t> fraction = 0;
  if (take(text, ':')) {
    if (!take_digits(text, 2, second)) return std::nullopt;
    fraction = take_fraction(text);
  }
  if (hour > 23 || minute > 59 || second > 59 || !fraction) return std::nullopt;
  return (hour * 3600 + minute * 60 + second) * kMicrosOfSecond + *fraction;
}

/// "Z", "+01:00", "-0500", "+01" or nothing: microseconds ahead of UTC.
std::optional<std::int64_t> take_offset(std::string_view& text) {
  if (text.empty() || take(text, 'Z') || take(text, 'z')) return 0;
  const bool behind = text[0] == '-';
  if (!behind && text[0] != '+') return std::nullopt;
  text.remove_prefix(1);
  int hours = 0;
  int minutes = 0;
  if (!take_digits(text, 2, hours)) return std::nullopt;
  const bool colon = take(text, ':');
  if ((colon || !text.empty()) && !take_digits(text, 2, minutes)) return std::nullopt;
  if (hours > 15 || minutes > 59) return std::nullopt;
  const std::int64_t micros = (hours * 3600 + minutes * 60) * kMicrosOfSecond;
  return behind ? -micros : micros;
}

}  // namespace

std::optional<std::int64_t> read_date(std::string_view text) {
  const auto date = take_date(text);
  return text.empty() ? date : std::nullopt;
}

std::optional<std::int64_t> read_moment(std::string_view text, Offset offset) {
  const auto date = take_date(text);
  if (!date) return std::nullopt;
  if (text.empty() && offset != Offset::Required) return *date * kMicrosOfDay;
  if (!take(text, 'T') && !take(text, ' ') && !take(text, 't')) return std::nullopt;
  const auto time = take_time(text);
  if (!time || (offset == Offset::Refused && !text.empty())) return std::nullopt;
  if (offset == Offset::Required && text.empty()) return std::nullopt;
  if (text.size() > 1 && text[0] == ' ') text.remove_prefix(1);  // "05:00:00 +00:00"
  const auto ahead = take_offset(text);
  if (!ahead || !text.empty()) return std::nullopt;
  return *date * kMicrosOfDay + *time - *ahead;
}

}  // namespace millrace::ingest
