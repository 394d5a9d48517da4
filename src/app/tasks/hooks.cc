#include "tasks/hooks.h"

#include <array>

#include <fmt/core.h>

#include "base/suggest.h"

namespace millrace::tasks {
namespace {

constexpr std::array<metadata::Migration, 1> kMigrations = {{{1, R"sql(
CREATE TABLE tasks_results (
  dag TEXT NOT NULL,
  run TEXT NOT NULL,
  task TEXT NOT NULL,
  content_key TEXT NOT NULL,
  result TEXT NOT NULL,
  PRIMARY KEY (dag, run, task)
);
)sql"}}};

Result<const TaskKind*> kind_of(const orchestration::TaskInstance& instance) {
  if (const TaskKind* kind = find_kind(instance.task.kind)) return kind;
  std::vector<std::string> names;
  for (const TaskKind* kind : all_kinds()) names.emplace_back(kind->name());
  return Error(ErrorCode::Invalid,
               fmt::format("the task '{}' is of an unknown kind '{}'{}", instance.task.id.str(),
                           instance.task.kind, suggestion(instance.task.kind, names)));
}

}  // namespace

Result<std::unique_ptr<Hooks>> Hooks::open(const ServerSide& server, std::string server_socket) {
  TRY(server.database.migrate("tasks", kMigrations));
  return std::unique_ptr<Hooks>(new Hooks(server, std::move(server_socket)));
}

Result<std::optional<PreviousResult>> Hooks::previous(
    const orchestration::TaskInstance& instance) const {
  std::optional<PreviousResult> found;
  TRY(server_.database.read([&](metadata::Transaction& transaction) -> Status {
    const metadata::Rows rows = TRY(transaction.query(
        "SELECT content_key, result FROM tasks_results WHERE dag = $1 AND run = $2 AND task = $3",
        {instance.run.key.dag.str(), instance.run.key.run.str(), instance.task.id.str()}));
    if (rows.empty()) return {};
    Json result = TRY(Json::parse(rows.text(0, 1)));
    found = PreviousResult{rows.text(0, 0), std::move(result)};
    return {};
  }));
  return found;
}

Result<orchestration::Preparation> Hooks::prepare(const orchestration::TaskInstance& instance) {
  const TaskKind* kind = TRY(kind_of(instance));
  Request request;
  request.project = server_.project.root;
  request.target = server_.project.target.name;
  request.server_socket = server_socket_;
  request.dag = instance.run.key.dag.str();
  request.run = instance.run.key.run.str();
  request.task = instance.task.id.str();
  request.kind = instance.task.kind;
  request.config = instance.task.config;
  request.logical_date = instance.run.logical_date;
  request.interval_start = instance.run.interval.start;
  request.params = instance.run.params;
  request.generation = instance.generation;
  request.number = instance.number;
  request.epoch = instance.attempt.epoch;
  request.resources = instance.task.resources;
  request.upstream = instance.upstream_results;
  request.prepared = TRY(kind->prepare(server_, instance));
  request.previous = TRY(previous(instance));
  orchestration::Preparation preparation(request.to_json());
  kind->choose_program(server_, instance, preparation);
  return preparation;
}

Status Hooks::complete(metadata::Transaction& transaction,
                       const orchestration::TaskInstance& instance, const Json& result) {
  // A result that stood already has had its effect.
  if (result.bool_or("reused", false)) return {};
  const TaskKind* kind = TRY(kind_of(instance));
  if (!result.contains("skipped")) TRY(kind->complete(server_, transaction, instance, result));
  const std::string key = result.string_or("content_key", "");
  if (key.empty()) return {};
  TRY(transaction.query(
      "INSERT INTO tasks_results (dag, run, task, content_key, result) VALUES ($1, $2, $3, $4, $5) "
      "ON CONFLICT (dag, run, task) DO UPDATE SET content_key = excluded.content_key, result = "
      "excluded.result",
      {instance.run.key.dag.str(), instance.run.key.run.str(), instance.task.id.str(), key,
       result.dump()}));
  return {};
}

Status Hooks::forget(metadata::Transaction& transaction, const orchestration::RunKey& run,
                     const std::optional<orchestration::TaskId>& task) {
  std::string which = "DELETE FROM tasks_results WHERE dag = $1 AND run = $2";
  std::vector<metadata::Value> values = {run.dag.str(), run.run.str()};
  if (task.has_value()) {
    which += " AND task = $3";
    values.emplace_back(task->str());
  }
  TRY(transaction.query(which, values));
  return {};
}

}  // namespace millrace::tasks
