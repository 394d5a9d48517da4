#pragma once

// Instants, durations and civil time.
//
// Inside Millrace every moment is an Instant: microseconds of UTC since 1970, leap seconds ignored
// (as POSIX does). Civil time exists only at the edges, always together with a TimeZone.

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace millrace {

using Duration = std::chrono::microseconds;
using Instant = std::chrono::sys_time<Duration>;

/// RFC 3339 in UTC, with as many digits of the second as are needed: "2013-12-01T05:00:00Z".
std::string format_instant(Instant instant);

/// Reads RFC 3339 ("2013-12-01T05:00:00Z", "2013-12-01T00:00:00-05:00") and, read as UTC,
/// "2013-12-01 05:00:00" and "2013-12-01". Errors: Invalid.
Result<Instant> parse_instant(std::string_view text);

/// Reads "250ms", "30s", "5m", "2h", "7d", "1w" and sums of them ("1h30m"). Errors: Invalid.
Result<Duration> parse_duration(std::string_view text);

/// For people: "320 ms", "4.2 s", "3 min 20 s", "2 h 5 min".
std::string format_duration(Duration duration);

/// A moment as a wall clock shows it; fields are not normalised by themselves.
struct CivilTime {
  int year = 1970;
  int month = 1;  // 1..12
  int day = 1;    // 1..31
  int hour = 0;
  int minute = 0;
  int second = 0;

  auto operator<=>(const CivilTime&) const = default;
};

/// 0 = Sunday .. 6 = Saturday, as cron counts.
int weekday(const CivilTime& civil);

/// The same wall clock `days` later (or earlier), with the calendar's rules.
CivilTime add_days(const CivilTime& civil, int days);
CivilTime add_minutes(const CivilTime& civil, int minutes);

int days_in_month(int year, int month);

/// A zone of the IANA database, by its name ("America/New_York", "UTC"). Cheap to copy.
class TimeZone {
 public:
  /// Errors: Invalid when there is no such zone.
  static Result<TimeZone> load(std::string_view name);
  static TimeZone utc();

  enum class Kind {
    Unique,    // the wall clock shows this time once
    Skipped,   // never: clocks jumped over it (spring)
    Repeated,  // twice: clocks went back (autumn)
  };
  /// `before` reads the civil time with the offset in force before the change, `after` with the one
  /// after it; both are equal when kind is Unique. `transition` is the moment of the change
  /// (Skipped and Repeated only).
  struct Resolved {
    Kind kind;
    Instant before;
    Instant transition;
    Instant after;
  };

  const std::string& name() const;
  Resolved resolve(const CivilTime& civil) const;
  CivilTime civil(Instant instant) const;

  /// A moment at which the zone's clocks are set: they would have shown `from`, and show `to`.
  struct Transition {
    Instant at;
    CivilTime from;
    CivilTime to;
  };
  /// The first change later than `instant`; none when the zone knows no further one.
  std::optional<Transition> next_transition(Instant instant) const;
  /// The last change at `instant` or earlier.
  std::optional<Transition> last_transition(Instant instant) const;
  /// "2013-12-01 00:00:00 EST".
  std::string format(Instant instant) const;
  /// Reads what parse_instant reads; a time without an offset, or a date, is what this zone's clocks
  /// show (the moment of the change when they skip it, the first one when they show it twice).
  Result<Instant> parse(std::string_view text) const;

 private:
  struct Zone;
  explicit TimeZone(std::shared_ptr<const Zone> zone) : zone_(std::move(zone)) {}
  std::shared_ptr<const Zone> zone_;
};

}  // namespace millrace
