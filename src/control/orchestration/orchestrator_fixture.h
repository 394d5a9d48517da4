#pragma once

// An orchestrator with a clock that tests set, a store that fails when it is told to, and executors
// whose attempts wait for the test.

#include <atomic>
#include <condition_variable>
#include <future>
#include <mutex>
#include <stdexcept>
#include <thread>

#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/file.h"
#include "orchestration/dag_fixture.h"
#include "orchestration/orchestrator.h"

namespace millrace::orchestration {

using metadata::Database;
using metadata::Transaction;
using std::chrono::seconds;

inline const Instant kDate = *parse_instant("2013-01-06");

/// Whether one of the times that a test asked for is left; it is used up.
template <typename Count>
bool use_up(Count& left) {
  if (left <= 0) return false;
  --left;
  return true;
}

/// A database that can be unplugged, lose commits, or refuse every one that would leave a row that
/// `forbid` finds.
class TestDatabase final : public Database {
 public:
  explicit TestDatabase(const std::string& path) : inner_(*metadata::open_sqlite(path)) {}
  Status write(const std::function<Status(Transaction&)>& work) override {
    const Status written = try_to_write(work);
    if (!written.ok()) {
      ++failures_;
      failures_.notify_all();
    }
    return written;
  }
  Status read(const std::function<Status(Transaction&)>& work) override {
    return inner_->read(work);
  }
  void unplug() { unplugged_ = true; }
  void plug_in() { unplugged_ = false; }
  void lose(int commits) { to_lose_ = commits; }
  /// The next commit is made, and reported as lost.
  void hide_a_commit() { to_hide_ = 1; }
  void forbid(std::string query) { forbidden_ = std::move(query); }
  void wait_for_failure() const { wait_for_failures(1); }
  void wait_for_failures(int number) const {
    for (int seen = failures_; seen < number; seen = failures_) failures_.wait(seen);
  }

 private:
  Status try_to_write(const std::function<Status(Transaction&)>& work) {
    if (unplugged_) return Error(ErrorCode::Unavailable, "unplugged");
    const bool lose = use_up(to_lose_);
    TRY(inner_->write([&](Transaction& transaction) -> Status {
      TRY(work(transaction));
      if (lose) return Error(ErrorCode::Unavailable, "the commit was lost");
      if (!forbidden_.empty() && !TRY(transaction.query(forbidden_)).empty())
        return Error(ErrorCode::Unavailable, "the disk is full");
      return {};
    }));
    if (use_up(to_hide_)) return Error(ErrorCode::Unavailable, "the connection was lost");
    return {};
  }

  std::unique_ptr<Database> inner_;
  std::string forbidden_;  // set while nobody writes
  std::atomic<int> to_hide_ = 0;
  std::atomic<int> failures_ = 0;
  std::atomic<bool> unplugged_ = false;
  std::atomic<int> to_lose_ = 0;
};

/// Holds attempts until the test says how they end.
class HeldExecutor final : public Executor {
 public:
  void listen(ExecutorListener& listener) override { listener_ = &listener; }
  Status start(AttemptRequest request) override {
    {
      const std::lock_guard lock(mutex_);
      requests_.push_back(request);
    }
    listener_->started(request.id);
    changed_.notify_all();
    return {};
  }
  void kill(const AttemptId& attempt, Duration) override {
    {
      const std::lock_guard lock(mutex_);
      killed_.push_back(attempt);
    }
    changed_.notify_all();
  }
  void stop(Duration) override {}
  bool adopt(const AttemptId& attempt, const std::string& token) override {
    if (asks_when_adopted_)
      listener_->may_commit(attempt, [this](bool answer) { answer_when_adopted_ = answer; });
    const std::lock_guard lock(mutex_);
    asked_for_[attempt] = token;
    return adopts_ == token;
  }
  Status end_the_rest() override {
    const std::lock_guard lock(mutex_);
    EXPECT_TRUE(requests_.empty()) << "it comes before the first start";
    ++rest_ended_;
    return rest_;
  }
  void settled(const AttemptId& attempt) override {
    {
      const std::lock_guard lock(mutex_);
      settled_.push_back(attempt);
    }
    changed_.notify_all();
  }
  void detach(Duration) override { ++detached_; }
  std::string resume_token() const override { return token_; }

  /// Its attempts are found again by this token.
  void leave_token(std::string token) { token_ = std::move(token); }
  /// What earlier servers have left cannot be ended.
  void refuse_to_end_the_rest(Error why) { rest_ = std::move(why); }
  int rest_ended() {
    const std::lock_guard lock(mutex_);
    return rest_ended_;
  }
  /// Attempts that left this token are found again.
  void adopt_by(std::string token) { adopts_ = std::move(token); }
  /// What is adopted asks within that call whether it may commit.
  void ask_when_adopted() { asks_when_adopted_ = true; }
  std::optional<bool> answer_when_adopted() const { return answer_when_adopted_; }
  std::map<AttemptId, std::string> asked_for() {
    const std::lock_guard lock(mutex_);
    return asked_for_;
  }
  int detached() const { return detached_; }
  AttemptRequest wait_for_start(std::size_t number) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, seconds(20), [&] { return requests_.size() >= number; }));
    return requests_.at(number - 1);
  }
  AttemptId wait_for_kill(std::size_t number) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, seconds(20), [&] { return killed_.size() >= number; }));
    return killed_.at(number - 1);
  }
  AttemptId wait_for_settled(std::size_t number) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, seconds(20), [&] { return settled_.size() >= number; }));
    return settled_.at(number - 1);
  }
  std::vector<AttemptId> settled_attempts() {
    const std::lock_guard lock(mutex_);
    return settled_;
  }
  std::size_t starts() {
    const std::lock_guard lock(mutex_);
    return requests_.size();
  }
  ExecutorListener& listener() { return *listener_; }
  /// What the fence says to the attempt.
  bool may_commit(const AttemptId& attempt) {
    bool allowed = false;
    listener_->may_commit(attempt, [&](bool answer) { allowed = answer; });
    return allowed;
  }

 private:
  ExecutorListener* listener_ = nullptr;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<AttemptRequest> requests_;
  std::vector<AttemptId> killed_;
  std::vector<AttemptId> settled_;
  std::string token_;
  Status rest_;
  bool asks_when_adopted_ = false;
  std::optional<bool> answer_when_adopted_;
  int rest_ended_ = 0;
  std::string adopts_ = "nothing";
  std::map<AttemptId, std::string> asked_for_;
  std::atomic<int> detached_ = 0;
};

