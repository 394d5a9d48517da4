#include "orchestration/cron.h"

#include <algorithm>
#include <charconv>
#include <span>
#include <vector>

#include <fmt/core.h>

#include "base/suggest.h"
#include "base/text.h"

namespace millrace::orchestration {
namespace {

constexpr std::size_t kLongest = 256;

struct Field {
  std::string_view name;
  int low;
  int high;
  std::span<const std::string_view> names;  // of low, low + 1, ...
};

constexpr std::array<std::string_view, 12> kMonths = {"jan", "feb", "mar", "apr", "may", "jun",
                                                      "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::array<std::string_view, 7> kWeekdays = {"sun", "mon", "tue", "wed",
                                                       "thu", "fri", "sat"};
constexpr std::array<Field, 5> kFields = {{{"minute", 0, 59, {}},
                                           {"hour", 0, 23, {}},
                                           {"day of month", 1, 31, {}},
                                           {"month", 1, 12, kMonths},
                                           {"day of week", 0, 7, kWeekdays}}};

struct Preset {
  std::string_view name;
  std::string_view fields;
};
constexpr std::array<Preset, 7> kPresets = {{{"@hourly", "0 * * * *"},
                                             {"@daily", "0 0 * * *"},
                                             {"@midnight", "0 0 * * *"},
                                             {"@weekly", "0 0 * * 0"},
                                             {"@monthly", "0 0 1 * *"},
                                             {"@yearly", "0 0 1 1 *"},
                                             {"@annually", "0 0 1 1 *"}}};

std::vector<std::string_view> split(std::string_view text, std::string_view separators) {
  std::vector<std::string_view> parts;
  std::size_t start = 0;
  for (std::size_t i = 0; i <= text.size(); ++i)
    if (i == text.size() || separators.find(text[i]) != std::string_view::npos) {
      parts.push_back(text.substr(start, i - start));
      start = i + 1;
    }
  return parts;
}

Error field_error(const Field& field, std::string_view written) {
  return {ErrorCode::Invalid,
          fmt::format("'{}' cannot stand in the {} field of a cron expression; write {} to {}{}, a "
                      "range such as {}-{}, a step such as */2, or a list of these",
                      written, field.name, field.low, field.high,
                      field.names.empty()
                          ? ""
                          : fmt::format(" or {} to {}", field.names.front(), field.names.back()),
                      field.low, field.low + 1)};
}

Result<int> read_value(const Field& field, std::string_view written) {
  for (std::size_t i = 0; i < field.names.size(); ++i)
    if (written == field.names[i]) return field.low + static_cast<int>(i);
  int value = 0;
  const auto [end, error] = std::from_chars(written.data(), written.data() + written.size(), value);
  if (error != std::errc() || end != written.data() + written.size() || written.empty() ||
      value < field.low || value > field.high)
    return field_error(field, written);
  return value;
}

Status refuse_what_is_not_supported(const Field& field, std::string_view item) {
  const auto refuse = [&](std::string_view what) {
    return Error(ErrorCode::Unsupported,
                 fmt::format("'{}' in the {} field: {} is not supported in cron expressions; write "
                             "numbers, names, ranges, lists and steps",
                             item, field.name, what));
  };
  if (item.find('#') != std::string_view::npos) return refuse("# (the n-th weekday of a month)");
  if (item.find('?') != std::string_view::npos) return refuse("? (write * instead)");
  if (item == "l" || item.ends_with("-l") ||
      (item.size() == 2 && (item.front() == 'l' || item.back() == 'l')))
    return refuse("L (the last day)");
  if (item == "w" || (item.ends_with("w") && item.front() <= '9') ||
      (item.starts_with("w") && item.size() > 1 && item[1] <= '9'))
    return refuse("W (the nearest working day)");
  if (item == "h" || item == "r" || item.starts_with("h/") || item.starts_with("h(") ||
      item.starts_with("r/") || item.starts_with("r("))
    return refuse("H (a value spread by hash)");
  return {};
}

struct Range {
  int from = 0;
  int to = 0;
};

Result<Range> read_range(const Field& field, std::string_view range, bool has_step) {
  // 0-6 rather than 0-7, so that a step over all weekdays counts each once.
  const int last = field.high == 7 ? 6 : field.high;
  if (range == "*") return Range{field.low, last};
  const std::size_t dash = range.find('-');
  if (dash == std::string_view::npos) {
    const int value = TRY(read_value(field, range));
    return Range{value, has_step ? std::max(last, value) : value};
  }
  const int from = TRY(read_value(field, range.substr(0, dash)));
  const int to = TRY(read_value(field, range.substr(dash + 1)));
  return Range{from, to};
}

/// Adds what one item of a list ("1-5/2") stands for to `chosen`, which is indexed by value.
Status read_item(const Field& field, std::string_view item, std::vector<bool>& chosen) {
  TRY(refuse_what_is_not_supported(field, item));
  const std::size_t slash = item.find('/');
  int step = 1;
  if (slash != std::string_view::npos) {
    const std::string_view text = item.substr(slash + 1);
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), step);
    if (error != std::errc() || end != text.data() + text.size() || step < 1)
      return Error(ErrorCode::Invalid,
                   fmt::format("'{}' in the {} field: the step after / is a whole number of at "
                               "least 1",
                               item, field.name));
  }
  auto [from, to] = TRY(read_range(field, item.substr(0, slash), slash != std::string_view::npos));
  const int size = field.high == 7 ? 7 : field.high - field.low + 1;
  if (to < from) to += size;  // wraps: fri-mon, 22-4
  for (std::int64_t value = from; value <= to; value += step)
    chosen[static_cast<std::size_t>(field.low + (value - field.low) % size)] = true;
  return {};
}

