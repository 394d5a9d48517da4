// DagSpec to JSON and back: docs/formats/dag.md.

#include <cmath>

#include <fmt/core.h>

#include "base/suggest.h"
#include "orchestration/dag.h"

namespace millrace::orchestration {
namespace {

constexpr std::int64_t kOldestReadable = 1;
constexpr std::int64_t kCurrent = 1;
constexpr std::string_view kVersionMember = "millrace_dag";

const std::vector<std::string> kDagMembers = {
    "millrace_dag", "id",      "description",     "schedule", "timezone", "start_date",
    "end_date",     "catchup", "max_active_runs", "params",   "tasks"};
const std::vector<std::string> kTaskMembers = {"id",
                                               "kind",
                                               "config",
                                               "upstream",
                                               "trigger_rule",
                                               "retries",
                                               "retry_delay_seconds",
                                               "retry_exponential_backoff",
                                               "max_retry_delay_seconds",
                                               "execution_timeout_seconds",
                                               "pool",
                                               "pool_slots",
                                               "resources"};
const std::vector<std::string> kResourceMembers = {"threads", "memory_bytes"};

Json seconds(Duration duration) {
  const std::int64_t micros = duration.count();
  if (micros % 1'000'000 == 0) return micros / 1'000'000;
  return static_cast<double>(micros) / 1e6;
}

Status refuse_unknown_members(const Json& object, const std::vector<std::string>& known) {
  if (!object.is_object())
    return Error(ErrorCode::Invalid,
                 fmt::format("an object was expected, not {}", object.type_name()));
  for (const auto& [name, value] : object.as_object())
    if (std::find(known.begin(), known.end(), name) == known.end())
      return Error(ErrorCode::Invalid,
                   fmt::format("'{}' is not known here{}", name, suggestion(name, known)));
  return {};
}

// Each of these reads a member into `out`; one that is missing or null leaves it as it is.

Status read(const Json& json, std::string_view name, std::string& out) {
  if (!json[name].is_null()) out = TRY(json.string_at(name));
  return {};
}

Status read(const Json& json, std::string_view name, bool& out) {
  if (!json[name].is_null()) out = TRY(json.bool_at(name));
  return {};
}

Status read(const Json& json, std::string_view name, int& out) {
  if (json[name].is_null()) return {};
  const std::int64_t value = TRY(json.integer_at(name));
  if (value < -1'000'000'000 || value > 1'000'000'000)
    return Error(ErrorCode::Invalid, fmt::format("{} is {}, out of range", name, value));
  out = static_cast<int>(value);
  return {};
}

Status read(const Json& json, std::string_view name, Duration& out) {
  if (json[name].is_null()) return {};
  const double value = TRY(json.number_at(name));
  if (!std::isfinite(value) || std::fabs(value) > 1e10)
    return Error(ErrorCode::Invalid, fmt::format("{} is out of range", name));
  out = Duration(std::llround(value * 1e6));
  return {};
}

/// A moment with its offset, or a date or wall-clock time of the Dag's zone.
Status read(const Json& json, std::string_view name, const std::string& zone,
            std::optional<Instant>& out) {
  if (json[name].is_null()) return {};
  const std::string text = TRY(json.string_at(name));
  const TimeZone shown_by = TRY_DOING("timezone", TimeZone::load(zone));
  out = TRY_DOING(std::string(name), shown_by.parse(text));
  return {};
}

/// Text, or an object that says by its one member what it is: later versions know more than "cron".
Status read_schedule(const Json& json, std::string& out) {
  if (json.is_null()) return {};
  if (json.is_string()) {
    out = json.as_string();
    return {};
  }
  if (!json.is_object())
    return Error(ErrorCode::Invalid,
                 fmt::format("schedule must be text or an object, not {}", json.type_name()));
  for (const auto& [name, value] : json.as_object())
    if (name != "cron")
      return Error(
          ErrorCode::Unsupported,
          fmt::format("schedule: '{}' is not known to this version; it knows 'cron'", name));
  out = TRY_DOING("schedule", json.string_at("cron"));
  return {};
}

Json task_to_json(const TaskSpec& task) {
  Json upstream = Json::array();
  for (const TaskId& id : task.upstream) upstream.push(id.str());
  Json json = Json::object();
  json.set("id", task.id.str())
      .set("kind", task.kind)
      .set("config", task.config)
      .set("upstream", std::move(upstream))
      .set("trigger_rule", to_string(task.trigger_rule))
      .set("retries", task.retries)
      .set("retry_delay_seconds", seconds(task.retry_delay))
      .set("retry_exponential_backoff", task.retry_exponential_backoff)
      .set("max_retry_delay_seconds", seconds(task.max_retry_delay));
  if (task.execution_timeout)
    json.set("execution_timeout_seconds", seconds(*task.execution_timeout));
  return json.set("pool", task.pool)
      .set("pool_slots", task.pool_slots)
      .set("resources", Json::object({{"threads", task.resources.threads},
                                      {"memory_bytes", task.resources.memory_bytes}}));
}

Status read_upstream(const Json& json, std::vector<TaskId>& out) {
  if (json.is_null()) return {};
  if (!json.is_array())
    return Error(ErrorCode::Invalid,
                 fmt::format("upstream must be an array of task ids, not {}", json.type_name()));
  for (const Json& id : json.as_array()) {
    if (!id.is_string())
      return Error(ErrorCode::Invalid,
                   fmt::format("upstream must hold task ids, not {}", id.type_name()));
    out.emplace_back(id.as_string());
  }
  return {};
}

Status read_resources(const Json& json, Resources& out) {
  if (json.is_null()) return {};
  TRY(refuse_unknown_members(json, kResourceMembers));
  TRY(read(json, "threads", out.threads));
  if (json["memory_bytes"].is_null()) return {};
  const std::int64_t memory = TRY(json.integer_at("memory_bytes"));
  if (memory < 0) return Error(ErrorCode::Invalid, "memory_bytes must be 0 (no limit) or more");
  out.memory_bytes = static_cast<std::uint64_t>(memory);
  return {};
}

Result<TaskSpec> task_from_json(const Json& json) {
  TRY(refuse_unknown_members(json, kTaskMembers));
  TaskSpec task;
  task.id = TaskId(TRY(json.string_at("id")));
  task.kind = TRY(json.string_at("kind"));
  if (json.contains("config")) task.config = json["config"];
  TRY(read_upstream(json["upstream"], task.upstream));
  if (!json["trigger_rule"].is_null())
    task.trigger_rule = TRY(trigger_rule_from(TRY(json.string_at("trigger_rule"))));
  TRY(read(json, "retries", task.retries));
  TRY(read(json, "retry_delay_seconds", task.retry_delay));
  TRY(read(json, "retry_exponential_backoff", task.retry_exponential_backoff));
  TRY(read(json, "max_retry_delay_seconds", task.max_retry_delay));
  if (!json["execution_timeout_seconds"].is_null()) {
    task.execution_timeout = Duration::zero();
    TRY(read(json, "execution_timeout_seconds", *task.execution_timeout));
  }
  TRY(read(json, "pool", task.pool));
  TRY(read(json, "pool_slots", task.pool_slots));
  TRY_DOING("resources", read_resources(json["resources"], task.resources));
  return task;
}

Status check_version(const Json& json) {
  const std::int64_t version = TRY(json.integer_at(kVersionMember));
  if (version >= kOldestReadable && version <= kCurrent) return {};
  return Error(ErrorCode::Unsupported,
               fmt::format("it is a Dag document of version {}; this program reads {} to {}",
                           version, kOldestReadable, kCurrent));
}

Status read_tasks(const Json& json, std::vector<TaskSpec>& out) {
  if (!json.is_array())
    return Error(ErrorCode::Invalid,
                 fmt::format("tasks must be an array of tasks, not {}", json.type_name()));
  for (std::size_t i = 0; i < json.as_array().size(); ++i) {
    const Json& task = json.as_array()[i];
    out.push_back(TRY_DOING(fmt::format("task {}", task.string_or("id", std::to_string(i))),
                            task_from_json(task)));
  }
  return {};
}

}  // namespace

Json DagSpec::to_json() const {
  Json all = Json::array();
  for (const TaskSpec& task : tasks) all.push(task_to_json(task));
  Json json = Json::object();
  json.set(kVersionMember, kCurrent)
      .set("id", id.str())
      .set("description", description)
      .set("schedule", schedule)
      .set("timezone", timezone);
  if (start_date) json.set("start_date", format_instant(*start_date));
  if (end_date) json.set("end_date", format_instant(*end_date));
  return json.set("catchup", catchup)
      .set("max_active_runs", max_active_runs)
      .set("params", params)
      .set("tasks", std::move(all));
}

Result<DagSpec> DagSpec::from_json(const Json& json) {
  const std::string place = fmt::format("Dag '{}'", json.string_or("id", "without id"));
  TRY_DOING(place, check_version(json));
  TRY_DOING(place, refuse_unknown_members(json, kDagMembers));
  DagSpec spec;
  spec.id = DagId(TRY_DOING(place, json.string_at("id")));
  TRY_DOING(place, read(json, "description", spec.description));
  TRY_DOING(place, read_schedule(json["schedule"], spec.schedule));
  TRY_DOING(place, read(json, "timezone", spec.timezone));
  TRY_DOING(place, read(json, "start_date", spec.timezone, spec.start_date));
  TRY_DOING(place, read(json, "end_date", spec.timezone, spec.end_date));
  TRY_DOING(place, read(json, "catchup", spec.catchup));
  TRY_DOING(place, read(json, "max_active_runs", spec.max_active_runs));
  if (!json["params"].is_null()) spec.params = json["params"];
  TRY_DOING(place, read_tasks(json["tasks"], spec.tasks));
  return spec;
}

}  // namespace millrace::orchestration
