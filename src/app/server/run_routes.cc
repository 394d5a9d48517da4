#include "server/run_routes.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include <fmt/core.h>

#include "base/suggest.h"
#include "server/answering.h"
#include "server/body.h"
#include "server/due.h"
#include "server/gone_dags.h"
#include "tasks/hooks.h"

namespace millrace::server {
namespace {

using net::Method;
using net::Request;
using orchestration::DagId;
using orchestration::RunId;
using orchestration::RunKey;

constexpr std::int64_t kLongestWait = 30'000;

/// A number of the query. Errors: Invalid.
Result<std::int64_t> number_or(const Request& request, const std::string& name,
                               std::int64_t fallback) {
  const std::string text(request.query_parameter(name));
  if (text.empty()) return fallback;
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size()) return number;
  return Error(ErrorCode::Invalid,
               fmt::format("'{}' of the query is a whole number; found '{}'", name, text));
}

Result<std::shared_ptr<const orchestration::Dag>> dag_named(const Parts& parts,
                                                            const std::string& id) {
  std::vector<std::string> ids;
  for (auto& dag : parts.orchestrator.dags()) {
    if (dag->id().str() == id) return dag;
    ids.push_back(dag->id().str());
  }
  return Error(ErrorCode::NotFound, fmt::format("there is no Dag '{}'{}", id, suggestion(id, ids)));
}

std::string_view type_of(const Json& value) {
  if (value.is_bool()) return "true or false";
  if (value.is_integer()) return "a whole number";
  if (value.is_number()) return "a number";
  if (value.is_array()) return "a list";
  return "an object";
}

bool has_type_of(const Json& value, const Json& fallback) {
  if (fallback.is_integer()) return value.is_integer();
  if (fallback.is_number()) return value.is_number() && std::isfinite(value.as_double());
  return type_of(value) == type_of(fallback) && !value.is_string() && !value.is_null();
}

/// Parameters come as text from the command line; they get the type of the Dag's default.
Result<Json> typed_params(const orchestration::Dag& dag, const Json& given) {
  Json params = Json::object();
  for (const auto& [name, value] : given.as_object()) {
    const Json& fallback = dag.spec().params[name];
    if (!value.is_string() || fallback.is_string() || fallback.is_null()) {
      params.set(name, value);
      continue;
    }
    const auto typed = Json::parse(value.as_string());
    if (!typed.ok() || !has_type_of(*typed, fallback))
      return Error(ErrorCode::Invalid,
                   fmt::format("the parameter '{}' is {}, as its default {} is; found '{}'", name,
                               type_of(fallback), fallback.dump(), value.as_string()));
    params.set(name, *typed);
  }
  return params;
}

/// What keeps a run from going on, in a sentence; "" when nothing does.
std::string trouble_of(const Parts& parts, const orchestration::RunRecord& run) {
  if (is_finished(run.state)) return "";
  if (std::string trouble = parts.orchestrator.trouble(); !trouble.empty()) return trouble;
  const bool waits = run.state == orchestration::RunState::Queued;
  return waits && is_gone(parts.orchestrator, run.key.dag) ? why_runs_wait(run.key.dag) : "";
}

Result<Json> run_json(const Parts& parts, const RunKey& key) {
  const auto run = TRY(parts.orchestrator.find_run(key));
  if (!run.has_value())
    return Error(ErrorCode::NotFound,
                 fmt::format("there is no run '{}' of '{}'", key.run.str(), key.dag.str()));
  const auto instances = TRY(parts.orchestrator.task_instances(key));
  std::vector<orchestration::TaskId> ids;
  ids.reserve(instances.size());
  for (const auto& task : instances) ids.push_back(task.task);
  const Json results = TRY(parts.orchestrator.results(key, ids));
  Json tasks = Json::array();
  for (const auto& task : instances) {
    Json json = to_json(task);
    json.set("result", results[task.task.str()])
        .set("refused", is_refusal(results[task.task.str()]));
    tasks.push(std::move(json));
  }
  Json json = with_outcome(*run, instances, results);
  json.set("tasks", std::move(tasks)).set("trouble", trouble_of(parts, *run));
  return json;
}

RunKey key_of(const Request& request) {
  return {DagId(request.path_parameter("dag")), RunId(request.path_parameter("run"))};
}

/// So that every task of the runs, or this one, runs again though its content key is unchanged.
Status forget_results(const Parts& parts, const std::vector<RunKey>& runs,
                      const std::optional<orchestration::TaskId>& task = std::nullopt) {
  return parts.database.write([&](metadata::Transaction& transaction) -> Status {
    for (const RunKey& run : runs) TRY(tasks::Hooks::forget(transaction, run, task));
    return {};
  });
}

/// For what people ask: the Dags of now, or the mistakes in their files.
Result<std::shared_ptr<const orchestration::Dag>> dag_of_now(const Parts& parts,
                                                             const std::string& id) {
  TRY(parts.reload.refresh(id));
  return dag_named(parts, id);
}

/// Asks for a run. One that has finished is cleared: tasks whose content key is unchanged keep
/// their result.
Result<Json> request_run(const Parts& parts, const Request& request) {
  const auto dag = TRY(dag_of_now(parts, request.path_parameter("dag")));
  const Body body = TRY(Body::of(request));
  const Json params = TRY(typed_params(*dag, TRY(body.object("params"))));
  const std::string text = TRY(body.text_or("logical_date", ""));
  const bool clear = TRY(body.flag_or("clear", false));
  const Instant now = parts.clock.now();
  const Instant logical_date =
      text.empty() ? dag->schedule().previous_at_or_before(now).value_or(now) : TRY(due_at(*dag, text));
  const auto planned =
      TRY(orchestration::plan_run(*dag, logical_date, params, orchestration::RunReason::Manual));
  const std::int64_t cursor = parts.events.after(planned.key, -1, {}).next;
  const auto existing = TRY(parts.orchestrator.find_run(planned.key));
  const bool again = existing.has_value() && is_finished(existing->state);
  if (again && clear) TRY(forget_results(parts, {planned.key}));
  TRY(parts.orchestrator.request_run(
      dag->id(), logical_date, params,
      again ? orchestration::IfExists::Clear : orchestration::IfExists::Return));
  Json answer = TRY(run_json(parts, planned.key));
  answer.set("events_after", cursor)
      .set("existed", existing.has_value())
      .set("warning", oddity_of(*dag, logical_date, now))
      .set("asked_for", !existing.has_value() || again);
  return answer;
}

/// Those of the runs that have ended already.
Result<std::vector<orchestration::RunRecord>> finished_at(const Parts& parts,
                                                          const orchestration::Dag& dag,
                                                          const std::vector<Instant>& points,
                                                          const Json& params) {
  std::vector<orchestration::RunRecord> finished;
  for (const Instant point : points) {
    const auto planned =
        TRY(orchestration::plan_run(dag, point, params, orchestration::RunReason::Backfill));
    const auto run = TRY(parts.orchestrator.find_run(planned.key));
    if (run.has_value() && is_finished(run->state)) finished.push_back(*run);
  }
  return finished;
}

Result<Json> request_backfill(const Parts& parts, const Request& request) {
  const auto dag = TRY(dag_of_now(parts, request.path_parameter("dag")));
  const Body body = TRY(Body::of(request));
  const Json params = TRY(typed_params(*dag, TRY(body.object("params"))));
  const TimeZone& zone = dag->schedule().zone();
  const Instant from = TRY(stretch_of(zone, TRY(body.text("from")))).first;
  const Instant to = TRY(stretch_of(zone, TRY(body.text("to")))).last;
  const auto points = TRY(orchestration::points_of_backfill(*dag, from, to));
  const bool clear = TRY(body.flag_or("clear", false));
  std::vector<RunKey> forgotten;
  Json done = Json::array();
  for (const auto& run : TRY(finished_at(parts, *dag, points, params))) {
    if (clear) forgotten.push_back(run.key);
    if (!clear && run.state == orchestration::RunState::Success) done.push(run.key.run.str());
  }
  if (clear) TRY(forget_results(parts, forgotten));
  Json ids = Json::array();
  for (const RunId& run : TRY(parts.orchestrator.backfill(
           dag->id(), from, to, params,
           clear ? orchestration::IfExists::Clear : orchestration::IfExists::ClearFailed)))
    ids.push(run.str());
  const bool ahead = points.back() > parts.clock.now();
  return Json::object(
      {{"dag", dag->id().str()},
       {"run_ids", std::move(ids)},
       {"had_succeeded", std::move(done)},  // and are not run again
       {"warning", ahead ? oddity_of(*dag, points.back(), parts.clock.now()) : ""}});
}

bool tells_success(const Json& event) {
  return event.string_or("type", "") == "task" && event["task"].string_or("state", "") == "success";
}

/// Who watches a run shows what each task did, and should not have to ask for the run again and
/// again to know it: a task that succeeded comes with its summary.
Status add_summaries(const Parts& parts, const RunKey& run, std::vector<Json>& events) {
  std::vector<orchestration::TaskId> ids;
  for (const Json& event : events)
    if (tells_success(event)) ids.emplace_back(event["task"].string_or("task", ""));
  const Json results = TRY(parts.orchestrator.results(run, ids));
  for (Json& event : events) {
    if (!tells_success(event)) continue;
    Json task = event["task"];
    const Json& result = results[task.string_or("task", "")];
    task.set("result", Json::object({{"summary", result.string_or("summary", "")},
                                     {"reused", result.bool_or("reused", false)}}))
        .set("refused", is_refusal(result));
    event.set("task", std::move(task));
  }
  return {};
}

Result<Json> events_of(const Parts& parts, const Request& request) {
  const auto wait = std::clamp<std::int64_t>(
      TRY(number_or(request, "wait_ms", 0)), 0, kLongestWait);
  const std::int64_t after = TRY(number_or(request, "after", 0));
  EventLog::Page page = parts.events.after(key_of(request), after, std::chrono::milliseconds(wait));
  if (page.events.empty()) TRY(parts.orchestrator.health());
  TRY(add_summaries(parts, key_of(request), page.events));
  return Json::object(
      {{"events", Json(Json::Array(page.events.begin(), page.events.end()))}, {"next", page.next}});
}

Result<Json> runs_of(const Parts& parts, const Request& request) {
  orchestration::RunFilter filter;
  filter.limit =
      static_cast<int>(std::clamp<std::int64_t>(TRY(number_or(request, "limit", 20)), 1, 1'000));
  if (const auto dag = request.query_parameter("dag"); !dag.empty())
    filter.dag = DagId(std::string(dag));
  Json runs = Json::array();
  for (const auto& run : TRY(parts.orchestrator.runs(filter))) runs.push(to_json(run));
  return Json::object({{"runs", std::move(runs)}});
}

}  // namespace

void add_run_routes(net::Router& api, const Parts& parts) {
  api.add(Method::Post, "/api/v1/dags/{dag}/runs",
          answering([parts](const Request& r) { return request_run(parts, r); }, 202));
  api.add(Method::Post, "/api/v1/dags/{dag}/backfills",
          answering([parts](const Request& r) { return request_backfill(parts, r); }, 202));
  api.add(Method::Get, "/api/v1/runs",
          answering([parts](const Request& r) { return runs_of(parts, r); }));
  api.add(Method::Get, "/api/v1/dags/{dag}/runs/{run}",
          answering([parts](const Request& r) { return run_json(parts, key_of(r)); }));
  api.add(Method::Get, "/api/v1/dags/{dag}/runs/{run}/events",
          answering([parts](const Request& r) { return events_of(parts, r); }));
  api.add(Method::Post, "/api/v1/dags/{dag}/runs/{run}/cancel",
          answering([parts](const Request& r) -> Result<Json> {
            TRY(parts.orchestrator.cancel(key_of(r)));
            return run_json(parts, key_of(r));
          }));
  api.add(Method::Post, "/api/v1/dags/{dag}/runs/{run}/clear",
          answering([parts](const Request& r) -> Result<Json> {
            const Body body = TRY(Body::of(r));
            TRY(parts.reload.refresh(r.path_parameter("dag")));
            const std::string named = TRY(body.text_or("task", ""));
            const auto task =
                named.empty() ? std::nullopt : std::optional(orchestration::TaskId(named));
            const std::int64_t cursor = parts.events.after(key_of(r), -1, {}).next;
            TRY(forget_results(parts, {key_of(r)}, task));
            TRY(parts.orchestrator.clear(key_of(r), task));
            Json answer = TRY(run_json(parts, key_of(r)));
            answer.set("events_after", cursor);
            return answer;
          }));
}

}  // namespace millrace::server