/// Registers each success as a row of its own, and fails when it is told to.
class TestHooks final : public TaskHooks {
 public:
  Result<Preparation> prepare(const TaskInstance& instance) override {
    const std::lock_guard lock(mutex_);
    if (use_up(throw_in_prepare_)) throw std::runtime_error("oh no");
    if (use_up(refuse_prepare_)) return Error(ErrorCode::Unavailable, "the lake does not answer");
    return Preparation(
        Json::object({{"task", instance.task.id.str()}, {"upstream", instance.upstream_results}}));
  }
  Status complete(Transaction& transaction, const TaskInstance& instance,
                  const Json& result) override {
    TRY(transaction.query("INSERT INTO test_versions (name, value) VALUES ($1, $2)",
                          {instance.attempt.run.str() + "/" + instance.task.id.str() + "/" +
                               std::to_string(instance.generation),
                           result.dump()}));
    const std::lock_guard lock(mutex_);
    if (use_up(agree_first_)) return {};
    if (use_up(refuse_complete_)) return Error(ErrorCode::Unavailable, "the name is taken");
    return {};
  }
  void refuse_prepare(int times) { refuse_prepare_ = times; }
  void refuse_complete(int times, int after_agreeing = 0) {
    refuse_complete_ = times;
    agree_first_ = after_agreeing;
  }
  void throw_in_prepare(int times) { throw_in_prepare_ = times; }

 private:
  std::mutex mutex_;
  int refuse_prepare_ = 0;
  int refuse_complete_ = 0;
  int agree_first_ = 0;
  int throw_in_prepare_ = 0;
};

inline AttemptEnd success(Json result = {}) {
  AttemptEnd end;
  end.result = std::move(result);
  end.exit_code = 0;
  return end;
}

inline DagSpec chain(const std::vector<std::string>& ids, int retries = 0) {
  DagSpec spec = chain_of("weekly", ids);
  spec.schedule = "@weekly";
  spec.params = Json::object({{"score_at", "departure"}});
  for (TaskSpec& task : spec.tasks) {
    task.retries = retries;
    task.retry_delay = Duration::zero();
  }
  return spec;
}

class OrchestratorTest : public testing::Test {
 protected:
  OrchestratorTest() : database_(folder_.path() + "/metadata.db") {
    EXPECT_TRUE(database_
                    .write([](Transaction& transaction) -> Status {
                      TRY(transaction.query(
                          "CREATE TABLE test_versions (name TEXT PRIMARY KEY, value TEXT)"));
                      return {};
                    })
                    .ok());
  }

  void start(Executor& executor, DagSpec spec, OrchestratorOptions options = {}) {
    orchestrator_ = *Orchestrator::open(database_, clock_, executor, hooks_, std::move(options));
    ASSERT_TRUE(orchestrator_->add_dag(std::move(spec)).ok());
    const Status started = orchestrator_->start();
    ASSERT_TRUE(started.ok()) << started.error().message();
  }

  /// As a SIGKILL would leave it: nothing more reaches the store.
  void crash() {
    database_.unplug();
    orchestrator_.reset();
    database_.plug_in();
  }

  RunKey request(Instant date = kDate) {
    const auto run = orchestrator_->request_run(DagId("weekly"), date);
    EXPECT_TRUE(run.ok()) << run.error().message();
    return {DagId("weekly"), *run};
  }

  RunRecord wait(const RunKey& run) {
    const auto finished = orchestrator_->wait(run, seconds(30));
    EXPECT_TRUE(finished.ok()) << finished.error().message();
    return finished.ok() ? *finished : RunRecord{};
  }

  TaskRecord task(const RunKey& run, const std::string& id) {
    const auto records = *orchestrator_->task_instances(run);
    for (const TaskRecord& record : records)
      if (record.task.str() == id) return record;
    return {};
  }

  std::vector<std::string> versions() {
    std::vector<std::string> names;
    EXPECT_TRUE(database_
                    .read([&](Transaction& transaction) -> Status {
                      const auto rows =
                          TRY(transaction.query("SELECT name FROM test_versions ORDER BY name"));
                      for (std::size_t i = 0; i < rows.size(); ++i)
                        names.push_back(rows.text(i, 0));
                      return {};
                    })
                    .ok());
    return names;
  }

  /// Outlives the orchestrator, as it must.
  template <typename Kind, typename... Arguments>
  Kind& make(Arguments... arguments) {
    auto made = std::make_unique<Kind>(std::move(arguments)...);
    Kind& kept = *made;
    executors_.push_back(std::move(made));
    return kept;
  }

  TemporaryFolder folder_ = *TemporaryFolder::make();
  ManualClock clock_{kDate};
  TestDatabase database_;
  TestHooks hooks_;
  std::vector<std::unique_ptr<Executor>> executors_;
  std::unique_ptr<Orchestrator> orchestrator_;
};

using Names = std::vector<std::string>;

}  // namespace millrace::orchestration
