// A cron expression. First line: seconds since 1970; second line: a time zone; then the expression.

#include <charconv>

#include "fuzz.h"
#include "orchestration/cron.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace millrace;
  std::string_view text = text_of(data, size);
  const std::string_view moment = take_line(text);
  const std::string_view zone_name = take_line(text);
  std::int64_t seconds = 0;
  std::from_chars(moment.data(), moment.data() + moment.size(), seconds);
  seconds = ((seconds % 6'000'000'000) + 6'000'000'000) % 6'000'000'000;  // 1970 to 2160
  static const char* const kZones[] = {"UTC",
                                       "America/New_York",
                                       "Europe/Berlin",
                                       "Australia/Lord_Howe",
                                       "Asia/Kathmandu",
                                       "Africa/Casablanca"};
  const Result<TimeZone> zone = TimeZone::load(kZones[zone_name.size() % std::size(kZones)]);
  INVARIANT(zone.ok(), "the zone is there");
  const Result<orchestration::Cron> cron = orchestration::Cron::parse(text, *zone);
  if (!cron.ok()) return 0;
  Instant at = Instant(std::chrono::seconds(seconds));
  for (int i = 0; i < 5; ++i) {
    const Instant next = cron->next_after(at);
    INVARIANT(next > at, "points ascend");
    INVARIANT(cron->previous_at_or_before(next) == next, "a point is its own last one");
    INVARIANT(cron->previous_at_or_before(next - Duration(1)) <= at, "no point lies between");
    at = next;
  }
  return 0;
}
