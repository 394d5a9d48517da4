#include "orchestration/orchestrator_fixture.h"

namespace millrace::orchestration {
namespace {

TEST_F(OrchestratorTest, AnAttemptThatLeftATokenIsAdoptedByTheNextServer) {
  auto& first = make<HeldExecutor>();
  start(first, chain({"train", "deploy"}));
  const RunKey run = request();
  const AttemptId train = first.wait_for_start(1).id;
  first.listener().resumable(train, "pod-6");
  first.listener().resumable(train, "pod-7");
  orchestrator_->stop(LiveAttempts::Keep);
  EXPECT_EQ(first.detached(), 1);
  EXPECT_EQ(task(run, "train").state, TaskState::Running);

  auto& second = make<HeldExecutor>();
  second.adopt_by("pod-7");
  start(second, chain({"train", "deploy"}));
  EXPECT_TRUE(second.may_commit(train));
  second.listener().finished(train, success(Json::object({{"rows", 7}})));
  const AttemptId deploy = second.wait_for_start(1).id;
  EXPECT_EQ(deploy.task.str(), "deploy");
  EXPECT_EQ(task(run, "train").losses, 0);
  EXPECT_EQ(orchestrator_->attempts(run)->size(), 2U);
  second.listener().finished(deploy, success());
  EXPECT_EQ(wait(run).state, RunState::Success);
}

TEST_F(OrchestratorTest, TheTokenOfTheExecutorIsStoredBeforeAnAttemptIsStarted) {
  auto& first = make<HeldExecutor>();
  first.leave_token("a.1");
  start(first, chain({"train"}));
  const RunKey run = request();
  const AttemptId train = first.wait_for_start(1).id;
  crash();  // whether its start is stored or not
  auto& second = make<HeldExecutor>();
  second.adopt_by("a.1");
  start(second, chain({"train"}));
  EXPECT_EQ(second.rest_ended(), 1);
  second.listener().finished(train, success());
  EXPECT_EQ(wait(run).state, RunState::Success);
  EXPECT_EQ(second.starts(), 0U);
}

TEST_F(OrchestratorTest, AnAdoptedAttemptThatAsksAtOnceMayCommit) {
  auto& first = make<HeldExecutor>();
  first.leave_token("a.1");
  start(first, chain({"train"}));
  request();
  const AttemptId train = first.wait_for_start(1).id;
  crash();
  auto& second = make<HeldExecutor>();
  second.adopt_by("a.1");
  second.ask_when_adopted();
  start(second, chain({"train"}));
  EXPECT_EQ(second.answer_when_adopted(), true) << train.str();
}

TEST_F(OrchestratorTest, AnEndIsSettledWhenItIsStoredAndNotBefore) {
  auto& executor = make<HeldExecutor>();
  start(executor, chain({"land", "train"}));
  const RunKey run = request();
  const AttemptId land = executor.wait_for_start(1).id;
  database_.unplug();
  executor.listener().finished(land, success());
  database_.wait_for_failure();
  EXPECT_TRUE(executor.settled_attempts().empty());
  database_.plug_in();
  EXPECT_EQ(executor.wait_for_settled(1), land);
  const AttemptId train = executor.wait_for_start(2).id;
  executor.listener().lost(train, "the machine is gone");
  EXPECT_EQ(executor.wait_for_settled(2), train);
  EXPECT_EQ(wait(run).state, RunState::Failed);
  executor.listener().finished(land, success());
  EXPECT_EQ(executor.wait_for_settled(3), land) << "nobody asks for what came too late";
}

TEST_F(OrchestratorTest, AServerDoesNotStartWhileSomethingOfAnEarlierOneLives) {
  auto& executor = make<HeldExecutor>();
  executor.refuse_to_end_the_rest({ErrorCode::Unavailable, "process 42 lives on"});
  orchestrator_ = *Orchestrator::open(database_, clock_, executor, hooks_, {});
  const Status started = orchestrator_->start();
  ASSERT_FALSE(started.ok());
  EXPECT_EQ(started.error().message(), "process 42 lives on");
}

TEST_F(OrchestratorTest, WhatIsNotFoundAgainIsLostAndStartedAgain) {
  auto& first = make<HeldExecutor>();
  start(first, chain({"train"}));
  const RunKey run = request();
  const AttemptId train = first.wait_for_start(1).id;
  first.listener().resumable(train, "pod-7");
  ASSERT_TRUE(orchestrator_->add_dag(chain({"train"})).ok());  // answered behind the token
  crash();
  auto& second = make<HeldExecutor>();
  start(second, chain({"train"}));
  const AttemptId again = second.wait_for_start(1).id;
  EXPECT_EQ(second.asked_for(), (std::map<AttemptId, std::string>{{train, "pod-7"}}));
  EXPECT_EQ(again.epoch, 2);
  EXPECT_FALSE(second.may_commit(train));
  EXPECT_EQ(task(run, "train").losses, 1);
}

TEST_F(OrchestratorTest, AnAdoptedAttemptOfACancelledRunIsKilled) {
  auto& first = make<HeldExecutor>();
  start(first, chain({"train"}));
  const RunKey run = request();
  const AttemptId train = first.wait_for_start(1).id;
  first.listener().resumable(train, "pod-7");
  ASSERT_TRUE(orchestrator_->cancel(run).ok());
  crash();
  auto& second = make<HeldExecutor>();
  second.adopt_by("pod-7");
  start(second, chain({"train"}));
  EXPECT_EQ(second.wait_for_kill(1), train);
  EXPECT_FALSE(second.may_commit(train));
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
  EXPECT_TRUE(first.may_commit(lost));
  crash();
  auto& second = make<HeldExecutor>();
  start(second, chain({"land", "train", "deploy"}));
  const AttemptRequest again = second.wait_for_start(1);
  EXPECT_EQ(again.id.task.str(), "train") << "what had succeeded is not run again";
  EXPECT_EQ(again.id.epoch, 2);
  EXPECT_EQ(again.generation, 1);
  EXPECT_FALSE(second.may_commit(lost));
  EXPECT_TRUE(second.may_commit(again.id));
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
