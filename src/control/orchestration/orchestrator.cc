#include "orchestration/orchestrator.h"

#include <fmt/core.h>

#include "base/log.h"
#include "base/suggest.h"
#include "orchestration/orchestrator_shell.h"

namespace millrace::orchestration {

Result<std::unique_ptr<Orchestrator>> Orchestrator::open(metadata::Database& database,
                                                         const Clock& clock, Executor& executor,
                                                         TaskHooks& hooks,
                                                         OrchestratorOptions options) {
  RunStore store = TRY(RunStore::open(database));
  auto shell = std::make_unique<Shell>(store, database, clock, executor, hooks, std::move(options));
  return std::unique_ptr<Orchestrator>(new Orchestrator(std::move(shell)));
}

Orchestrator::Orchestrator(std::unique_ptr<Shell> shell) : shell_(std::move(shell)) {}
Orchestrator::~Orchestrator() = default;

Status Orchestrator::start() {
  return shell_->start();
}

void Orchestrator::stop(LiveAttempts attempts) {
  shell_->stop(attempts);
}

Status Orchestrator::add_dag(DagSpec spec) {
  std::shared_ptr<const Dag> dag = TRY(Dag::make(std::move(spec)));
  // The pools are fixed, so this needs no thread.
  TRY(shell_->scheduler_.check(*dag));
  {
    const std::lock_guard lock(shell_->mutex_);
    if (shell_->stage_ == Shell::Stage::New) {
      const std::lock_guard dags(shell_->dags_mutex_);
      shell_->dags_[dag->id()] = dag;
      return {};
    }
  }
  return shell_->call<void>([this, dag] { return shell_->add(dag); });
}

Status Orchestrator::remove_dag(const DagId& dag) {
  return shell_->call<void>([this, dag] { return shell_->remove(dag); });
}

Result<RunId> Orchestrator::request_run(const DagId& dag, Instant logical_date, const Json& params,
                                        IfExists if_exists) {
  return shell_->call<RunId>([=, this] {
    return shell_->request(dag, logical_date, params, RunReason::Manual, if_exists);
  });
}

Result<std::vector<RunId>> Orchestrator::backfill(const DagId& dag, Instant from, Instant to,
                                                  const Json& params, IfExists if_exists) {
  return shell_->call<std::vector<RunId>>(
      [=, this] { return shell_->backfill(dag, from, to, params, if_exists); });
}

Status Orchestrator::clear(const RunKey& run, const std::optional<TaskId>& task) {
  return shell_->call<void>([=, this] { return shell_->clear(run, task); });
}

Status Orchestrator::cancel(const RunKey& run) {
  return shell_->call<void>([=, this] { return shell_->cancel(run); });
}

std::string Orchestrator::trouble() const {
  {
    const std::lock_guard lock(shell_->finished_mutex_);
    if (!shell_->trouble_.empty()) return shell_->trouble_;
  }
  return shell_->executor_.trouble();
}

Status Orchestrator::health() const {
  const std::lock_guard lock(shell_->finished_mutex_);
  if (shell_->given_up_) return *shell_->given_up_;
  return {};
}

Result<RunRecord> Orchestrator::wait(const RunKey& run, Duration at_most) {
  const auto deadline = std::chrono::steady_clock::now() + at_most;
  for (;;) {
    std::unique_lock lock(shell_->finished_mutex_);
    const std::uint64_t ends = shell_->ends_;
    const bool ended = shell_->ended_;
    const std::optional<Error> gave_up = shell_->given_up_;
    lock.unlock();
    const std::optional<RunRecord> found = TRY(shell_->store_.find_run(run));
    if (!found)
      return Error(ErrorCode::NotFound,
                   fmt::format("Dag '{}' has no run '{}'", run.dag.str(), run.run.str()));
    if (is_finished(found->state)) return *found;
    if (gave_up) return *gave_up;
    if (ended)
      return Error(ErrorCode::Unavailable, fmt::format("the server was stopped while run {} was {}",
                                                       run.str(), to_string(found->state)));
    lock.lock();
    const auto more = [&] { return shell_->ends_ != ends || shell_->ended_ || shell_->given_up_; };
    if (!shell_->run_finished_.wait_until(lock, deadline, more))
      return Error(ErrorCode::Timeout,
                   fmt::format("run {} is still {} after {}", run.str(), to_string(found->state),
                               format_duration(at_most)));
  }
}

Result<std::optional<RunRecord>> Orchestrator::find_run(const RunKey& run) const {
  return shell_->store_.find_run(run);
}
Result<std::vector<RunRecord>> Orchestrator::runs(const RunFilter& filter) const {
  return shell_->store_.runs(filter);
}
Result<std::vector<TaskRecord>> Orchestrator::task_instances(const RunKey& run) const {
  return shell_->store_.task_instances(run);
}
Result<std::vector<AttemptRecord>> Orchestrator::attempts(const RunKey& run) const {
  return shell_->store_.attempts(run);
}
Result<Json> Orchestrator::xcoms(const RunKey& run, const TaskId& task) const {
  return shell_->store_.xcoms(run, task);
}
Result<Json> Orchestrator::results(const RunKey& run, std::span<const TaskId> tasks) const {
  return shell_->store_.results(run, tasks);
}

std::vector<std::shared_ptr<const Dag>> Orchestrator::dags() const {
  const std::lock_guard lock(shell_->dags_mutex_);
  std::vector<std::shared_ptr<const Dag>> all;
  for (const auto& entry : shell_->dags_) all.push_back(entry.second);
  return all;
}

int Orchestrator::subscribe(std::function<void(const Notice&)> hear) {
  const std::lock_guard lock(shell_->subscribers_mutex_);
  shell_->subscribers_[++shell_->last_subscription_] = std::move(hear);
  return shell_->last_subscription_;
}

void Orchestrator::unsubscribe(int subscription) {
  const std::lock_guard lock(shell_->subscribers_mutex_);
  shell_->subscribers_.erase(subscription);
}

void Orchestrator::wake() {
  shell_->post(event::TimeIsNow{});
}

// The calls, on the orchestrator's thread.

std::shared_ptr<const Dag> Orchestrator::Shell::find_dag(const DagId& id) const {
  const std::lock_guard lock(dags_mutex_);
  const auto found = dags_.find(id);
  return found == dags_.end() ? nullptr : found->second;
}

Result<std::shared_ptr<const Dag>> Orchestrator::Shell::get_dag(const DagId& id) const {
  if (std::shared_ptr<const Dag> dag = find_dag(id)) return dag;
  std::vector<std::string> known;
  const std::lock_guard lock(dags_mutex_);
  known.reserve(dags_.size());
  for (const auto& entry : dags_) known.push_back(entry.first.str());
  return Error(ErrorCode::NotFound,
               fmt::format("there is no Dag '{}'{}", id.str(), suggestion(id.str(), known)));
}

std::vector<std::shared_ptr<const Dag>> Orchestrator::Shell::all_dags() const {
  std::vector<std::shared_ptr<const Dag>> all;
  const std::lock_guard lock(dags_mutex_);
  all.reserve(dags_.size());
  for (const auto& entry : dags_) all.push_back(entry.second);
  return all;
}

Result<Event> Orchestrator::Shell::dag_added(std::shared_ptr<const Dag> dag) const {
  const RunStore::Progress progress = TRY(store_.load_progress(dag->id(), clock_.now()));
  return Event(event::DagAdded{std::move(dag), progress.last_point, progress.existing});
}

Status Orchestrator::Shell::add(std::shared_ptr<const Dag> dag) {
  Event added = TRY(dag_added(dag));
  TRY(database_.write([&](metadata::Transaction& transaction) {
    return store_.save_dag(transaction, *dag, clock_.now());
  }));
  {
    const std::lock_guard lock(dags_mutex_);
    dags_[dag->id()] = dag;
  }
  std::vector<Message> batch;
  batch.push_back(at_once(std::move(added)));
  return decide_and_do(std::move(batch));
}

Status Orchestrator::Shell::remove(const DagId& dag) {
  TRY(get_dag(dag));
  {
    const std::lock_guard lock(dags_mutex_);
    dags_.erase(dag);
  }
  std::vector<Message> batch;
  batch.push_back(at_once(event::DagRemoved{dag}));
  return decide_and_do(std::move(batch));
}

Result<RunId> Orchestrator::Shell::request(const DagId& id, Instant date, const Json& params,
                                           RunReason reason, IfExists if_exists) {
  const std::shared_ptr<const Dag> dag = TRY(get_dag(id));
  RunRecord run = TRY(plan_run(*dag, date, params, reason));
  const RunKey key = run.key;
  if (scheduler_.find(key) || TRY(store_.find_run(key))) {
    const auto stored = TRY(store_.find_run(key));
    const bool failed = stored && stored->state == RunState::Failed;
    if (if_exists == IfExists::Clear || (if_exists == IfExists::ClearFailed && failed))
      TRY(clear(key, std::nullopt));
    return key.run;
  }
  std::vector<Message> batch;
  batch.push_back(at_once(event::RunRequested{std::move(run)}));
  TRY(decide_and_do(std::move(batch)));
  return key.run;
}

Result<std::vector<RunId>> Orchestrator::Shell::backfill(const DagId& id, Instant from, Instant to,
                                                         const Json& params, IfExists if_exists) {
  const std::shared_ptr<const Dag> dag = TRY(get_dag(id));
  std::vector<RunId> runs;
  std::vector<Message> batch;
  for (const Instant point : TRY(points_of_backfill(*dag, from, to))) {
    RunRecord run = TRY(plan_run(*dag, point, params, RunReason::Backfill));
    runs.push_back(run.key.run);
    const bool active = scheduler_.find(run.key).has_value();
    const auto existing = active ? std::nullopt : TRY(store_.find_run(run.key));
    const bool again =
        if_exists == IfExists::Clear ||
        (if_exists == IfExists::ClearFailed && existing && existing->state == RunState::Failed);
    // In one batch, in the order of the dates: the first that is decided may begin at once.
    if (!active && !existing)
      batch.push_back(at_once(event::RunRequested{std::move(run)}));
    else if (again)
      for (Message& message : TRY(cleared(run.key, std::nullopt, RunReason::Backfill)))
        batch.push_back(std::move(message));
  }
  if (!batch.empty()) TRY(decide_and_do(std::move(batch)));
  return runs;
}

Status Orchestrator::Shell::clear(const RunKey& run, const std::optional<TaskId>& task) {
  return decide_and_do(TRY(cleared(run, task)));
}

Result<std::vector<Orchestrator::Shell::Message>> Orchestrator::Shell::cleared(
    const RunKey& run, const std::optional<TaskId>& task, std::optional<RunReason> reason) {
  std::vector<Message> batch;
  std::shared_ptr<const Dag> loaded;
  const auto active = scheduler_.find(run);
  if (!active) {
    event::RunsLoaded::Stored stored = TRY(store_.load_run(run));
    loaded = stored.dag;
    batch.push_back(at_once(event::RunsLoaded{{std::move(stored)}}));
  }
  const Dag& dag = active ? active->dag : *loaded;
  if (task && !dag.find(*task)) {
    std::vector<std::string> known;
    for (const TaskSpec& spec : dag.spec().tasks) known.push_back(spec.id.str());
    return Error(ErrorCode::NotFound, fmt::format("run {} has no task '{}'{}", run.str(),
                                                  task->str(), suggestion(task->str(), known)));
  }
  batch.push_back(at_once(event::RunCleared{run, task, reason}));
  return batch;
}

Status Orchestrator::Shell::cancel(const RunKey& run) {
  if (!scheduler_.find(run)) {
    if (TRY(store_.find_run(run))) return {};
    return Error(ErrorCode::NotFound,
                 fmt::format("Dag '{}' has no run '{}'", run.dag.str(), run.run.str()));
  }
  std::vector<Message> batch;
  batch.push_back(at_once(event::RunCancelled{run}));
  return decide_and_do(std::move(batch));
}

}  // namespace millrace::orchestration
