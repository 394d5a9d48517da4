#pragma once

// Cron expressions: "0 0 * * 0" is every Sunday at midnight, as the wall clock of a zone shows it.
//
//   minute 0-59   hour 0-23   day of month 1-31   month 1-12 or jan-dec   day of week 0-7 or
//   sun-sat
//
// A field is `*`, a value, a range `a-b`, a step `*/n`, `a/n` or `a-b/n`, or a list of these; a
// range may wrap (`fri-mon`, `22-4`), 7 is Sunday, and names may be written in either case. When
// day of month and day of week are both given (neither is exactly `*`), a day that matches either
// is taken, as cron always did. Presets: @hourly @daily (@midnight) @weekly @monthly @yearly
// (@annually).
//
// When clocks are set (the transition is the moment at which that happens):
//   a skipped time   (spring) runs at the transition; several skipped times run once there
//   a repeated time  (autumn) runs once, at its first occurrence; where the hour field is `*` or
//                    `*/n` it runs both times, so that what runs every few minutes does not pause
//                    for an hour
// so the points of a schedule are strictly increasing and none is lost. tests/interop/cron_test.py
// compares this with croniter 7.0.0 and lists where the two differ on purpose.
//
// Seconds and years (6 or 7 fields), L, W, # and H are refused by name.

#include <array>
#include <bitset>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"

namespace millrace::orchestration {

class Cron {
 public:
  /// Errors: Invalid naming the field, what was written and what may stand there, also for an
  /// expression that never comes true ("0 0 30 2 *"); Unsupported for L, W, #, H, seconds and
  /// years.
  static Result<Cron> parse(std::string_view text, TimeZone zone);

  const std::string& text() const { return text_; }
  const TimeZone& zone() const { return zone_; }

  // Both cost microseconds: they step from field to field, never from minute to minute.
  Instant next_after(Instant instant) const;
  Instant previous_at_or_before(Instant instant) const;

 private:
  Cron(std::string text, TimeZone zone) : text_(std::move(text)), zone_(std::move(zone)) {}
  Status read_fields(std::string_view fields);
  Status check_it_ever_comes() const;
  bool day_matches(const CivilTime& day) const;
  // The nearest match at or after (at or before) a civil minute.
  CivilTime match_from(CivilTime civil) const;
  CivilTime match_back_from(CivilTime civil) const;

  std::string text_;
  TimeZone zone_;
  std::bitset<60> minutes_;
  std::bitset<24> hours_;
  std::bitset<32> days_;
  std::bitset<13> months_;
  std::bitset<7> weekdays_;
  bool any_day_ = false;
  bool any_weekday_ = false;
  bool every_hour_ = false;  // the hour field is `*` or `*/n`
};

}  // namespace millrace::orchestration
