#include "orchestration/run_store.h"

#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <unordered_set>

#include <fmt/core.h>

#include "orchestration/run_rows.h"
#include "orchestration/run_schema.h"

namespace millrace::orchestration {
namespace {

using metadata::Rows;
using metadata::Transaction;
using metadata::Value;

constexpr std::string_view kReturnValue = "return_value";

/// A task that was cleared has given nothing, until it succeeds again.
constexpr const char* kXcomsOfSucceeded =
    " FROM orchestration_xcoms x JOIN orchestration_tasks t ON t.dag_id = x.dag_id AND "
    "t.run_id = x.run_id AND t.task_id = x.task_id AND t.map_index = x.map_index WHERE t.state = "
    "'success'";

Result<std::optional<RunRecord>> read_run(Transaction& transaction, const RunKey& run) {
  const Rows rows = TRY(transaction.query(std::string("SELECT ") + kRunColumns +
                                              " FROM orchestration_runs "
                                              "WHERE dag_id = $1 AND run_id = $2",
                                          {run.dag.str(), run.run.str()}));
  if (rows.empty()) return std::optional<RunRecord>();
  return std::optional(TRY(run_from_row(rows, 0)));
}

/// Never over a run that is there. One that was asked for at the very same moment is this one, from
/// a commit that was taken for lost.
Status save_new_run(Transaction& transaction, const RunRecord& run) {
  const Rows inserted = TRY(transaction.query(
      "INSERT INTO orchestration_runs (dag_id, run_id, logical_date, interval_start, interval_end, "
      "params, reason, state, generation, cancelled, dag_version, requested_at, started_at, "
      "finished_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) "
      "ON CONFLICT (dag_id, run_id) DO NOTHING RETURNING run_id",
      {run.key.dag.str(), run.key.run.str(), micros(run.logical_date), micros(run.interval.start),
       micros(run.interval.end), run.params.dump(), std::string(to_string(run.reason)),
       std::string(to_string(run.state)), run.generation, run.cancelled ? 1 : 0, run.dag_version,
       micros(run.requested_at), micros(run.started_at), micros(run.finished_at)}));
  if (!inserted.empty()) return {};
  const std::optional<RunRecord> there = TRY(read_run(transaction, run.key));
  if (there && there->requested_at == run.requested_at && there->reason == run.reason) return {};
  return Error(ErrorCode::AlreadyExists,
               fmt::format("run {} is there already and is not made anew", run.key.str()));
}

Status save_run(Transaction& transaction, const RunRecord& run) {
  TRY(transaction.query(
      "UPDATE orchestration_runs SET state = $3, generation = $4, cancelled = $5, "
      "dag_version = $6, started_at = $7, finished_at = $8, reason = $9 "
      "WHERE dag_id = $1 AND run_id = $2",
      {run.key.dag.str(), run.key.run.str(), std::string(to_string(run.state)), run.generation,
       run.cancelled ? 1 : 0, run.dag_version, micros(run.started_at), micros(run.finished_at),
       std::string(to_string(run.reason))}));
  return {};
}

Status save_task(Transaction& transaction, const RunKey& run, const TaskRecord& task) {
  TRY(transaction.query(
      "INSERT INTO orchestration_tasks (dag_id, run_id, task_id, state, generation, attempt, "
      "epoch, failures, losses, scheduled_at, queued_at, started_at, finished_at, retry_at, error, "
      "message, conflicts, map_index) "
      "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18) "
      "ON CONFLICT (dag_id, run_id, task_id, map_index) DO UPDATE SET state = excluded.state, "
      "generation = excluded.generation, attempt = excluded.attempt, epoch = excluded.epoch, "
      "failures = excluded.failures, losses = excluded.losses, "
      "scheduled_at = excluded.scheduled_at, queued_at = excluded.queued_at, "
      "started_at = excluded.started_at, finished_at = excluded.finished_at, "
      "retry_at = excluded.retry_at, error = excluded.error, message = excluded.message, "
      "conflicts = excluded.conflicts",
      {run.dag.str(), run.run.str(), task.task.str(), std::string(to_string(task.state)),
       task.generation, task.attempt, task.epoch, task.failures, task.losses,
       micros(task.scheduled_at), micros(task.queued_at), micros(task.started_at),
       micros(task.finished_at), micros(task.retry_at), code(task.error), task.message,
       task.conflicts, task.map_index}));
  return {};
}

Status save_running(Transaction& transaction, const RunKey& run, const TaskRecord& task) {
  TRY(transaction.query(
      "UPDATE orchestration_attempts SET state = 'running', started_at = $5 "
      "WHERE dag_id = $1 AND run_id = $2 AND task_id = $3 AND epoch = $4 AND map_index = $6",
      {run.dag.str(), run.run.str(), task.task.str(), task.epoch, micros(task.started_at),
       task.map_index}));
  return {};
}

Status save_start(Transaction& transaction, const action::StartAttempt& start, Instant now,
                  const std::string& resume_token) {
  const AttemptId& id = start.attempt;
  TRY(transaction.query(
      "INSERT INTO orchestration_attempts (dag_id, run_id, task_id, epoch, generation, number, "
      "state, queued_at, message, cpu_us, wall_us, max_rss_bytes, map_index, resume_token) "
      "VALUES ($1, $2, $3, $4, $5, $6, 'queued', $7, '', 0, 0, 0, $8, $9) "
      "ON CONFLICT (dag_id, run_id, task_id, map_index, epoch) DO NOTHING",
      {id.run.dag.str(), id.run.run.str(), id.task.str(), id.epoch, start.generation, start.number,
       micros(now), id.map_index, resume_token.empty() ? Value(nullptr) : Value(resume_token)}));
  return {};
}

Status save_verdict(Transaction& transaction, const action::AttemptEnded& end, Instant now) {
  const AttemptId& id = end.attempt;
  TRY(transaction.query(
      "UPDATE orchestration_attempts SET state = $5, finished_at = $6, error = $7, message = $8 "
      "WHERE dag_id = $1 AND run_id = $2 AND task_id = $3 AND epoch = $4 AND map_index = $9",
      {id.run.dag.str(), id.run.run.str(), id.task.str(), id.epoch,
       std::string(to_string(end.state)), micros(now), code(end.error), end.message,
       id.map_index}));
  return {};
}

Status save_point(Transaction& transaction, const action::ScheduleAdvanced& advanced) {
  TRY(transaction.query("UPDATE orchestration_dags SET last_point = $2 WHERE dag_id = $1",
                        {advanced.dag.str(), micros(advanced.last_point)}));
  return {};
}

Status save_xcom(Transaction& transaction, const AttemptId& id, std::string_view name,
                 const Json& value) {
  TRY(transaction.query(
      "INSERT INTO orchestration_xcoms (dag_id, run_id, task_id, name, value, map_index) "
      "VALUES ($1, $2, $3, $4, $5, $6) "
      "ON CONFLICT (dag_id, run_id, task_id, map_index, name) DO UPDATE SET value = excluded.value",
      {id.run.dag.str(), id.run.run.str(), id.task.str(), std::string(name), value.dump(),
       id.map_index}));
  return {};
}

/// The Dag of a stored version; null when there is none.
Result<std::shared_ptr<const Dag>> read_dag(Transaction& transaction, const DagId& dag,
                                            const std::string& version) {
  const Rows rows = TRY(transaction.query(
      "SELECT spec FROM orchestration_dag_versions WHERE dag_id = $1 AND version = $2",
      {dag.str(), version}));
  if (rows.empty())
    return Error(ErrorCode::Corruption,
                 fmt::format("version {} of Dag '{}' is not stored", version, dag.str()));
  const std::string place = fmt::format("reading version {} of Dag '{}'", version, dag.str());
  const Json json = TRY_DOING(place, Json::parse(rows.text(0, 0)));
  return Dag::make(TRY_DOING(place, DagSpec::from_json(json)));
}

Result<std::vector<TaskRecord>> load_task_records(Transaction& transaction, const RunKey& run) {
  const Rows rows = TRY(transaction.query(std::string("SELECT ") + kTaskColumns +
                                              " FROM orchestration_tasks "
                                              "WHERE dag_id = $1 AND run_id = $2",
                                          {run.dag.str(), run.run.str()}));
  std::vector<TaskRecord> tasks;
  tasks.reserve(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) tasks.push_back(TRY(task_from_row(rows, i)));
  return tasks;
}

Error no_such_run(const RunKey& run) {
  return {ErrorCode::NotFound,
          fmt::format("Dag '{}' has no run '{}'", run.dag.str(), run.run.str())};
}

Result<event::RunsLoaded::Stored> read_stored(Transaction& transaction, RunRecord run) {
  event::RunsLoaded::Stored stored;
  stored.dag = TRY(read_dag(transaction, run.key.dag, run.dag_version));
  stored.tasks = TRY(load_task_records(transaction, run.key));
  stored.run = std::move(run);
  return stored;
}

}  // namespace

Result<RunStore> RunStore::open(metadata::Database& database) {
  TRY_DOING("opening the store of runs", database.migrate("orchestration", run_migrations()));
  return RunStore(database);
}

Status RunStore::save_dag(Transaction& transaction, const Dag& dag, Instant now) const {
  TRY(transaction.query(
      "INSERT INTO orchestration_dag_versions (dag_id, version, spec, created_at) "
      "VALUES ($1, $2, $3, $4) ON CONFLICT (dag_id, version) DO NOTHING",
      {dag.id().str(), dag.version(), dag.spec().to_json().dump(), micros(now)}));
  TRY(transaction.query(
      "INSERT INTO orchestration_dags (dag_id, version, updated_at) VALUES ($1, $2, $3) "
      "ON CONFLICT (dag_id) DO UPDATE SET version = excluded.version, "
      "updated_at = excluded.updated_at",
      {dag.id().str(), dag.version(), micros(now)}));
  return {};
}

Status RunStore::save(Transaction& transaction, std::span<const Action> actions, Instant now,
                      const std::string& resume_token) const {
  for (const Action& action : actions) {
    if (const auto* created = std::get_if<action::RunCreated>(&action))
      TRY(save_new_run(transaction, created->run));
    if (const auto* start = std::get_if<action::StartAttempt>(&action))
      TRY(save_start(transaction, *start, now, resume_token));
    if (const auto* task = std::get_if<action::TaskChanged>(&action);
        task != nullptr && task->task.state == TaskState::Running)
      TRY(save_running(transaction, task->run, task->task));
    if (const auto* advanced = std::get_if<action::ScheduleAdvanced>(&action))
      TRY(save_point(transaction, *advanced));
  }
  // From the end, so that the first record met of each thing is the one that counts.
  std::unordered_set<RunKey> runs;
  std::unordered_set<AttemptId> tasks;  // with epoch 0: the task instance of the run
  for (auto it = actions.rbegin(); it != actions.rend(); ++it) {
    if (const auto* run = std::get_if<action::RunChanged>(&*it)) {
      if (runs.insert(run->run.key).second) TRY(save_run(transaction, run->run));
    } else if (const auto* task = std::get_if<action::TaskChanged>(&*it)) {
      if (tasks.insert({task->run, task->task.task, 0, task->task.map_index}).second)
        TRY(save_task(transaction, task->run, task->task));
    } else if (const auto* end = std::get_if<action::AttemptEnded>(&*it)) {
      TRY(save_verdict(transaction, *end, now));
    }
  }
  return {};
}

Status RunStore::save_end(Transaction& transaction, const AttemptId& id,
                          const AttemptEnd& end) const {
  TRY(transaction.query(
      "UPDATE orchestration_attempts SET exit_code = $5, signal = $6, cpu_us = $7, wall_us = $8, "
      "max_rss_bytes = $9 WHERE dag_id = $1 AND run_id = $2 AND task_id = $3 AND epoch = $4 "
      "AND map_index = $10",
      {id.run.dag.str(), id.run.run.str(), id.task.str(), id.epoch, number(end.exit_code),
       number(end.signal), end.used.cpu.count(), end.used.wall.count(),
       static_cast<std::int64_t>(end.used.max_rss_bytes), id.map_index}));
  return {};
}

Status RunStore::save_xcoms(Transaction& transaction, const AttemptId& id,
                            const AttemptEnd& end) const {
  TRY(transaction.query(
      "DELETE FROM orchestration_xcoms WHERE dag_id = $1 AND run_id = $2 AND task_id = $3 "
      "AND map_index = $4",
      {id.run.dag.str(), id.run.run.str(), id.task.str(), id.map_index}));
  if (!end.result.is_null()) TRY(save_xcom(transaction, id, kReturnValue, end.result));
  if (!end.xcoms.is_object()) return {};
  for (const auto& [name, value] : end.xcoms.as_object())
    if (name != kReturnValue) TRY(save_xcom(transaction, id, name, value));
  return {};
}

Status RunStore::save_resume_token(Transaction& transaction, const AttemptId& id,
                                   const std::string& token) const {
  TRY(transaction.query(
      "UPDATE orchestration_attempts SET resume_token = $6 WHERE dag_id = $1 AND run_id = $2 "
      "AND task_id = $3 AND epoch = $4 AND map_index = $5",
      {id.run.dag.str(), id.run.run.str(), id.task.str(), id.epoch, id.map_index, token}));
  return {};
}

Result<RunStore::Unfinished> RunStore::load_unfinished() const {
  Unfinished found;
  TRY(database_->read([&](Transaction& transaction) -> Status {
    found = {};
    const Rows rows =
        TRY(transaction.query(std::string("SELECT ") + kRunColumns +
                              " FROM orchestration_runs WHERE state IN ('queued', 'running') "
                              "ORDER BY logical_date, requested_at"));
    for (std::size_t i = 0; i < rows.size(); ++i) {
      RunRecord run = TRY(run_from_row(rows, i));
      const std::string name = run.key.str();
      auto stored = read_stored(transaction, std::move(run));
      if (stored.ok())
        found.loaded.runs.push_back(*std::move(stored));
      else if (stored.error().code() == ErrorCode::Unavailable)
        return stored.error();
      else
        found.unreadable.push_back(name + ": " + stored.error().message());
    }
    const Rows tokens =
        TRY(transaction.query("SELECT dag_id, run_id, task_id, epoch, map_index, resume_token "
                              "FROM orchestration_attempts WHERE resume_token IS NOT NULL "
                              "AND state IN ('queued', 'running')"));
    for (std::size_t i = 0; i < tokens.size(); ++i)
      found.resume_tokens[{{DagId(tokens.text(i, 0)), RunId(tokens.text(i, 1))},
                           TaskId(tokens.text(i, 2)),
                           static_cast<int>(tokens.integer(i, 3)),
                           static_cast<int>(tokens.integer(i, 4))}] = tokens.text(i, 5);
    return {};
  }));
  return found;
}

Result<event::RunsLoaded::Stored> RunStore::load_run(const RunKey& run) const {
  event::RunsLoaded::Stored stored;
  TRY(database_->read([&](Transaction& transaction) -> Status {
    std::optional<RunRecord> record = TRY(read_run(transaction, run));
    if (!record) return no_such_run(run);
    stored = TRY(read_stored(transaction, *std::move(record)));
    return {};
  }));
  return stored;
}

Result<std::shared_ptr<const Dag>> RunStore::load_dag(const DagId& id) const {
  std::shared_ptr<const Dag> dag;
  TRY(database_->read([&](Transaction& transaction) -> Status {
    const Rows rows = TRY(
        transaction.query("SELECT version FROM orchestration_dags WHERE dag_id = $1", {id.str()}));
    if (rows.empty())
      return Error(ErrorCode::NotFound, fmt::format("no Dag '{}' was ever here", id.str()));
    dag = TRY(read_dag(transaction, id, rows.text(0, 0)));
    return {};
  }));
  return dag;
}

Result<RunStore::Progress> RunStore::load_progress(const DagId& dag, Instant now) const {
  Progress progress;
  TRY(database_->read([&](Transaction& transaction) -> Status {
    const Rows dags = TRY(transaction.query(
        "SELECT last_point FROM orchestration_dags WHERE dag_id = $1", {dag.str()}));
    if (!dags.empty() && !dags.is_null(0, 0))
      progress.last_point = std::min(instant(dags.integer(0, 0)), now);
    const Rows later = TRY(transaction.query(
        "SELECT run_id, logical_date FROM orchestration_runs "
        "WHERE dag_id = $1 AND logical_date > $2",
        {dag.str(), progress.last_point ? micros(*progress.last_point)
                                        : std::numeric_limits<std::int64_t>::min()}));
    for (std::size_t i = 0; i < later.size(); ++i) {
      const Instant date = instant(later.integer(i, 1));
      if (later.text(i, 0) == format_instant(date)) progress.existing.push_back(date);
    }
    return {};
  }));
  return progress;
}

Result<std::optional<RunRecord>> RunStore::find_run(const RunKey& run) const {
  std::optional<RunRecord> found;
  TRY(database_->read([&](Transaction& transaction) -> Status {
    found = TRY(read_run(transaction, run));
    return {};
  }));
  return found;
}

Result<std::vector<RunRecord>> RunStore::runs(const RunFilter& filter) const {
  std::string sql = std::string("SELECT ") + kRunColumns + " FROM orchestration_runs WHERE 1 = 1";
  std::vector<Value> parameters;
  if (filter.dag) {
    parameters.emplace_back(filter.dag->str());
    sql += fmt::format(" AND dag_id = ${}", parameters.size());
  }
  if (filter.state) {
    parameters.emplace_back(std::string(to_string(*filter.state)));
    sql += fmt::format(" AND state = ${}", parameters.size());
  }
  sql += fmt::format(" ORDER BY {}logical_date DESC, dag_id, run_id LIMIT {}",
                     filter.order == RunOrder::LastActive
                         ? "CASE state WHEN 'running' THEN 0 ELSE 1 END, "
                           "COALESCE(finished_at, started_at, requested_at) DESC, "
                         : "",
                     std::clamp(filter.limit, 0, 10'000));
  std::vector<RunRecord> found;
  TRY(database_->read([&](Transaction& transaction) -> Status {
    const Rows rows = TRY(transaction.query(sql, parameters));
    for (std::size_t i = 0; i < rows.size(); ++i) found.push_back(TRY(run_from_row(rows, i)));
    return {};
  }));
  return found;
}

Result<std::vector<TaskRecord>> RunStore::task_instances(const RunKey& run) const {
  std::vector<TaskRecord> all;
  TRY(database_->read([&](Transaction& transaction) -> Status {
    const std::optional<RunRecord> record = TRY(read_run(transaction, run));
    if (!record) return no_such_run(run);
    std::map<TaskId, TaskRecord> stored;
    for (TaskRecord& task : TRY(load_task_records(transaction, run)))
      stored.emplace(task.task, std::move(task));
    const auto dag = TRY(read_dag(transaction, run.dag, record->dag_version));
    for (const TaskIndex i : dag->order()) {
      TaskRecord none;
      none.task = dag->task(i).id;
      none.generation = record->generation;
      const auto found = stored.find(none.task);
      all.push_back(found == stored.end() ? none : found->second);
      if (found != stored.end()) stored.erase(found);
    }
    for (auto& [id, task] : stored) all.push_back(std::move(task));
    return {};
  }));
  return all;
}

Result<std::vector<AttemptRecord>> RunStore::attempts(const RunKey& run) const {
  std::vector<AttemptRecord> all;
  TRY(database_->read([&](Transaction& transaction) -> Status {
    const Rows rows = TRY(transaction.query(std::string("SELECT ") + kAttemptColumns +
                                                " FROM orchestration_attempts "
                                                "WHERE dag_id = $1 AND run_id = $2 "
                                                "ORDER BY queued_at, task_id, epoch",
                                            {run.dag.str(), run.run.str()}));
    for (std::size_t i = 0; i < rows.size(); ++i) all.push_back(TRY(attempt_from_row(rows, i)));
    return {};
  }));
  return all;
}

Result<Json> RunStore::xcoms(const RunKey& run, const TaskId& task) const {
  Json all = Json::object();
  TRY(database_->read([&](Transaction& transaction) -> Status {
    const Rows rows = TRY(transaction.query(
        std::string("SELECT x.name, x.value") + kXcomsOfSucceeded +
            " AND x.dag_id = $1 AND x.run_id = $2 AND x.task_id = $3 AND x.map_index = $4 "
            "ORDER BY x.name",
        {run.dag.str(), run.run.str(), task.str(), kNotMapped}));
    for (std::size_t i = 0; i < rows.size(); ++i)
      all.set(rows.text(i, 0), TRY(Json::parse(rows.text(i, 1))));
    return {};
  }));
  return all;
}

Result<Json> RunStore::results(const RunKey& run, std::span<const TaskId> tasks) const {
  Json all = Json::object();
  if (tasks.empty()) return all;
  std::vector<Value> parameters = {run.dag.str(), run.run.str(), std::string(kReturnValue),
                                   std::int64_t{kNotMapped}};
  std::string places;
  for (const TaskId& task : tasks) {
    parameters.emplace_back(task.str());
    places += fmt::format("{}${}", places.empty() ? "" : ", ", parameters.size());
  }
  TRY(database_->read([&](Transaction& transaction) -> Status {
    const Rows rows = TRY(transaction.query(
        std::string("SELECT x.task_id, x.value") + kXcomsOfSucceeded +
            " AND x.dag_id = $1 AND x.run_id = $2 AND x.name = $3 AND x.map_index = $4 AND "
            "x.task_id IN (" +
            places + ") ORDER BY x.task_id",
        parameters));
    for (std::size_t i = 0; i < rows.size(); ++i)
      all.set(rows.text(i, 0), TRY(Json::parse(rows.text(i, 1))));
    return {};
  }));
  return all;
}

}  // namespace millrace::orchestration
