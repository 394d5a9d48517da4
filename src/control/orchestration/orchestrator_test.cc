#include "orchestration/orchestrator_fixture.h"

namespace millrace::orchestration {
namespace {

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

TEST_F(OrchestratorTest, ABackfillRunsAgainWhatHasFailed) {
  bool broken = true;
  int attempts = 0;  // by the orchestrator's thread; read when all has ended
  auto& executor = make<InlineExecutor>([&](const AttemptRequest& request, ExecutorListener&) {
    ++attempts;
    const bool fails = broken && request.id.run.run.str() == "2013-01-13T00:00:00Z";
    AttemptEnd end = success();
    if (fails) end.outcome = {Outcome::Kind::Failed, ErrorCode::Invalid, "broken"};
    return end;
  });
  start(executor, chain({"train"}));
  const Instant last = kDate + std::chrono::hours(24 * 7 * 2);
  const auto backfilled = [&](IfExists if_exists) {
    std::vector<RunState> states;
    const auto runs = orchestrator_->backfill(DagId("weekly"), kDate, last, {}, if_exists);
    for (const RunId& id : *runs) states.push_back(wait({DagId("weekly"), id}).state);
    return states;
  };
  const std::vector<RunState> one_failed = {RunState::Success, RunState::Failed, RunState::Success};
  EXPECT_EQ(backfilled(IfExists::ClearFailed), one_failed);
  EXPECT_EQ(backfilled(IfExists::Return), one_failed);
  EXPECT_EQ(attempts, 3);
  broken = false;
  EXPECT_EQ(backfilled(IfExists::ClearFailed), std::vector<RunState>(3, RunState::Success));
  EXPECT_EQ(attempts, 4);
}

TEST_F(OrchestratorTest, AnExecutorIsGivenWhatItHolds) {
  auto& executor = make<HeldExecutor>();
  DagSpec spec = chain({"land", "train"});
  spec.tasks[1].upstream.clear();
  start(executor, spec);
  executor.listener().capacity(1);
  const RunKey run = request();
  const AttemptId first = executor.wait_for_start(1).id;
  ASSERT_TRUE(orchestrator_->add_dag(spec).ok());  // answered behind what has come so far
  EXPECT_EQ(executor.starts(), 1U);
  executor.listener().capacity(2);
  executor.listener().finished(executor.wait_for_start(2).id, success());
  executor.listener().finished(first, success());
  EXPECT_EQ(wait(run).state, RunState::Success);
}

TEST_F(OrchestratorTest, AnAttemptThatIsBeingKilledMayCommitNothing) {
  auto& executor = make<HeldExecutor>();
  start(executor, chain({"train", "deploy"}));
  const RunKey run = request();
  const AttemptId attempt = executor.wait_for_start(1).id;
  ASSERT_TRUE(orchestrator_->cancel(run).ok());
  EXPECT_EQ(executor.wait_for_kill(1), attempt);
  EXPECT_FALSE(executor.may_commit(attempt));
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

TEST_F(OrchestratorTest, ADagWithoutParametersSaysThatItHasNone) {
  auto& executor =
      make<InlineExecutor>([](const AttemptRequest&, ExecutorListener&) { return success(); });
  DagSpec bare = chain({"train"});
  bare.params = Json::object();
  start(executor, bare);
  const auto asked = orchestrator_->request_run(DagId("weekly"), kDate, Json::object({{"foo", 1}}));
  ASSERT_FALSE(asked.ok());
  EXPECT_EQ(asked.error().message(),
            "Dag 'weekly' has no parameter 'foo'; it has none: they are declared in its 'params'");
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

}  // namespace
}  // namespace millrace::orchestration