template <std::size_t size>
Status read_field(const Field& field, std::string_view text, std::bitset<size>& out) {
  std::vector<bool> chosen(64);
  for (const std::string_view item : split(text, ",")) {
    if (item.empty()) return field_error(field, text);
    TRY(read_item(field, item, chosen));
  }
  for (std::size_t i = 0; i < size; ++i) out[i] = chosen[i];
  return {};
}

CivilTime minute_of(const CivilTime& civil) {
  return {civil.year, civil.month, civil.day, civil.hour, civil.minute, 0};
}

CivilTime first_of_month(int year, int month) {
  return month > 12 ? CivilTime{year + 1, 1, 1} : CivilTime{year, month, 1};
}

CivilTime last_minute_of_month_before(const CivilTime& civil) {
  const int year = civil.month == 1 ? civil.year - 1 : civil.year;
  const int month = civil.month == 1 ? 12 : civil.month - 1;
  return {year, month, days_in_month(year, month), 23, 59, 0};
}

CivilTime at(const CivilTime& day, int hour, int minute) {
  return {day.year, day.month, day.day, hour, minute, 0};
}

/// The first set bit at or above `from`, or -1; the last at or below it, or -1.
template <std::size_t size>
int bit_from(const std::bitset<size>& bits, int from) {
  for (int i = from; i < static_cast<int>(size); ++i)
    if (bits[static_cast<std::size_t>(i)]) return i;
  return -1;
}
template <std::size_t size>
int bit_back_from(const std::bitset<size>& bits, int from) {
  for (int i = from; i >= 0; --i)
    if (bits[static_cast<std::size_t>(i)]) return i;
  return -1;
}

}  // namespace

Result<Cron> Cron::parse(std::string_view text, TimeZone zone) {
  if (text.size() > kLongest)
    return Error(ErrorCode::Invalid,
                 fmt::format("a cron expression has at most {} characters; this one has {}",
                             kLongest, text.size()));
  Cron cron(std::string(text), std::move(zone));
  std::string fields = fold_case(text);
  if (fields.starts_with("@")) {
    std::vector<std::string> known;
    std::string_view found;
    for (const Preset& preset : kPresets) {
      known.emplace_back(preset.name);
      if (preset.name == fields) found = preset.fields;
    }
    if (found.empty())
      return Error(ErrorCode::Invalid,
                   fmt::format("'{}' is no schedule preset{}", text, suggestion(fields, known)));
    fields = std::string(found);
  }
  TRY_DOING(fmt::format("reading the schedule '{}'", text), cron.read_fields(fields));
  return cron;
}

Status Cron::read_fields(std::string_view text) {
  std::vector<std::string_view> fields = split(text, " \t");
  std::erase(fields, "");
  if (fields.size() == 6 || fields.size() == 7)
    return Error(ErrorCode::Unsupported,
                 fmt::format("it has {} fields; seconds and years are not supported, write five: "
                             "minute hour day-of-month month day-of-week",
                             fields.size()));
  if (fields.size() != 5)
    return Error(ErrorCode::Invalid,
                 fmt::format("a cron expression has five fields (minute hour day-of-month month "
                             "day-of-week); this one has {}",
                             fields.size()));
  TRY(read_field(kFields[0], fields[0], minutes_));
  TRY(read_field(kFields[1], fields[1], hours_));
  TRY(read_field(kFields[2], fields[2], days_));
  TRY(read_field(kFields[3], fields[3], months_));
  TRY(read_field(kFields[4], fields[4], weekdays_));
  any_day_ = fields[2] == "*";
  any_weekday_ = fields[4] == "*";
  every_hour_ = fields[1] == "*" || fields[1].starts_with("*/");
  return check_it_ever_comes();
}

