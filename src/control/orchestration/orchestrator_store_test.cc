#include "orchestration/orchestrator_fixture.h"

namespace millrace::orchestration {
namespace {

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

}  // namespace
}  // namespace millrace::orchestration
