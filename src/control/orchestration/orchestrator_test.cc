#include "orchestration/orchestrator.h"

#include <atomic>
#include <condition_variable>
#include <future>
#include <mutex>
#include <stdexcept>
#include <thread>

#include <gtest/gtest.h>

#include "base/file.h"

namespace millrace::orchestration {
namespace {

using metadata::Database;
using metadata::Transaction;
using std::chrono::seconds;

const Instant kDate = *parse_instant("2013-01-06");

/// Time that tests move, read by other threads.
class TestClock final : public Clock {
 public:
  Instant now() const override { return Instant(Duration(micros_.load())); }
  void set(Instant now) { micros_ = now.time_since_epoch().count(); }

 private:
  std::atomic<std::int64_t> micros_ = kDate.time_since_epoch().count();
};

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
    const bool lose = to_lose_ > 0 && to_lose_-- > 0;
    TRY(inner_->write([&](Transaction& transaction) -> Status {
      TRY(work(transaction));
      if (lose) return Error(ErrorCode::Unavailable, "the commit was lost");
      if (!forbidden_.empty() && !TRY(transaction.query(forbidden_)).empty())
        return Error(ErrorCode::Unavailable, "the disk is full");
      return {};
    }));
    if (to_hide_ > 0 && to_hide_-- > 0)
      return Error(ErrorCode::Unavailable, "the connection was lost");
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
  std::size_t starts() {
    const std::lock_guard lock(mutex_);
    return requests_.size();
  }
  ExecutorListener& listener() { return *listener_; }

