#include "orchestration/run.h"

#include <map>

#include <fmt/core.h>

#include "base/hash.h"
#include "base/suggest.h"

namespace millrace::orchestration {
namespace {

constexpr std::size_t kLongestSuffix = 80;
constexpr std::size_t kLargestBackfill = 10'000;

Result<Json> merge(const Dag& dag, const Json& given) {
  Json params = dag.spec().params;
  if (given.is_null()) return params;
  if (!given.is_object())
    return Error(ErrorCode::Invalid, fmt::format("parameters are an object of names and values, "
                                                 "not {}",
                                                 given.type_name()));
  for (const auto& [name, value] : given.as_object()) {
    if (!params.contains(name)) {
      std::vector<std::string> known;
      for (const auto& member : params.as_object()) known.push_back(member.first);
      return Error(ErrorCode::Invalid,
                   fmt::format("Dag '{}' has no parameter '{}'{}", dag.id().str(), name,
                               known.empty() ? "; it has none: they are declared in its 'params'"
                                             : suggestion(name, known)));
    }
    params.set(name, value);
  }
  return params;
}

/// The value as it may stand in a run id, or "" when it is not plain. A text that looks like a
/// number or a word of JSON is not: it would read as another value.
std::string plain(const Json& value) {
  if (value.is_integer() || value.is_bool()) return value.dump();
  if (!value.is_string()) return "";
  const std::string& text = value.as_string();
  for (const char c : text)
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
          c == '-' || c == '.'))
      return "";
  return Json::parse(text).ok() ? "" : text;
}

bool is_plain_name(const std::string& name) {
  return name.find_first_not_of(
             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") ==
         std::string::npos;
}

std::string suffix(const Json& defaults, const Json& params) {
  std::map<std::string, Json> differing;
  for (const auto& [name, value] : params.as_object())
    if (value.dump_canonical() != defaults[name].dump_canonical()) differing[name] = value;
  std::string text;
  bool all_plain = true;
  Json document = Json::object();
  for (const auto& [name, value] : differing) {
    const std::string written = plain(value);
    all_plain = all_plain && !written.empty() && is_plain_name(name);
    text += fmt::format(".{}={}", name, written);
    document.set(name, value);
  }
  if (all_plain && text.size() <= kLongestSuffix) return text;
  return ".params=" + sha256_hex(document.dump_canonical()).substr(0, 12);
}

}  // namespace

Result<RunRecord> plan_run(const Dag& dag, Instant logical_date, const Json& given,
                           RunReason reason) {
  RunRecord run;
  run.params = TRY(merge(dag, given));
  run.key = {dag.id(), RunId(format_instant(logical_date) + suffix(dag.spec().params, run.params))};
  run.logical_date = logical_date;
  run.interval = dag.schedule().interval_ending_at(logical_date);
  run.reason = reason;
  run.dag_version = dag.version();
  return run;
}

Result<std::vector<Instant>> points_of_backfill(const Dag& dag, Instant from, Instant to) {
  const Schedule& schedule = dag.schedule();
  const std::string stretch =
      fmt::format("from {} to {}", format_instant(from), format_instant(to));
  if (!schedule.has_points())
    return Error(ErrorCode::Invalid,
                 fmt::format("Dag '{}' has no schedule, so a backfill has no dates; ask for single "
                             "runs",
                             dag.id().str()));
  if (to < from)
    return Error(ErrorCode::Invalid,
                 "a backfill goes from the earlier date to the later one; found " + stretch);
  std::vector<Instant> points;
  for (auto point = schedule.next_after(from - Duration(1)); point && *point <= to;
       point = schedule.next_after(*point)) {
    points.push_back(*point);
    if (points.size() > kLargestBackfill)
      return Error(ErrorCode::Invalid,
                   fmt::format("{} the schedule of Dag '{}' has more than {} points; backfill a "
                               "part at a time",
                               stretch, dag.id().str(), kLargestBackfill));
  }
  if (points.empty())
    return Error(ErrorCode::Invalid,
                 fmt::format("the schedule '{}' of Dag '{}' has no point {}{}", dag.spec().schedule,
                             dag.id().str(), stretch,
                             dag.spec().start_date
                                 ? "; it begins at " + format_instant(*dag.spec().start_date)
                                 : ""));
  return points;
}

}  // namespace millrace::orchestration
