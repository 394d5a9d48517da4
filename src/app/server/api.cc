#include "server/api.h"

#include <charconv>

#include <fmt/core.h>
#include <unistd.h>

#include "base/suggest.h"

namespace millrace::server {
namespace {

using net::Method;
using net::Request;
using net::Response;
using orchestration::DagId;
using orchestration::RunId;
using orchestration::RunKey;

constexpr std::int64_t kLongestWait = 30'000;

/// A handler that gives JSON or an Error.
template <typename Function>
net::Handler answering(Function function, int status = 200) {
  return [function, status](const Request& request) {
    const Result<Json> answer = function(request);
    return answer.ok() ? Response::json(*answer, status) : Response::error(answer.error());
  };
}

std::int64_t number_or(std::string_view text, std::int64_t fallback) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() && !text.empty() ? number
                                                                                   : fallback;
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

/// Parameters come as text from the command line; they get the type of the Dag's default.
Result<Json> typed_params(const orchestration::Dag& dag, const Json& given) {
  Json params = Json::object();
  if (!given.is_object()) return params;
  for (const auto& [name, value] : given.as_object()) {
    const Json& fallback = dag.spec().params[name];
    if (value.is_string() && !fallback.is_string() && !fallback.is_null())
      params.set(name, TRY_DOING("the parameter '" + name + "'", Json::parse(value.as_string())));
    else
      params.set(name, value);
  }
  return params;
}

/// What content keys remember of a run is forgotten, so that every task runs again.
Status forget_results(const Parts& parts, const RunKey& run) {
  return parts.database.write([&](metadata::Transaction& transaction) -> Status {
    TRY(transaction.query("DELETE FROM tasks_results WHERE dag = $1 AND run = $2",
                          {run.dag.str(), run.run.str()}));
    return {};
  });
}

Result<Json> run_json(const Parts& parts, const RunKey& key) {
  const auto run = TRY(parts.orchestrator.find_run(key));
  if (!run.has_value())
    return Error(ErrorCode::NotFound,
                 fmt::format("there is no run '{}' of '{}'", key.run.str(), key.dag.str()));
  Json tasks = Json::array();
  for (const auto& task : TRY(parts.orchestrator.task_instances(key))) {
    Json json = to_json(task);
    json.set("result", TRY(parts.orchestrator.xcoms(key, task.task))["return_value"]);
    tasks.push(std::move(json));
  }
  Json json = to_json(*run);
  json.set("tasks", std::move(tasks));
  return json;
}

RunKey key_of(const Request& request) {
  return {DagId(request.path_parameter("dag")), RunId(request.path_parameter("run"))};
}

/// Asks for a run. One that has finished is cleared: tasks whose content key is unchanged keep
/// their result.
Result<Json> request_run(const Parts& parts, const Request& request) {
  const auto dag = TRY(dag_named(parts, request.path_parameter("dag")));
  const Json body = request.body.empty() ? Json::object() : TRY(request.json());
  const Json params = TRY(typed_params(*dag, body["params"]));
  const std::string text = body.string_or("logical_date", "");
  const Instant now = parts.clock.now();
  const Instant logical_date = text.empty()
                                   ? dag->schedule().previous_at_or_before(now).value_or(now)
                                   : TRY(dag->schedule().zone().parse(text));
  const auto planned =
      TRY(orchestration::plan_run(*dag, logical_date, params, orchestration::RunReason::Manual));
  const std::int64_t cursor = parts.events.after(planned.key, -1, {}).next;
  const auto existing = TRY(parts.orchestrator.find_run(planned.key));
  const bool again = existing.has_value() && is_finished(existing->state);
  if (again && body.bool_or("clear", false)) TRY(forget_results(parts, planned.key));
  TRY(parts.orchestrator.request_run(
      dag->id(), logical_date, params,
      again ? orchestration::IfExists::Clear : orchestration::IfExists::Return));
  Json answer = TRY(run_json(parts, planned.key));
  answer.set("events_after", cursor).set("existed", existing.has_value());
  return answer;
}

Result<Json> request_backfill(const Parts& parts, const Request& request) {
  const auto dag = TRY(dag_named(parts, request.path_parameter("dag")));
  const Json body = TRY(request.json());
  const Json params = TRY(typed_params(*dag, body["params"]));
  const TimeZone& zone = dag->schedule().zone();
  const Instant from = TRY(zone.parse(TRY(body.string_at("from"))));
  const Instant to = TRY(zone.parse(TRY(body.string_at("to"))));
  const bool clear = body.bool_or("clear", false);
  Json ids = Json::array();
  for (const RunId& run : TRY(parts.orchestrator.backfill(
           dag->id(), from, to, params,
           clear ? orchestration::IfExists::Clear : orchestration::IfExists::Return)))
    ids.push(run.str());
  return Json::object({{"dag", dag->id().str()}, {"run_ids", std::move(ids)}});
}

Result<Json> events_of(const Parts& parts, const Request& request) {
  const auto wait = std::min(number_or(request.query_parameter("wait_ms"), 0), kLongestWait);
  const EventLog::Page page =
      parts.events.after(key_of(request), number_or(request.query_parameter("after"), 0),
                         std::chrono::milliseconds(wait));
  return Json::object(
      {{"events", Json(Json::Array(page.events.begin(), page.events.end()))}, {"next", page.next}});
}

Json dag_status(const Parts& parts, const orchestration::Dag& dag) {
  Json json = Json::object({{"dag", dag.id().str()},
                            {"schedule", dag.spec().schedule},
                            {"timezone", dag.spec().timezone}});
  const auto next = dag.schedule().next_after(parts.clock.now());
  json.set("next_logical_date", next ? Json(format_instant(*next)) : Json());
  Json runs = Json::array();
  const auto recent = parts.orchestrator.runs({.dag = dag.id(), .state = std::nullopt, .limit = 5});
  if (recent.ok())
    for (const auto& run : *recent) runs.push(to_json(run));
  json.set("runs", std::move(runs));
  return json;
}

Result<Json> status_of(const Parts& parts) {
  Json dags = Json::array();
  for (const auto& dag : parts.orchestrator.dags()) dags.push(dag_status(parts, *dag));
  Json models = Json::array();
  for (const auto& served : parts.endpoint.served()) models.push(served.to_json());
  return Json::object({{"project", parts.project.name},
                       {"target", parts.project.target.name},
                       {"pid", ::getpid()},
                       {"started_at", format_instant(parts.started_at)},
                       {"now", format_instant(parts.clock.now())},
                       {"endpoint", parts.endpoint.address()},
                       {"models", std::move(models)},
                       {"dags", std::move(dags)}});
}

Result<Json> runs_of(const Parts& parts, const Request& request) {
  orchestration::RunFilter filter;
  filter.limit = static_cast<int>(
      std::clamp<std::int64_t>(number_or(request.query_parameter("limit"), 20), 1, 1'000));
  if (const auto dag = request.query_parameter("dag"); !dag.empty())
    filter.dag = DagId(std::string(dag));
  Json runs = Json::array();
  for (const auto& run : TRY(parts.orchestrator.runs(filter))) runs.push(to_json(run));
  return Json::object({{"runs", std::move(runs)}});
}

Result<Json> promote(const Parts& parts, const Request& request) {
  const std::string& name = request.path_parameter("model");
  const Json body = TRY(request.json());
  const std::int64_t version = TRY(body.integer_at("version"));
  TRY(parts.deployer.promote(name, version,
                             {.who = body.string_or("who", "a person"),
                              .why = body.string_or("reason", ""),
                              .at = parts.clock.now()}));
  return Json::object({{"model", name}, {"version", version}});
}

Result<Json> roll_back(const Parts& parts, const Request& request) {
  const std::string& name = request.path_parameter("model");
  const Json body = request.body.empty() ? Json::object() : TRY(request.json());
  const std::int64_t version =
      TRY(parts.deployer.roll_back(name, {.who = body.string_or("who", "a person"),
                                          .why = body.string_or("reason", "rolled back"),
                                          .at = parts.clock.now()}));
  return Json::object({{"model", name}, {"version", version}});
}

void add_runs(net::Router& api, const Parts& parts) {
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
            const Json body = r.body.empty() ? Json::object() : TRY(r.json());
            const std::string task = body.string_or("task", "");
            TRY(parts.orchestrator.clear(
                key_of(r),
                task.empty() ? std::nullopt : std::optional(orchestration::TaskId(task))));
            return run_json(parts, key_of(r));
          }));
}

}  // namespace

net::Router make_api(const Parts& parts) {
  net::Router api = make_status_api(parts);
  add_runs(api, parts);
  api.add(Method::Post, "/api/v1/models/{model}/promote",
          answering([parts](const Request& r) { return promote(parts, r); }));
  api.add(Method::Post, "/api/v1/models/{model}/rollback",
          answering([parts](const Request& r) { return roll_back(parts, r); }));
  api.add(Method::Post, "/api/v1/models/{model}/deploy",
          answering([parts](const Request& r) -> Result<Json> {
            const std::int64_t version = TRY(parts.deployer.deploy(r.path_parameter("model")));
            return Json::object({{"model", r.path_parameter("model")},
                                 {"version", version},
                                 {"endpoint", parts.endpoint.address()}});
          }));
  api.add(Method::Post, "/api/v1/shutdown", answering([parts](const Request&) -> Result<Json> {
            parts.request_stop();
            return Json::object({{"stopping", true}});
          }));
  return api;
}

net::Router make_status_api(const Parts& parts) {
  net::Router api;
  api.add(Method::Get, "/api/v1/status",
          answering([parts](const Request&) { return status_of(parts); }));
  return api;
}

}  // namespace millrace::server