 private:
  ExecutorListener* listener_ = nullptr;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<AttemptRequest> requests_;
  std::vector<AttemptId> killed_;
};

/// Registers each success as a row of its own, and fails when it is told to.
class TestHooks final : public TaskHooks {
 public:
  Result<Preparation> prepare(const TaskInstance& instance) override {
    const std::lock_guard lock(mutex_);
    if (throw_in_prepare_ > 0 && throw_in_prepare_-- > 0) throw std::runtime_error("oh no");
    if (refuse_prepare_ > 0 && refuse_prepare_-- > 0)
      return Error(ErrorCode::Unavailable, "the lake does not answer");
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
    if (agree_first_ > 0 && agree_first_-- > 0) return {};
    if (refuse_complete_ > 0 && refuse_complete_-- > 0)
      return Error(ErrorCode::Unavailable, "the name is taken");
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

AttemptEnd success(Json result = {}) {
  AttemptEnd end;
  end.result = std::move(result);
  end.exit_code = 0;
  return end;
}

DagSpec chain(std::vector<std::string> ids, int retries = 0) {
  DagSpec spec;
  spec.id = DagId("weekly");
  spec.schedule = "@weekly";
  spec.params = Json::object({{"score_at", "departure"}});
  for (std::size_t i = 0; i < ids.size(); ++i) {
    TaskSpec task;
    task.id = TaskId(ids[i]);
    task.kind = "test";
    task.retries = retries;
    task.retry_delay = Duration::zero();
    if (i > 0) task.upstream.emplace_back(ids[i - 1]);
    spec.tasks.push_back(std::move(task));
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
  TestClock clock_;
  TestDatabase database_;
  TestHooks hooks_;
  std::vector<std::unique_ptr<Executor>> executors_;
  std::unique_ptr<Orchestrator> orchestrator_;
};

using Names = std::vector<std::string>;

TEST_F(OrchestratorTest, RunsAChainAndHandsResultsOn) {
  std::mutex mutex;
  Json seen;
  auto& executor = make<InlineExecutor>([&](const AttemptRequest& request, ExecutorListener&) {
    const std::lock_guard lock(mutex);
    if (request.id.task.str() == "train") seen = request.work.document;
    AttemptEnd end = success(Json::object({{"rows", 7}}));
    end.xcoms.set("table", "training_data");
    end.used = {std::chrono::milliseconds(12), std::chrono::milliseconds(34), 5'000'000};
    return end;
  });
  start(executor, chain({"land", "train"}));
  const RunKey run = request();
  EXPECT_EQ(wait(run).state, RunState::Success);
  EXPECT_EQ(seen.dump(), R"({"task":"train","upstream":{"land":{"rows":7}}})");
  EXPECT_EQ(orchestrator_->xcoms(run, TaskId("land"))->dump(),
            R"({"return_value":{"rows":7},"table":"training_data"})");
  EXPECT_EQ(versions(), (Names{run.str() + "/land/1", run.str() + "/train/1"}));
  const auto attempts = *orchestrator_->attempts(run);
  ASSERT_EQ(attempts.size(), 2U);
  EXPECT_EQ(attempts[0].state, AttemptState::Success);
  EXPECT_EQ(attempts[0].exit_code, 0);
  EXPECT_EQ(attempts[0].used.max_rss_bytes, 5'000'000U);
  EXPECT_TRUE(attempts[0].started_at.has_value());
}

TEST_F(OrchestratorTest, AResultIsRegisteredExactlyWhenTheTaskSucceeds) {
  auto& executor =
      make<InlineExecutor>([](const AttemptRequest&, ExecutorListener&) { return success(); });
  hooks_.refuse_complete(2);
  start(executor, chain({"train"}, 1));
  const RunKey run = request();
  EXPECT_EQ(wait(run).state, RunState::Failed);
  EXPECT_EQ(task(run, "train").message, "the name is taken");
  EXPECT_EQ(task(run, "train").error, ErrorCode::Unavailable);
  EXPECT_EQ(task(run, "train").attempt, 2) << "it was worth a retry";
  EXPECT_TRUE(versions().empty());
  ASSERT_TRUE(orchestrator_->clear(run).ok());
  EXPECT_EQ(wait(run).state, RunState::Success);
  EXPECT_EQ(versions(), Names{run.str() + "/train/2"});
}

TEST_F(OrchestratorTest, AFailedPreparationFailsTheAttempt) {
  auto& executor =
      make<InlineExecutor>([](const AttemptRequest&, ExecutorListener&) { return success(); });
  hooks_.refuse_prepare(1);
  start(executor, chain({"train"}, 1));
  const RunKey run = request();
  EXPECT_EQ(wait(run).state, RunState::Success);
  const auto attempts = *orchestrator_->attempts(run);
  ASSERT_EQ(attempts.size(), 2U);
  EXPECT_EQ(attempts[0].state, AttemptState::Failed);
  EXPECT_EQ(attempts[0].message, "the lake does not answer");
}

TEST_F(OrchestratorTest, LostCommitsRepeatNothing) {
  auto& executor = make<HeldExecutor>();
  start(executor, chain({"train", "deploy"}));
  const RunKey run = request();
  const AttemptId train = executor.wait_for_start(1).id;
  database_.lose(3);
  executor.listener().finished(train, success());
  executor.listener().finished(executor.wait_for_start(2).id, success());
  EXPECT_EQ(wait(run).state, RunState::Success);
  EXPECT_EQ(executor.starts(), 2U);
  EXPECT_EQ(versions(), (Names{run.str() + "/deploy/1", run.str() + "/train/1"}));
}

TEST_F(OrchestratorTest, AHookThatChangesItsMindAfterALostCommitFailsTheAttempt) {
  auto& executor = make<HeldExecutor>();
  start(executor, chain({"train", "deploy"}));
  const RunKey run = request();
  const AttemptId train = executor.wait_for_start(1).id;
  hooks_.refuse_complete(1, /*after_agreeing=*/1);
  database_.lose(1);
  executor.listener().finished(train, success());
  EXPECT_EQ(wait(run).state, RunState::Failed);
  EXPECT_EQ(task(run, "train").message, "the name is taken");
  EXPECT_EQ(task(run, "deploy").state, TaskState::UpstreamFailed);
  EXPECT_TRUE(versions().empty());
  const RunKey next = request(kDate + std::chrono::hours(1));
  executor.listener().finished(executor.wait_for_start(2).id, success());
  executor.listener().finished(executor.wait_for_start(3).id, success());
  EXPECT_EQ(wait(next).state, RunState::Success) << "others go on";
}

TEST_F(OrchestratorTest, ACommitThatWasMadeAndTakenForLostCounts) {
  auto& executor = make<HeldExecutor>();
  start(executor, chain({"train", "deploy"}));
  const RunKey run = request();
  const AttemptId train = executor.wait_for_start(1).id;
  // Registering the version a second time is refused by its primary key.
  database_.hide_a_commit();
  executor.listener().finished(train, success());
  executor.listener().finished(executor.wait_for_start(2).id, success());
  EXPECT_EQ(wait(run).state, RunState::Success);
  EXPECT_EQ(versions(), (Names{run.str() + "/deploy/1", run.str() + "/train/1"}));
}

TEST_F(OrchestratorTest, WhatFollowsFromAnythingThatWasNotStoredIsNotStoredEither) {
  auto& first = make<HeldExecutor>();
  start(first, chain({"train", "deploy"}));
  const RunKey run = request();
  const AttemptId train = first.wait_for_start(1).id;
  // Answered behind what was posted before it, so that nothing else is being written.
  ASSERT_TRUE(orchestrator_->add_dag(chain({"train", "deploy"})).ok());
  database_.forbid(
      "SELECT 1 FROM orchestration_tasks WHERE task_id = 'train' AND state = 'success'");
  first.listener().finished(train, success());
  database_.wait_for_failure();
  orchestrator_->stop();
  EXPECT_EQ(task(run, "deploy").state, TaskState::None);
  database_.forbid("");
  auto& second = make<HeldExecutor>();
  start(second, chain({"train", "deploy"}));
  EXPECT_EQ(second.wait_for_start(1).id.task.str(), "train");
}

TEST_F(OrchestratorTest, ARunThatCouldNotBeStoredIsNotPromised) {
  auto& executor = make<HeldExecutor>();
  start(executor, chain({"train"}));
  // Answered behind the messages of the start, so that nothing else is being written.
  ASSERT_TRUE(orchestrator_->add_dag(chain({"train"})).ok());
  database_.unplug();
  auto asked = std::async(std::launch::async,
                          [this] { return orchestrator_->request_run(DagId("weekly"), kDate); });
  database_.wait_for_failure();
  orchestrator_->stop();
  const Result<RunId> run = asked.get();
  ASSERT_FALSE(run.ok());
  EXPECT_EQ(run.error().code(), ErrorCode::Unavailable);
  EXPECT_NE(run.error().message().find("is not stored: unplugged"), std::string::npos);
  database_.plug_in();
  EXPECT_TRUE(orchestrator_->runs()->empty());
}

TEST_F(OrchestratorTest, AStoreThatStaysDeadIsGivenUpAfterThePatience) {
  auto& first = make<HeldExecutor>();
  start(first, chain({"train"}), {.store_patience = seconds(30)});
  const RunKey run = request();
  const AttemptId train = first.wait_for_start(1).id;
  ASSERT_TRUE(orchestrator_->add_dag(chain({"train"})).ok());  // nothing else is being written
  database_.unplug();
  first.listener().finished(train, success());
  database_.wait_for_failures(2);
  EXPECT_TRUE(orchestrator_->health().ok()) << "asked again, since no time has passed";
  clock_.set(kDate + seconds(30));
  const Result<RunRecord> waited = orchestrator_->wait(run, seconds(30));
  ASSERT_FALSE(waited.ok());
  EXPECT_EQ(waited.error().code(), ErrorCode::Unavailable);
  EXPECT_NE(waited.error().message().find("has not answered for 30.0 s"), std::string::npos)
      << waited.error().message();
  EXPECT_FALSE(orchestrator_->health().ok());
  EXPECT_EQ(orchestrator_->request_run(DagId("weekly"), kDate + seconds(1)).error().message(),
            waited.error().message());
  orchestrator_.reset();
  database_.plug_in();
  auto& second = make<HeldExecutor>();
  start(second, chain({"train"}));
  second.listener().finished(second.wait_for_start(1).id, success());
  EXPECT_EQ(wait(run).state, RunState::Success);
}

TEST_F(OrchestratorTest, WithoutAPatienceADeadStoreIsWaitedFor) {
  auto& executor = make<HeldExecutor>();
  start(executor, chain({"train"}));
  const RunKey run = request();
  const AttemptId train = executor.wait_for_start(1).id;
  ASSERT_TRUE(orchestrator_->add_dag(chain({"train"})).ok());  // nothing else is being written
  database_.unplug();
  executor.listener().finished(train, success());
  database_.wait_for_failures(1);
  clock_.set(kDate + std::chrono::hours(24));
  database_.wait_for_failures(2);
  EXPECT_TRUE(orchestrator_->health().ok());
  database_.plug_in();
  EXPECT_EQ(wait(run).state, RunState::Success);
}

TEST_F(OrchestratorTest, AHookThatThrowsFailsItsAttemptAlone) {
  auto& executor =
      make<InlineExecutor>([](const AttemptRequest&, ExecutorListener&) { return success(); });
  hooks_.throw_in_prepare(1);
  start(executor, chain({"train"}, 1));
  const RunKey run = request();
  EXPECT_EQ(wait(run).state, RunState::Success);
  const auto attempts = *orchestrator_->attempts(run);
  ASSERT_EQ(attempts.size(), 2U);
  EXPECT_EQ(attempts[0].error, ErrorCode::Internal);
  EXPECT_EQ(attempts[0].message, "task 'train' met an error of our own: oh no");
}

TEST_F(OrchestratorTest, AnErrorOfItsOwnLosesNothingThatIsStored) {
  auto& executor = make<HeldExecutor>();
  start(executor, chain({"land", "train"}));
  const RunKey run = request();
  const AttemptId land = executor.wait_for_start(1).id;
  std::atomic<bool> thrown = false;
  orchestrator_->subscribe([&](const Notice& notice) {
    const auto* changed = std::get_if<TaskNotice>(&notice);
    // After it is stored that train is queued, and before it is handed to the executor.
    if (changed != nullptr && changed->task.task.str() == "train" &&
        changed->task.state == TaskState::Queued && !thrown.exchange(true))
      throw std::runtime_error("a subscriber broke");
  });
  executor.listener().finished(land, success());
  const AttemptId train = executor.wait_for_start(2).id;
  EXPECT_TRUE(thrown);
  EXPECT_EQ(train.epoch, 2) << "the first was never started";
  executor.listener().finished(train, success());
  EXPECT_EQ(wait(run).state, RunState::Success);
  EXPECT_EQ(versions().size(), 2U);
}

TEST_F(OrchestratorTest, CallsBeforeTheStartWaitForIt) {
  auto& executor =
      make<InlineExecutor>([](const AttemptRequest&, ExecutorListener&) { return success(); });
  orchestrator_ = *Orchestrator::open(database_, clock_, executor, hooks_, {});
  ASSERT_TRUE(orchestrator_->add_dag(chain({"train"})).ok());
  std::atomic<int> about_to_ask = 0;
  std::vector<std::future<Result<RunId>>> asked;
  for (int i = 0; i < 8; ++i)
    asked.push_back(std::async(std::launch::async, [&, i] {
      ++about_to_ask;
      about_to_ask.notify_all();
      return orchestrator_->request_run(DagId("weekly"), kDate + std::chrono::hours(i));
    }));
  for (int seen = about_to_ask; seen < 8; seen = about_to_ask) about_to_ask.wait(seen);
  ASSERT_TRUE(orchestrator_->start().ok());
  for (auto& run : asked) {
    const Result<RunId> made = run.get();
    EXPECT_TRUE(made.ok()) << made.error().message();
  }
}

TEST_F(OrchestratorTest, SeveralMayStopIt) {
  auto& executor = make<HeldExecutor>();
  start(executor, chain({"train"}));
  auto other = std::async(std::launch::async, [this] { orchestrator_->stop(); });
  orchestrator_->stop();
  other.get();
  EXPECT_EQ(orchestrator_->request_run(DagId("weekly"), kDate).error().code(),
            ErrorCode::Unavailable);
}

TEST_F(OrchestratorTest, AClockThatWasAheadDoesNotStopTheSchedule) {
  auto& executor =
      make<InlineExecutor>([](const AttemptRequest&, ExecutorListener&) { return success(); });
  const DagSpec spec = chain({"train"});
  start(executor, spec);
  const auto set = [&](const char* when) {
    clock_.set(*parse_instant(when));
    orchestrator_->wake();
    EXPECT_TRUE(orchestrator_->add_dag(spec).ok());  // answered behind what was posted before it
  };
  set("2014-01-12");
  ASSERT_EQ(orchestrator_->runs()->size(), 1U) << "made by a clock that is a year ahead";
  set("2013-01-06T00:01:00Z");
  set("2013-01-13");
  EXPECT_EQ(orchestrator_->runs()->size(), 2U) << "put right, the schedule goes on";
  set("2014-01-12");
  Names dates;
  const std::vector<RunRecord> runs = *orchestrator_->runs();
  for (const RunRecord& run : runs) dates.push_back(run.key.run.str());
  EXPECT_EQ(dates, (Names{"2014-01-12T00:00:00Z", "2013-01-13T00:00:00Z"}))
      << "what was done early is not done again";
}

TEST_F(OrchestratorTest, AServerThatDiesContinues) {
  auto& first = make<HeldExecutor>();
  start(first, chain({"land", "train", "deploy"}));
  const RunKey run = request();
  first.listener().finished(first.wait_for_start(1).id, success());
  const AttemptId lost = first.wait_for_start(2).id;
  EXPECT_TRUE(first.listener().may_commit(lost));
  crash();
  auto& second = make<HeldExecutor>();
  start(second, chain({"land", "train", "deploy"}));
  const AttemptRequest again = second.wait_for_start(1);
  EXPECT_EQ(again.id.task.str(), "train") << "what had succeeded is not run again";
  EXPECT_EQ(again.id.epoch, 2);
  EXPECT_EQ(again.generation, 1);
  EXPECT_FALSE(second.listener().may_commit(lost));
  EXPECT_TRUE(second.listener().may_commit(again.id));
  second.listener().finished(lost, success(Json("late")));
  second.listener().finished(again.id, success());
  second.listener().finished(second.wait_for_start(2).id, success());
  EXPECT_EQ(wait(run).state, RunState::Success);
  EXPECT_EQ(task(run, "train").losses, 1);
  EXPECT_EQ(versions().size(), 3U);
  EXPECT_TRUE(orchestrator_->xcoms(run, TaskId("train"))->as_object().empty())
      << "the late result of the superseded attempt counts for nothing";
}

TEST_F(OrchestratorTest, AServerThatIsStoppedLosesNothingAndCountsNothing) {
  auto& first = make<HeldExecutor>();
  start(first, chain({"train"}));
  const RunKey run = request();
  first.wait_for_start(1);
  orchestrator_->stop();
  EXPECT_EQ(orchestrator_->request_run(DagId("weekly"), kDate).error().code(),
            ErrorCode::Unavailable);
  EXPECT_EQ(orchestrator_->wait(run, seconds(1)).error().code(), ErrorCode::Unavailable);
  auto& second = make<HeldExecutor>();
  start(second, chain({"train"}));
  second.listener().finished(second.wait_for_start(1).id, success());
  EXPECT_EQ(wait(run).state, RunState::Success);
  EXPECT_EQ(task(run, "train").losses, 0);
}

TEST_F(OrchestratorTest, ARunIsItsIdentity) {
  auto& executor =
      make<InlineExecutor>([](const AttemptRequest&, ExecutorListener&) { return success(); });
  start(executor, chain({"train"}));
  const RunKey run = request();
  wait(run);
  EXPECT_EQ(request(), run);
  EXPECT_EQ(orchestrator_->attempts(run)->size(), 1U);
  const auto cleared = orchestrator_->request_run(DagId("weekly"), kDate, {}, IfExists::Clear);
  EXPECT_EQ(*cleared, run.run);
  EXPECT_EQ(wait(run).generation, 2);
  EXPECT_EQ(orchestrator_->attempts(run)->size(), 2U);
  const auto other =
      orchestrator_->request_run(DagId("weekly"), kDate, Json::object({{"score_at", "leaky"}}));
  EXPECT_EQ(other->str(), "2013-01-06T00:00:00Z.score_at=leaky");
}

TEST_F(OrchestratorTest, ABackfillMakesEachRunOnce) {
  auto& executor =
      make<InlineExecutor>([](const AttemptRequest&, ExecutorListener&) { return success(); });
  start(executor, chain({"train"}));
  const Instant from = kDate;
  const Instant to = kDate + std::chrono::hours(24 * 7 * 3);
  const auto runs = orchestrator_->backfill(DagId("weekly"), from, to);
  ASSERT_TRUE(runs.ok());
  ASSERT_EQ(runs->size(), 4U);
  for (const RunId& id : *runs) EXPECT_EQ(wait({DagId("weekly"), id}).reason, RunReason::Backfill);
  EXPECT_EQ(*orchestrator_->backfill(DagId("weekly"), from, to), *runs);
  EXPECT_EQ(versions().size(), 4U);
  EXPECT_EQ(orchestrator_->runs({.dag = DagId("weekly"), .limit = 2})->size(), 2U);
  EXPECT_EQ(orchestrator_->runs({.state = RunState::Success})->size(), 4U);
  const auto too_many =
      orchestrator_->backfill(DagId("weekly"), *parse_instant("1500-01-01"), kDate);
  ASSERT_FALSE(too_many.ok());
  EXPECT_EQ(too_many.error().code(), ErrorCode::Exhausted);
}

TEST_F(OrchestratorTest, ABackfillThatRunsAgainKeepsTheOrderOfTheDates) {
  const Instant last = kDate + std::chrono::hours(24 * 7 * 2);
  std::vector<std::string> done;  // by the orchestrator's thread; read when all has ended
  auto& executor = make<InlineExecutor>([&](const AttemptRequest& request, ExecutorListener&) {
    done.push_back(request.id.run.run.str());
    return success();
  });
  start(executor, chain({"train"}));
  wait({DagId("weekly"), *orchestrator_->request_run(DagId("weekly"), last)});
  const auto runs = orchestrator_->backfill(DagId("weekly"), kDate, last, {}, IfExists::Clear);
  ASSERT_TRUE(runs.ok());
  for (const RunId& id : *runs) wait({DagId("weekly"), id});
  EXPECT_EQ(done, (std::vector<std::string>{"2013-01-20T00:00:00Z", "2013-01-06T00:00:00Z",
                                            "2013-01-13T00:00:00Z", "2013-01-20T00:00:00Z"}));
  const auto cleared = orchestrator_->find_run({DagId("weekly"), runs->back()});
  EXPECT_EQ((*cleared)->reason, RunReason::Backfill);
  EXPECT_EQ((*cleared)->generation, 2);
}

TEST_F(OrchestratorTest, AnAttemptThatIsBeingKilledMayCommitNothing) {
  auto& executor = make<HeldExecutor>();
  start(executor, chain({"train", "deploy"}));
  const RunKey run = request();
  const AttemptId attempt = executor.wait_for_start(1).id;
  ASSERT_TRUE(orchestrator_->cancel(run).ok());
  EXPECT_EQ(executor.wait_for_kill(1), attempt);
  EXPECT_FALSE(executor.listener().may_commit(attempt));
  executor.listener().finished(attempt, success());
  EXPECT_EQ(wait(run).state, RunState::Failed);
  EXPECT_TRUE(versions().empty()) << "its success came too late";
  EXPECT_EQ(task(run, "train").error, ErrorCode::Cancelled);
  EXPECT_EQ(task(run, "deploy").state, TaskState::Skipped);
}

TEST_F(OrchestratorTest, TheScheduleIsFollowedInTheZoneOfTheDag) {
  auto& executor =
      make<InlineExecutor>([](const AttemptRequest&, ExecutorListener&) { return success(); });
  DagSpec spec = chain({"train"});
  spec.schedule = "0 0 * * 0";
  spec.timezone = "America/New_York";
  start(executor, spec);
  ASSERT_TRUE(orchestrator_->runs()->empty());
  clock_.set(*parse_instant("2013-01-13T05:00:00Z"));
  orchestrator_->wake();
  // A call is answered behind what was posted before it.
  ASSERT_TRUE(orchestrator_->add_dag(spec).ok());
  const auto runs = *orchestrator_->runs();
  ASSERT_EQ(runs.size(), 1U) << "without catchup the latest of the two points that passed";
  EXPECT_EQ(wait(runs[0].key).key.run.str(), "2013-01-13T05:00:00Z");
}

TEST_F(OrchestratorTest, ARunThatWasDoneByHandIsNotDoneAgainByTheSchedule) {
  auto& executor =
      make<InlineExecutor>([](const AttemptRequest&, ExecutorListener&) { return success(); });
  DagSpec spec = chain({"train"});
  spec.start_date = kDate - std::chrono::hours(24);
  spec.catchup = true;
  OrchestratorOptions for_one_run;
  for_one_run.scheduler.follow_schedules = false;
  start(executor, spec, for_one_run);
  const RunRecord by_hand = wait(request());
  orchestrator_.reset();
  start(executor, spec);
  // A call is answered behind what was posted before it.
  ASSERT_TRUE(orchestrator_->add_dag(spec).ok());
  EXPECT_EQ(*orchestrator_->find_run(by_hand.key), by_hand);
  EXPECT_EQ(versions().size(), 1U);
}

TEST_F(OrchestratorTest, SubscribersHearOfRunsTasksAndMessages) {
  auto& executor =
      make<InlineExecutor>([](const AttemptRequest& request, ExecutorListener& listener) {
        listener.message(request.id, {"progress", Json::object({{"done", 3}})});
        return success();
      });
  start(executor, chain({"train"}));
  std::mutex mutex;
  Names heard;
  const int subscription = orchestrator_->subscribe([&](const Notice& notice) {
    const std::lock_guard lock(mutex);
    if (const auto* run = std::get_if<RunRecord>(&notice))
      heard.push_back("run " + std::string(to_string(run->state)));
    if (const auto* changed = std::get_if<TaskNotice>(&notice))
      heard.push_back("task " + std::string(to_string(changed->task.state)));
    if (const auto* message = std::get_if<MessageNotice>(&notice))
      heard.push_back(message->message.type + " " + message->message.body.dump());
  });
  wait(request());
  orchestrator_->unsubscribe(subscription);
  EXPECT_EQ(heard,
            (Names{"run queued", "run running", "task scheduled", "task queued",
                   R"(progress {"done":3})", "task running", "task success", "run success"}));
}

TEST_F(OrchestratorTest, SaysWhatIsMissing) {
  auto& executor =
      make<InlineExecutor>([](const AttemptRequest&, ExecutorListener&) { return success(); });
  start(executor, chain({"train"}));
  const RunKey nothing{DagId("weekly"), RunId("2000-01-01T00:00:00Z")};
  struct Case {
    Status status;
    ErrorCode code;
    std::string says;
  };
  const auto asked = orchestrator_->request_run(DagId("weakly"), kDate);
  const auto params =
      orchestrator_->request_run(DagId("weekly"), kDate, Json::object({{"scoreat", 1}}));
  const RunKey run = request();
  wait(run);
  DagSpec wrong = chain({"a"});
  wrong.tasks[0].pool = "nowhere";
  const std::vector<Case> cases = {
      {asked.error(), ErrorCode::NotFound, "did you mean 'weekly'"},
      {params.error(), ErrorCode::Invalid, "did you mean 'score_at'"},
      {orchestrator_->clear(nothing), ErrorCode::NotFound, "has no run '2000"},
      {orchestrator_->cancel(nothing), ErrorCode::NotFound, "has no run"},
      {orchestrator_->wait(nothing, seconds(1)).error(), ErrorCode::NotFound, "has no run"},
      {orchestrator_->task_instances(nothing).error(), ErrorCode::NotFound, "has no run"},
      {orchestrator_->clear(run, TaskId("trian")), ErrorCode::NotFound, "did you mean 'train'"},
      {orchestrator_->add_dag(wrong), ErrorCode::Invalid, "which does not exist"},
      {orchestrator_->remove_dag(DagId("x")), ErrorCode::NotFound, "no Dag 'x'"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.says);
    ASSERT_FALSE(c.status.ok());
    EXPECT_EQ(c.status.error().code(), c.code);
    EXPECT_NE(c.status.error().message().find(c.says), std::string::npos)
        << c.status.error().message();
  }
}

TEST_F(OrchestratorTest, WaitingEndsAtItsDeadline) {
  auto& executor = make<HeldExecutor>();
  start(executor, chain({"train"}));
  const auto waited = orchestrator_->wait(request(), std::chrono::milliseconds(1));
  ASSERT_FALSE(waited.ok());
  EXPECT_EQ(waited.error().code(), ErrorCode::Timeout);
}

TEST_F(OrchestratorTest, CrashesAtEveryStepRegisterEachResultOnce) {
  // The server dies after the n-th start of an attempt, for every n; what it registers is the same.
  const DagSpec spec = chain({"land", "prepare", "train", "deploy"});
  HeldExecutor* executor = &make<HeldExecutor>();
  start(*executor, spec);
  const RunKey run = request();
  for (const bool reported : {true, false, true, false, true}) {
    const AttemptId attempt = executor->wait_for_start(1).id;
    if (reported) {
      executor->listener().finished(attempt, success());
      executor->wait_for_start(2);
    }
    crash();
    executor = &make<HeldExecutor>();
    start(*executor, spec);
  }
  executor->listener().finished(executor->wait_for_start(1).id, success());
  EXPECT_EQ(wait(run).state, RunState::Success);
  EXPECT_EQ(versions().size(), 4U);
  EXPECT_EQ(orchestrator_->attempts(run)->size(), 9U) << "five crashes killed an attempt each";
}

}  // namespace
}  // namespace millrace::orchestration
