#include "server/due.h"

#include <optional>
#include <vector>

#include <fmt/core.h>

namespace millrace::server {
namespace {

using orchestration::Schedule;

constexpr std::size_t kDateLength = 10;  // 2013-12-01
constexpr Duration kStep(1);             // of an Instant

bool is_date(std::string_view text) {
  return text.size() == kDateLength && text[4] == '-' && text[7] == '-';
}

Instant midnight(const TimeZone& zone, const CivilTime& day) {
  const TimeZone::Resolved resolved =
      zone.resolve({.year = day.year, .month = day.month, .day = day.day});
  return resolved.kind == TimeZone::Kind::Skipped ? resolved.transition : resolved.before;
}

}  // namespace

Result<Stretch> stretch_of(const TimeZone& zone, std::string_view text) {
  const Instant first = TRY(zone.parse(text));
  if (!is_date(text)) return Stretch{first, first};
  return Stretch{first, midnight(zone, add_days(zone.civil(first), 1)) - kStep};
}

Result<Instant> due_at(const orchestration::Dag& dag, std::string_view text) {
  const Schedule& schedule = dag.schedule();
  const Stretch stretch = TRY(stretch_of(schedule.zone(), text));
  if (stretch.first == stretch.last) return stretch.first;
  const auto point = schedule.next_after(stretch.first - kStep);
  if (!point || *point > stretch.last) return stretch.first;
  const auto second = schedule.next_after(*point);
  if (second && *second <= stretch.last)
    return Error(
        ErrorCode::Invalid,
        fmt::format("the Dag '{}' is due several times on {}: at {}, {} and perhaps later; "
                    "name one with its time, or run them all: `millrace backfill {} "
                    "--from {} --to {}`",
                    dag.id().str(), text, format_instant(*point), format_instant(*second),
                    dag.id().str(), text, text));
  return *point;
}

std::string oddity_of(const orchestration::Dag& dag, Instant logical_date, Instant now) {
  const std::string date = format_instant(logical_date);
  if (logical_date > now)
    return fmt::format("the logical date {} lies in the future: the run sees what is there now",
                       date);
  const Schedule& schedule = dag.schedule();
  const auto before = schedule.previous_at_or_before(logical_date);
  if (!schedule.has_points() || before == logical_date) return "";
  const orchestration::DagSpec& spec = dag.spec();
  if (spec.start_date && logical_date < *spec.start_date)
    return fmt::format("the logical date {} lies before the start_date of the Dag '{}', {}", date,
                       dag.id().str(), format_instant(*spec.start_date));
  if (spec.end_date && logical_date > *spec.end_date)
    return fmt::format("the logical date {} lies after the end_date of the Dag '{}', {}", date,
                       dag.id().str(), format_instant(*spec.end_date));
  std::string dates = before ? format_instant(*before) : "";
  if (const auto after = schedule.next_after(logical_date))
    dates += (dates.empty() ? "" : " and ") + format_instant(*after);
  return fmt::format("the logical date {} is not on the schedule '{}' ({}) of the Dag '{}'{}", date,
                     dag.spec().schedule, schedule.zone().name(), dag.id().str(),
                     dates.empty() ? "" : "; next to it are " + dates);
}

}  // namespace millrace::server
