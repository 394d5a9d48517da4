#include "server/api.h"

#include <map>
#include <set>

#include <fmt/core.h>
#include <unistd.h>

#include "model/model_store.h"
#include "server/answering.h"
#include "server/body.h"
#include "server/gone_dags.h"
#include "server/run_routes.h"

namespace millrace::server {
namespace {

using net::Method;
using net::Request;

constexpr int kRecentRuns = 5;  // of each Dag

/// Without what the store does not tell.
Json run_status(const Parts& parts, const orchestration::RunRecord& run) {
  const auto tasks = parts.orchestrator.task_instances(run.key).value_or({});
  std::vector<orchestration::TaskId> ids;
  for (const auto& task : tasks) ids.push_back(task.task);
  return with_outcome(run, tasks, parts.orchestrator.results(run.key, ids).value_or(Json()));
}

Json dag_status(const Parts& parts, const orchestration::Dag& dag) {
  Json json = Json::object({{"dag", dag.id().str()},
                            {"schedule", dag.spec().schedule},
                            {"timezone", dag.spec().timezone}});
  const auto next = dag.schedule().next_after(parts.clock.now());
  json.set("next_logical_date", next ? Json(format_instant(*next)) : Json());
  Json runs = Json::array();
  const auto recent = parts.orchestrator.runs({.dag = dag.id(),
                                               .state = std::nullopt,
                                               .limit = kRecentRuns,
                                               .order = orchestration::RunOrder::LastActive});
  if (recent.ok())
    for (const auto& run : *recent) runs.push(run_status(parts, run));
  json.set("runs", std::move(runs));
  return json;
}

/// Dags that are gone and have runs that have not ended.
Result<Json> gone_dags(const Parts& parts) {
  std::map<std::string, Json> runs;  // by Dag
  for (const auto& run : TRY(runs_of_gone_dags(parts.orchestrator)))
    runs.try_emplace(run.key.dag.str(), Json::array()).first->second.push(run_status(parts, run));
  Json dags = Json::array();
  for (auto& [dag, unfinished] : runs)
    dags.push(Json::object({{"dag", dag},
                            {"trouble", why_runs_wait(orchestration::DagId(dag))},
                            {"runs", std::move(unfinished)}}));
  return dags;
}

/// What answers, and what does not although it is in Production: no version of it could be loaded.
Result<Json> models_of(const Parts& parts) {
  Json models = Json::array();
  std::set<std::string> answering;
  for (const auto& served : parts.endpoint.served()) {
    answering.insert(served.model);
    models.push(served.to_json());
  }
  TRY(parts.database.read([&](metadata::Transaction& transaction) -> Status {
    for (const std::string& name : TRY(model::list_models(transaction))) {
      const auto production = TRY(model::tagged_version(transaction, name));
      if (!production.has_value() || answering.contains(name)) continue;
      models.push(Json::object(
          {{"model", name}, {"version", nullptr}, {"instead_of", production->version}}));
    }
    return {};
  }));
  return models;
}

Result<Json> status_of(const Parts& parts) {
  const Status place = parts.check_place();
  const Status followed = parts.reload.refresh();
  Json dags = Json::array();
  for (const auto& dag : parts.orchestrator.dags()) dags.push(dag_status(parts, *dag));
  Json gone = TRY(gone_dags(parts));
  Json models = TRY(models_of(parts));
  return Json::object(
      {{"project", parts.project.name},
       {"target", parts.project.target.name},
       {"version", MILLRACE_VERSION},
       {"resident", parts.resident},
       {"outdated", parts.program.replaced()},
       {"files", followed.ok() ? "" : followed.error().message()},
       {"trouble", place.ok() ? parts.orchestrator.trouble() : place.error().message()},
       {"pid", ::getpid()},
       {"started_at", format_instant(parts.started_at)},
       {"now", format_instant(parts.clock.now())},
       {"endpoint", parts.endpoint.address()},
       {"status", parts.status_address()},
       {"models", std::move(models)},
       {"dags", std::move(dags)},
       {"gone_dags", std::move(gone)}});
}

Result<Json> promote(const Parts& parts, const Request& request) {
  const std::string& name = request.path_parameter("model");
  const Body body = TRY(Body::of(request));
  const std::int64_t version = TRY(body.integer("version"));
  const std::string who = TRY(body.text_or("who", "a person"));
  const std::string why = TRY(body.text_or("reason", ""));
  TRY(parts.deployer.promote(name, version, {.who = who, .why = why, .at = parts.clock.now()}));
  return Json::object({{"model", name}, {"version", version}});
}

Result<Json> roll_back(const Parts& parts, const Request& request) {
  const std::string& name = request.path_parameter("model");
  const Body body = TRY(Body::of(request));
  const std::string who = TRY(body.text_or("who", "a person"));
  const std::string why = TRY(body.text_or("reason", "rolled back"));
  const std::optional<std::int64_t> version =
      TRY(parts.deployer.roll_back(name, {.who = who, .why = why, .at = parts.clock.now()}));
  return Json::object({{"model", name}, {"version", version ? Json(*version) : Json()}});
}

}  // namespace

net::Router make_api(const Parts& parts) {
  net::Router api = make_status_api(parts);
  add_run_routes(api, parts);
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
  api.add(Method::Post, "/api/v1/shutdown", answering([parts](const Request& r) -> Result<Json> {
            const Body body = TRY(Body::of(r));
            parts.request_stop(TRY(body.flag_or("keep_attempts", false))
                                   ? orchestration::LiveAttempts::Keep
                                   : orchestration::LiveAttempts::End);
            return Json::object({{"stopping", true}});
          }));
  return api;
}

net::Router make_status_api(const Parts& parts) {
  net::Router api;
  api.add(Method::Get, "/", answering([parts](const Request&) -> Result<Json> {
            return Json::object({{"project", parts.project.name},
                                 {"paths", Json(std::vector<std::string>{"/api/v1/status"})},
                                 {"predictions", "http://" + parts.endpoint.address()}});
          }));
  api.add(Method::Get, "/api/v1/status",
          answering([parts](const Request&) { return status_of(parts); }));
  return api;
}

}  // namespace millrace::server
