#pragma once

// What people mean by a time: on the command line, in the API.

#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "orchestration/dag.h"

namespace millrace::server {

/// From `first` to `last`, both included. A date without a time is its whole day on the clocks of
/// the zone, anything else one moment.
struct Stretch {
  Instant first;
  Instant last;
};
/// Errors: those of TimeZone::parse.
Result<Stretch> stretch_of(const TimeZone& zone, std::string_view text);

/// The logical date that `text` names: of a date the moment of that day at which the Dag is due, or
/// midnight when it is not due then. Errors: Invalid for no time, and for a day on which the Dag is
/// due several times.
Result<Instant> due_at(const orchestration::Dag& dag, std::string_view text);

/// What is odd about a logical date that was asked for: it lies in the future, outside of the Dag's
/// start_date and end_date, or is no point of the schedule. "" when nothing is.
std::string oddity_of(const orchestration::Dag& dag, Instant logical_date, Instant now);

}  // namespace millrace::server
