#pragma once

// The inside of Orchestrator. orchestrator.cc has the calls of users, orchestrator_shell.cc the
// thread and its queue, orchestrator_decide.cc the transaction and what follows from it.
//
// The core cannot go back. When what it decided is not going to be stored (TaskHooks::complete
// changed its mind, something of ours broke), it is built anew from the store, which knows nothing
// of that decision, and is told again what was reported.

#include <condition_variable>
#include <deque>
#include <future>
#include <map>
#include <mutex>
#include <thread>
#include <unordered_set>

#include "base/caught.h"
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
  void stop(LiveAttempts attempts = LiveAttempts::End);
  /// Runs `work` on the thread and returns what it returns. Waits until the thread runs. Errors:
  /// Unavailable when it is stopping.
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
  void resumable(const AttemptId& attempt, std::string token) override;
  void capacity(int attempts) override;
  void may_commit(const AttemptId& attempt, std::function<void(bool)> answer) override;
  void finished(const AttemptId& attempt, AttemptEnd end) override;
  void lost(const AttemptId& attempt, std::string why) override;

 private:
  friend class Orchestrator;

  /// Something to decide, with the time at which it came: a store that is slow for a minute does
  /// not make attempts silent.
  struct Message {
    Moment at;
    Event event;
    std::optional<AttemptEnd> end;               // with AttemptFinished
    std::optional<Error> refused;                // why its success does not count
    std::optional<std::vector<Action>> actions;  // once decided
    std::optional<TaskInstance> instance;        // as it was before that
    bool from_store = false;                     // tells a new core what there is
  };
  using Item = std::variant<Message, std::function<void()>>;  // a function is a user's call

  /// What clears it, loading it first where it had finished.
  Result<std::vector<Message>> cleared(const RunKey& run, const std::optional<TaskId>& task,
                                       std::optional<RunReason> reason = std::nullopt);
  void post(Event event, std::optional<AttemptEnd> end = std::nullopt);
  Status begin();
  void run();
  void end(std::deque<Item> left);
  void wait_for_items(std::unique_lock<std::mutex>& lock);
  void take(std::vector<Message> batch);
  /// What `work` returns. An exception becomes Internal, and makes the core stale.
  template <typename Work>
  auto guarded(Work&& work) -> decltype(work());

  /// A store that fails is asked again and again, less and less often.
  struct Asking {
    Duration since;  // Clock::running
    Duration pause = Duration::zero();
    bool last = false;  // the server is being stopped
  };
  /// Errors: those of the store that asking again would not mend; Unavailable after giving up.
  Status decide_and_do(std::vector<Message> batch);
  /// False when it is no use to ask the store again; then it has given up.
  bool ask_again(Asking& asking, const Error& why);
  void give_up(std::string because);
  void set_trouble(std::string trouble);
  Result<std::vector<Message>> read_store();
  bool adopt(const RunRecord& run, const TaskRecord& task, const AttemptId& attempt,
             const RunStore::Unfinished& unfinished);
  Status rebuild(std::vector<Message>& batch);
  void follow_clock(std::vector<Message>& batch);
  Status try_to_store(metadata::Transaction& transaction, std::vector<Message>& batch);
  Status store_end(metadata::Transaction& transaction, const Message& message);
  void refuse(Message& message, const Error& why);
  Status settle(metadata::Transaction& transaction, Message& message);
  void decide(Message& message);
  bool wants_completion(const Message& message) const;
  void update_fence(const std::vector<Action>& actions);
  void reopen_fence();
  void settle_ends(const std::vector<Message>& batch);
  void carry_out(const Action& action);
  void start_attempt(const action::StartAttempt& start);
  Status prepare_and_start(TaskInstance instance);
  std::optional<TaskInstance> instance_of(const AttemptId& attempt) const;
  void tell(const Notice& notice);
  std::shared_ptr<const Dag> find_dag(const DagId& id) const;
  Result<std::shared_ptr<const Dag>> get_dag(const DagId& id) const;
  std::vector<std::shared_ptr<const Dag>> all_dags() const;
  Result<Event> dag_added(std::shared_ptr<const Dag> dag) const;
  Moment now() const { return {clock_.now(), clock_.running()}; }
  Message at_once(Event event) const { return {now(), std::move(event), {}, {}, {}, {}}; }
  /// False when it is time to stop.
  bool wait(Duration pause);

  RunStore store_;
  metadata::Database& database_;
  const Clock& clock_;
  Executor& executor_;
  TaskHooks& hooks_;
  OrchestratorOptions options_;

  // The thread's alone, once it runs.
  Scheduler scheduler_;
  std::unordered_set<AttemptId> handed_;  // to the executor, and not ended for us
  std::optional<int> capacity_;           // of the executor, as it said last
  bool stale_ = false;                    // the core has decided what is not stored
  bool refused_now_ = false;              // by this try to store
  bool rebuilt_ = false;                  // in this batch
  bool leaving_ = false;                  // nothing is started any more
  /// Why nothing is stored any more: a batch was given up, and what follows from it must not be
  /// stored without it. The next server begins with what is there. Written by the thread under
  /// finished_mutex_.
  std::optional<Error> given_up_;
  /// Why the store is being asked again. As given_up_.
  std::string trouble_;
  Instant latest_ = Instant::min();  // of the wall clock

  std::mutex mutex_;
  std::condition_variable something_;
  std::condition_variable stage_changed_;
  std::deque<Item> queue_;
  enum class Stage : std::uint8_t { New, Running, Stopped };
  Stage stage_ = Stage::New;
  bool stopping_ = false;
  LiveAttempts at_the_end_ = LiveAttempts::End;
  std::thread thread_;

  mutable std::mutex dags_mutex_;
  std::map<DagId, std::shared_ptr<const Dag>> dags_;

  std::mutex fence_mutex_;
  std::unordered_set<AttemptId> current_;

  std::mutex finished_mutex_;
  std::condition_variable run_finished_;
  std::uint64_t ends_ = 0;  // of runs, so far
  bool ended_ = false;

  std::mutex subscribers_mutex_;
  std::map<int, std::function<void(const Notice&)>> subscribers_;
  int last_subscription_ = 0;
};

/// The attempt whose last word the event is.
inline const AttemptId* ended_by(const Event& event) {
  if (const auto* finished = std::get_if<event::AttemptFinished>(&event)) return &finished->attempt;
  if (const auto* lost = std::get_if<event::AttemptLost>(&event)) return &lost->attempt;
  return nullptr;
}

template <typename T>
Result<T> Orchestrator::Shell::call(std::function<Result<T>()> work) {
  auto promise = std::make_shared<std::promise<Result<T>>>();
  std::future<Result<T>> answer = promise->get_future();
  {
    std::unique_lock lock(mutex_);
    stage_changed_.wait(lock, [this] { return stage_ != Stage::New; });
    if (stage_ != Stage::Running || stopping_)
      return Error(ErrorCode::Unavailable, "the orchestrator is stopping");
    queue_.emplace_back(
        [this, promise, work = std::move(work)] { promise->set_value(guarded(work)); });
  }
  something_.notify_one();
  return answer.get();
}

template <typename Work>
auto Orchestrator::Shell::guarded(Work&& work) -> decltype(work()) {
  return caught(work, [this](const std::string& what) {
    stale_ = true;
    return Error(ErrorCode::Internal, "the scheduling thread met an error of its own: " + what);
  });
}

}  // namespace millrace::orchestration