Status Cron::check_it_ever_comes() const {
  if (!any_weekday_) return {};
  for (int month = 1; month <= 12; ++month) {
    const int first = bit_from(days_, 1);
    if (months_[static_cast<std::size_t>(month)] && first <= days_in_month(2000, month)) return {};
  }
  return Error(ErrorCode::Invalid, "none of its months has that day, so it would never run");
}

bool Cron::day_matches(const CivilTime& day) const {
  const bool in_month = days_[static_cast<std::size_t>(day.day)];
  const bool in_week = weekdays_[static_cast<std::size_t>(weekday(day))];
  return any_day_ || any_weekday_ ? in_month && in_week : in_month || in_week;
}

// At most eight years pass between two 29ths of February, so both searches end.
CivilTime Cron::match_from(CivilTime c) const {
  for (;;) {
    if (const int month = bit_from(months_, c.month); month != c.month) {
      c = month < 0 ? CivilTime{c.year + 1, 1, 1} : CivilTime{c.year, month, 1};
      continue;
    }
    if (!day_matches(c)) {
      const bool last = c.day == days_in_month(c.year, c.month);
      c = last ? first_of_month(c.year, c.month + 1) : CivilTime{c.year, c.month, c.day + 1};
      continue;
    }
    const int minute = bit_from(minutes_, c.minute);
    if (hours_[static_cast<std::size_t>(c.hour)] && minute >= 0) return at(c, c.hour, minute);
    if (const int hour = bit_from(hours_, c.hour + 1); hour >= 0)
      return at(c, hour, bit_from(minutes_, 0));
    c = add_days(at(c, 0, 0), 1);
  }
}

CivilTime Cron::match_back_from(CivilTime c) const {
  for (;;) {
    if (!months_[static_cast<std::size_t>(c.month)]) {
      c = last_minute_of_month_before(c);
      continue;
    }
    if (!day_matches(c)) {
      c = add_days(at(c, 23, 59), -1);
      continue;
    }
    const int minute = bit_back_from(minutes_, c.minute);
    if (hours_[static_cast<std::size_t>(c.hour)] && minute >= 0) return at(c, c.hour, minute);
    if (const int hour = bit_back_from(hours_, c.hour - 1); hour >= 0)
      return at(c, hour, bit_back_from(minutes_, 59));
    c = add_days(at(c, 23, 59), -1);
  }
}

// Both walks go from one stretch of constant offset to the next. Inside a stretch a civil time is
// one moment; a skipped time lies between two stretches and means the border; a repeated time lies
// in both, and unless every hour counts, the later stretch passes over it.
Instant Cron::next_after(Instant instant) const {
  CivilTime from = add_minutes(minute_of(zone_.civil(instant)), 1);
  std::optional<TimeZone::Transition> begin = zone_.last_transition(instant);
  for (Instant inside = instant;;) {
    if (begin && !every_hour_ && begin->to < begin->from && from >= begin->to)
      from = std::max(from, begin->from);
    const std::optional<TimeZone::Transition> end = zone_.next_transition(inside);
    const CivilTime found = match_from(from);
    if (!end || found < end->from) {
      const TimeZone::Resolved resolved = zone_.resolve(found);
      const bool second =
          begin && resolved.kind == TimeZone::Kind::Repeated && resolved.transition == begin->at;
      return second ? resolved.after : resolved.before;
    }
    if (found < end->to) return end->at;  // skipped
    inside = end->at;
    begin = end;
    from = end->to;
    if (from.second != 0) from = add_minutes(minute_of(from), 1);
  }
}

Instant Cron::previous_at_or_before(Instant instant) const {
  CivilTime back = minute_of(zone_.civil(instant));
  for (Instant inside = instant;;) {
    const std::optional<TimeZone::Transition> begin = zone_.last_transition(inside);
    CivilTime found = match_back_from(back);
    const bool passes_over =
        begin && !every_hour_ && begin->to < begin->from && found < begin->from;
    if (!begin || (found >= begin->to && !passes_over)) {
      const TimeZone::Resolved resolved = zone_.resolve(found);
      const bool second =
          begin && resolved.kind == TimeZone::Kind::Repeated && resolved.transition == begin->at;
      return second ? resolved.after : resolved.before;
    }
    if (begin->from < begin->to && found >= begin->from) return begin->at;  // skipped
    inside = begin->at - Duration(1);
    back = minute_of(add_minutes(begin->from, begin->from.second == 0 ? -1 : 0));
  }
}

}  // namespace millrace::orchestration
