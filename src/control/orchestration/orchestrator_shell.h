#pragma once

// The inside of Orchestrator. orchestrator.cc has the calls of users, orchestrator_shell.cc the
// thread: the queue, the transaction, and what follows from it.

#include <condition_variable>
#include <deque>
#include <future>
#include <map>
#include <mutex>
#include <thread>
#include <unordered_set>

#include "orchestration/orchestrator.h"

namespace millrace::orchestration {

class Orchestrator::Shell final : public ExecutorListener {
 public:
  Shell(RunStore store, metadata::Database& database, const Clock& clock, Executor& executor,
        TaskHooks& hooks, OrchestratorOptions options)
      : store_(store),
        database_(database),
        clock_(clock),
        executor_(executor),
        hooks_(hooks),
        options_(std::move(options)),
        scheduler_(options_.scheduler) {
    executor_.listen(*this);
  }
  ~Shell() override { stop(); }

  Status start();
  void stop();
  /// Runs `work` on the thread and returns what it returns. Errors: Unavailable when not running.
  template <typename T>
  Result<T> call(std::function<Result<T>()> work);

  // On the thread.
  Status add(std::shared_ptr<const Dag> dag);
  Status remove(const DagId& dag);
  Result<RunId> request(const DagId& dag, Instant date, const Json& params, RunReason reason,
                        IfExists if_exists);
  Result<std::vector<RunId>> backfill(const DagId& dag, Instant from, Instant to,
                                      const Json& params, IfExists if_exists);
  Status clear(const RunKey& run, const std::optional<TaskId>& task);
  Status cancel(const RunKey& run);

  // From executors.
  void started(const AttemptId& attempt) override;
  void heartbeat(const AttemptId& attempt) override;
  void message(const AttemptId& attempt, AttemptMessage message) override;
  bool may_commit(const AttemptId& attempt) override;
  void finished(const AttemptId& attempt, AttemptEnd end) override;
  void lost(const AttemptId& attempt, std::string why) override;

 private:
  friend class Orchestrator;

  /// Something to decide, with the time at which it came: a store that is slow for a minute does
  /// not make attempts silent.
  struct Message {
    Instant at;
    Event event;
    std::optional<AttemptEnd> end;               // with AttemptFinished
    std::optional<Error> refused;                // TaskHooks::complete said no
    std::optional<std::vector<Action>> actions;  // once decided
    std::optional<TaskInstance> instance;        // as it was before that
  };

  void post(Event event, std::optional<AttemptEnd> end = std::nullopt);
  void run();
  void decide_and_do(std::vector<Message> batch);
  Status try_to_store(metadata::Transaction& transaction, std::vector<Message>& batch);
  Status settle(metadata::Transaction& transaction, Message& message);
  void decide(Message& message);
  bool wants_completion(const Message& message) const;
  void update_fence(const std::vector<Action>& actions);
  void carry_out(const Action& action);
  void start_attempt(const action::StartAttempt& start);
  Status prepare_and_start(TaskInstance instance);
  std::optional<TaskInstance> instance_of(const AttemptId& attempt) const;
  void tell(const Notice& notice);
  std::shared_ptr<const Dag> find_dag(const DagId& id) const;
  Result<std::shared_ptr<const Dag>> get_dag(const DagId& id) const;
  Event dag_added(std::shared_ptr<const Dag> dag, const RunStore::Progress& progress) const;
  Message at_once(Event event) const { return {clock_.now(), std::move(event), {}, {}, {}, {}}; }
  /// False when it is time to stop.
  bool wait(Duration pause);

  RunStore store_;
  metadata::Database& database_;
  const Clock& clock_;
  Executor& executor_;
  TaskHooks& hooks_;
  OrchestratorOptions options_;
  Scheduler scheduler_;  // the thread's alone, once it runs

  std::mutex mutex_;
  std::condition_variable something_;
  std::deque<std::variant<Message, std::function<void()>>> queue_;
  enum class Stage : std::uint8_t { New, Running, Stopped };
  Stage stage_ = Stage::New;
  bool stopping_ = false;
  std::thread thread_;

  mutable std::mutex dags_mutex_;
  std::map<DagId, std::shared_ptr<const Dag>> dags_;

  std::mutex fence_mutex_;
  std::unordered_set<AttemptId> current_;

  std::mutex finished_mutex_;
  std::condition_variable run_finished_;
  bool ended_ = false;

  std::mutex subscribers_mutex_;
  std::map<int, std::function<void(const Notice&)>> subscribers_;
  int last_subscription_ = 0;
};

template <typename T>
Result<T> Orchestrator::Shell::call(std::function<Result<T>()> work) {
  auto promise = std::make_shared<std::promise<Result<T>>>();
  std::future<Result<T>> answer = promise->get_future();
  {
    const std::lock_guard lock(mutex_);
    if (stage_ != Stage::Running || stopping_)
      return Error(ErrorCode::Unavailable, stage_ == Stage::New
                                               ? "the orchestrator has not been started"
                                               : "the orchestrator is stopping");
    queue_.emplace_back([promise, work = std::move(work)] { promise->set_value(work()); });
  }
  something_.notify_one();
  return answer.get();
}

}  // namespace millrace::orchestration
