#include "orchestration/schedule.h"

#include <algorithm>

namespace millrace::orchestration {

Result<Schedule> Schedule::parse(std::string_view text, TimeZone zone, std::optional<Instant> start,
                                 std::optional<Instant> end) {
  if (start && end && *end < *start)
    return Error(ErrorCode::Invalid, "the end_date " + format_instant(*end) +
                                         " lies before the start_date " + format_instant(*start));
  Schedule schedule(zone, start, end);
  if (text == "@once") {
    if (!start)
      return Error(ErrorCode::Invalid,
                   "the schedule @once needs a start_date, the moment at which it runs");
    schedule.kind_ = Once{};
  } else if (!text.empty()) {
    schedule.kind_ = TRY(Cron::parse(text, std::move(zone)));
  }
  return schedule;
}

std::optional<Instant> Schedule::next_after(Instant instant) const {
  std::optional<Instant> point;
  if (std::holds_alternative<Once>(kind_)) {
    if (instant < *start_) point = start_;
  } else if (const Cron* cron = std::get_if<Cron>(&kind_)) {
    // One microsecond earlier, since a point may fall on the start itself.
    point = cron->next_after(start_ ? std::max(instant, *start_ - Duration(1)) : instant);
  }
  if (point && end_ && *point > *end_) point.reset();
  return point;
}

std::optional<Instant> Schedule::previous_at_or_before(Instant instant) const {
  std::optional<Instant> point;
  if (std::holds_alternative<Once>(kind_)) {
    if (*start_ <= instant) point = start_;
  } else if (const Cron* cron = std::get_if<Cron>(&kind_)) {
    point = cron->previous_at_or_before(end_ ? std::min(instant, *end_) : instant);
  }
  if (point && start_ && *point < *start_) point.reset();
  return point;
}

DataInterval Schedule::interval_ending_at(Instant logical_date) const {
  const Cron* cron = std::get_if<Cron>(&kind_);
  if (cron == nullptr) return {logical_date, logical_date};
  return {cron->previous_at_or_before(logical_date - Duration(1)), logical_date};
}

}  // namespace millrace::orchestration
