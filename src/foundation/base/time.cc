#include "base/time.h"

#include <array>
#include <charconv>

#include <absl/time/civil_time.h>
#include <absl/time/time.h>
#include <fmt/core.h>

namespace millrace {
namespace {

absl::Time to_absl(Instant instant) {
  return absl::FromUnixMicros(instant.time_since_epoch().count());
}

Instant from_absl(absl::Time time) {
  return Instant(Duration(absl::ToUnixMicros(time)));
}

absl::CivilSecond to_absl(const CivilTime& c) {
  return absl::CivilSecond(c.year, c.month, c.day, c.hour, c.minute, c.second);
}

CivilTime from_absl(absl::CivilSecond c) {
  return {static_cast<int>(c.year()), c.month(), c.day(), c.hour(), c.minute(), c.second()};
}

struct Unit {
  std::string_view suffix;
  std::int64_t micros;
};
/// RFC 3339 has years of four digits. A day less at both ends: no zone's clocks leave them.
bool has_four_digits(absl::Time time) {
  const auto midnight = [](int year, int month, int day) {
    return absl::FromCivil(absl::CivilDay(year, month, day), absl::UTCTimeZone());
  };
  return time >= midnight(1, 1, 2) && time < midnight(9999, 12, 31);
}

// Longer suffixes first: "ms" must not be read as "m".
constexpr std::array<Unit, 7> kUnits = {{{"ms", 1'000},
                                         {"us", 1},
                                         {"s", 1'000'000},
                                         {"m", 60'000'000},
                                         {"h", 3'600'000'000},
                                         {"d", 86'400'000'000},
                                         {"w", 604'800'000'000}}};

}  // namespace

std::string format_instant(Instant instant) {
  return absl::FormatTime("%E4Y-%m-%d%ET%H:%M:%E*SZ", to_absl(instant), absl::UTCTimeZone());
}

Result<Instant> parse_instant(std::string_view text) {
  return TimeZone::utc().parse(text);
}

Result<Duration> parse_duration(std::string_view text) {
  const auto refuse = [&] {
    return Error(ErrorCode::Invalid,
                 "'" + std::string(text) +
                     "' is not a duration; write a number and ms, s, m, h, d or "
                     "w, such as 30s, 5m, 2h or 1h30m");
  };
  if (text.empty()) return refuse();
  std::int64_t total = 0;
  for (std::string_view rest = text; !rest.empty();) {
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
    if (error != std::errc() || number < 0) return refuse();
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
    const Unit* unit = nullptr;
    for (const Unit& candidate : kUnits)
      if (rest.starts_with(candidate.suffix)) {
        unit = &candidate;
        break;
      }
    std::int64_t part = 0;
    if (unit == nullptr || __builtin_mul_overflow(number, unit->micros, &part) ||
        __builtin_add_overflow(total, part, &total))
      return refuse();
    rest.remove_prefix(unit->suffix.size());
  }
  return Duration(total);
}

std::string format_duration(Duration duration) {
  const std::int64_t micros = duration.count();
  if (micros < 0) return "-" + format_duration(-duration);
  const std::int64_t seconds = micros / 1'000'000;
  if (micros < 1'000) return fmt::format("{} us", micros);
  if (seconds < 1) return fmt::format("{} ms", micros / 1'000);
  if (seconds < 60) return fmt::format("{:.1f} s", static_cast<double>(micros) / 1e6);
  if (seconds < 3'600) return fmt::format("{} min {} s", seconds / 60, seconds % 60);
  if (seconds < 86'400) return fmt::format("{} h {} min", seconds / 3'600, seconds % 3'600 / 60);
  return fmt::format("{} d {} h", seconds / 86'400, seconds % 86'400 / 3'600);
}

int weekday(const CivilTime& civil) {
  // absl counts from Monday = 0.
  return (static_cast<int>(absl::GetWeekday(to_absl(civil))) + 1) % 7;
}

CivilTime add_days(const CivilTime& civil, int days) {
  const absl::CivilDay day = absl::CivilDay(to_absl(civil)) + days;
  return {
      static_cast<int>(day.year()), day.month(), day.day(), civil.hour, civil.minute, civil.second};
}

CivilTime add_minutes(const CivilTime& civil, int minutes) {
  return from_absl(to_absl(civil) + std::int64_t{60} * minutes);
}

int days_in_month(int year, int month) {
  const absl::CivilMonth first(year, month);
  return static_cast<int>(absl::CivilDay(first + 1) - absl::CivilDay(first));
}

struct TimeZone::Zone {
  std::string name;
  absl::TimeZone zone;
};

Result<TimeZone> TimeZone::load(std::string_view name) {
  auto zone = std::make_shared<Zone>();
  zone->name = std::string(name);
  // absl also accepts offsets such as "fixed-05:00"; only names of the database are stable words of
  // users.
  if (name.empty() || name.starts_with("fixed") || name.starts_with("file:") ||
      name.starts_with("/") || name.starts_with("libc:") ||
      !absl::LoadTimeZone(zone->name, &zone->zone))
    return Error(ErrorCode::Invalid, "'" + zone->name +
                                         "' is not a time zone; write an IANA name such as UTC, "
                                         "Europe/Vienna or America/New_York");
  return TimeZone(std::move(zone));
}

TimeZone TimeZone::utc() {
  auto zone = std::make_shared<Zone>();
  zone->name = "UTC";
  zone->zone = absl::UTCTimeZone();
  return TimeZone(std::move(zone));
}

const std::string& TimeZone::name() const {
  return zone_->name;
}

TimeZone::Resolved TimeZone::resolve(const CivilTime& civil) const {
  const absl::TimeZone::TimeInfo info = zone_->zone.At(to_absl(civil));
  const Kind kind = info.kind == absl::TimeZone::TimeInfo::SKIPPED    ? Kind::Skipped
                    : info.kind == absl::TimeZone::TimeInfo::REPEATED ? Kind::Repeated
                                                                      : Kind::Unique;
  return {kind, from_absl(info.pre), from_absl(info.trans), from_absl(info.post)};
}

CivilTime TimeZone::civil(Instant instant) const {
  return from_absl(zone_->zone.At(to_absl(instant)).cs);
}

std::optional<TimeZone::Transition> TimeZone::next_transition(Instant instant) const {
  absl::TimeZone::CivilTransition change;
  if (!zone_->zone.NextTransition(to_absl(instant), &change)) return std::nullopt;
  return Transition{from_absl(zone_->zone.At(change.to).trans), from_absl(change.from),
                    from_absl(change.to)};
}

std::optional<TimeZone::Transition> TimeZone::last_transition(Instant instant) const {
  absl::TimeZone::CivilTransition change;
  // absl answers strictly before, in whole seconds.
  const Instant later = std::chrono::floor<std::chrono::seconds>(instant) + std::chrono::seconds(1);
  if (!zone_->zone.PrevTransition(to_absl(later), &change)) return std::nullopt;
  return Transition{from_absl(zone_->zone.At(change.to).trans), from_absl(change.from),
                    from_absl(change.to)};
}

Result<Instant> TimeZone::parse(std::string_view text) const {
  const std::string input(text);
  const auto read = [&](const char* format) -> std::optional<Instant> {
    absl::Time time;
    if (!absl::ParseTime(format, input, &time, nullptr) || !has_four_digits(time))
      return std::nullopt;
    return from_absl(time);
  };
  if (const auto moment = read(absl::RFC3339_full)) return *moment;
  for (const char* format :
       {"%Y-%m-%d%ET%H:%M:%E*S", "%Y-%m-%d %H:%M:%E*S", "%Y-%m-%d%ET%H:%M", "%Y-%m-%d"}) {
    const auto shown = read(format);  // as if it were UTC
    if (!shown) continue;
    const auto seconds = std::chrono::floor<std::chrono::seconds>(*shown);
    const Resolved resolved = resolve(utc().civil(seconds));
    if (resolved.kind == Kind::Skipped) return resolved.transition;
    return resolved.before + (*shown - seconds);
  }
  return Error(ErrorCode::Invalid,
               "'" + input +
                   "' is not a time of the years 1 to 9999; write it as 2013-12-01T05:00:00Z or "
                   "2013-12-01");
}

std::string TimeZone::format(Instant instant) const {
  return absl::FormatTime("%Y-%m-%d %H:%M:%S %Z", to_absl(instant), zone_->zone);
}

}  // namespace millrace
