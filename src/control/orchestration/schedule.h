#pragma once

// When a Dag is due: a sequence of points in time, strictly increasing.
//
// The **logical date** of a run is the point at which it is due. Its **data interval** ends there
// and begins at the point before, so a run always looks back over an interval that has passed. (In
// Airflow 2 the logical date was the interval's beginning; Airflow 3 and we name the moment.)
//
// Today a schedule is a cron expression, @once, or nothing; whatever else can name points
// (intervals, calendars, several crons) becomes another kind here, and the scheduler stays as it
// is.

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "orchestration/cron.h"

namespace millrace::orchestration {

struct DataInterval {
  Instant start;
  Instant end;

  bool operator==(const DataInterval&) const = default;
};

class Schedule {
 public:
  /// `text`: a cron expression, "@once" (one point: `start`), or "" for a Dag that runs when asked.
  /// No point lies before `start` or after `end`. Errors: those of Cron::parse; Invalid for @once
  /// without a start, and for an end before the start.
  static Result<Schedule> parse(std::string_view text, TimeZone zone, std::optional<Instant> start,
                                std::optional<Instant> end);

  const TimeZone& zone() const { return zone_; }
  bool has_points() const { return kind_.index() != 0; }

  /// None when no further point comes.
  std::optional<Instant> next_after(Instant instant) const;
  std::optional<Instant> previous_at_or_before(Instant instant) const;

  /// The interval that ends at `logical_date`, whether that is a point or was asked for by hand. It
  /// begins at the latest earlier point of the expression, also where that lies before `start`;
  /// without points (and for @once) it is empty: start == end.
  DataInterval interval_ending_at(Instant logical_date) const;

 private:
  struct Never {};
  struct Once {};

  Schedule(TimeZone zone, std::optional<Instant> start, std::optional<Instant> end)
      : zone_(std::move(zone)), start_(start), end_(end) {}

  TimeZone zone_;
  std::optional<Instant> start_;
  std::optional<Instant> end_;
  std::variant<Never, Once, Cron> kind_;
};

}  // namespace millrace::orchestration
