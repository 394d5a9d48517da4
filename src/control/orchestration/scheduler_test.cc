#include "orchestration/scheduler.h"

#include <gtest/gtest.h>

#include "orchestration/dag_fixture.h"

namespace millrace::orchestration {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

const Instant kDue = *parse_instant("2013-01-01");

/// One task that has been started, and two clocks.
class OneAttempt : public testing::Test {
 protected:
  OneAttempt() {
    DagSpec spec = chain_of("d", {"t"});
    spec.tasks[0].execution_timeout = hours(3);
    spec.tasks[0].retries = 1;
    dag_ = *Dag::make(spec);
    step(event::DagAdded{dag_, std::nullopt, {}});
    step(event::RunRequested{*plan_run(*dag_, kDue, {}, RunReason::Manual)});
    step(event::AttemptStarted{attempt_});
  }

  /// The reasons of all kills that follow.
  std::vector<std::string> step(const Event& event) {
    std::vector<std::string> kills;
    for (const Action& action : scheduler_.step(now_, event))
      if (const auto* kill = std::get_if<action::KillAttempt>(&action))
        kills.push_back(kill->reason);
    return kills;
  }
  const TaskRecord& task() { return *scheduler_.find_task(attempt_.run, attempt_.task); }
  /// The server dies; the next one has what was stored, and nothing else.
  std::vector<std::string> restart() {
    const event::RunsLoaded stored = {{{scheduler_.find(attempt_.run)->run, dag_, {task()}}}};
    scheduler_ = Scheduler({});
    step(event::DagAdded{dag_, std::nullopt, {}});
    return step(stored);
  }
  void pass(Duration time) { now_ = {now_.wall + time, now_.running + time}; }

  Moment now_{kDue, seconds(1'000)};
  std::shared_ptr<const Dag> dag_;
  Scheduler scheduler_{{}};
  AttemptId attempt_{{DagId("d"), RunId("2013-01-01T00:00:00Z")}, TaskId("t"), 1};
};

using Kills = std::vector<std::string>;

TEST_F(OneAttempt, AMachineThatSleptKillsNothingThatIsHealthy) {
  pass(seconds(5));
  step(event::Heartbeat{attempt_});
  now_.wall += hours(4);  // asleep: only the wall clock went on
  EXPECT_EQ(step(event::TimeIsNow{}), Kills{});
  pass(seconds(50));
  EXPECT_EQ(step(event::Heartbeat{attempt_}), Kills{});
  pass(seconds(50));
  EXPECT_EQ(step(event::TimeIsNow{}), Kills{});
}

TEST_F(OneAttempt, AServerThatStoodStillListensOnceMoreBeforeItKills) {
  pass(minutes(20));
  EXPECT_EQ(step(event::TimeIsNow{}), Kills{}) << "the heartbeats of 20 minutes are not read yet";
  EXPECT_EQ(scheduler_.until_next_timer(now_), seconds(60));
  pass(seconds(60));
  EXPECT_EQ(step(event::TimeIsNow{}), Kills{"no sign of life for 1 min 0 s"});
}

TEST_F(OneAttempt, AClockThatIsSetBackStopsNoTimer) {
  now_.wall -= hours(24 * 365);
  pass(seconds(60));
  EXPECT_EQ(step(event::TimeIsNow{}), Kills{"no sign of life for 1 min 0 s"});
}

TEST_F(OneAttempt, WhatIsLeftOfItsTimeSurvivesTheServer) {
  pass(hours(2));
  restart();
  for (int i = 0; i < 119; ++i) {
    pass(seconds(30));
    ASSERT_EQ(step(event::Heartbeat{attempt_}), Kills{}) << i;
  }
  pass(seconds(30));
  EXPECT_EQ(step(event::Heartbeat{attempt_}),
            Kills{"it ran longer than its execution_timeout of 3 h 0 min"});
}

TEST_F(OneAttempt, WhatWasToDieBeforeTheServerDiedIsKilledByTheNext) {
  step(event::RunCleared{attempt_.run, {}, {}});
  EXPECT_EQ(restart(), Kills{"cleared"});
  pass(seconds(60));
  step(event::TimeIsNow{});
  EXPECT_EQ(task().epoch, 2) << "given up, run again";
}

TEST_F(OneAttempt, IsNotEndedByAReportOfAnotherMapIndex) {
  AttemptId other = attempt_;
  other.map_index = 7;
  EXPECT_FALSE(scheduler_.is_current(other));
  const auto actions = scheduler_.step(now_, event::AttemptFinished{other, {}});
  ASSERT_EQ(actions.size(), 1U);
  EXPECT_NE(std::get<action::Refused>(actions[0]).reason.find("/t[7]/1 was put aside"),
            std::string::npos);
  EXPECT_EQ(task().state, TaskState::Running);
}

TEST(Scheduler, ARunThatWaitedWhileItsDagWasChangedSaysWhichVersionItRuns) {
  DagSpec spec = chain_of("d", {"t"});
  spec.max_active_runs = 1;
  spec.params = Json::object({{"kept", 1}});
  Scheduler scheduler{{}};
  const Moment now{kDue, seconds(1'000)};
  const auto first = *Dag::make(spec);
  scheduler.step(now, event::DagAdded{first, std::nullopt, {}});
  const RunRecord before = *plan_run(*first, kDue, {}, RunReason::Manual);
  const RunRecord waiting =
      *plan_run(*first, kDue + hours(1), Json::object({{"kept", 2}}), RunReason::Manual);
  scheduler.step(now, event::RunRequested{before});
  scheduler.step(now, event::RunRequested{waiting});
  spec.params = Json::object({{"kept", 3}, {"added", 4}});
  const auto second = *Dag::make(spec);
  scheduler.step(now, event::DagAdded{second, std::nullopt, {}});
  scheduler.step(now, event::AttemptFinished{{before.key, TaskId("t"), 1}, {}});
  const auto begun = scheduler.find(waiting.key);
  ASSERT_TRUE(begun.has_value());
  EXPECT_EQ(begun->run.state, RunState::Running);
  EXPECT_EQ(begun->run.dag_version, second->version());
  EXPECT_EQ(begun->run.params["kept"], Json(2)) << "it was asked with this one";
  EXPECT_EQ(begun->run.params["added"], Json(4));
}

TEST_F(OneAttempt, WhatWasStoppedByASignalFromOutsideHasFailedAndIsTriedAgain) {
  step(event::AttemptFinished{attempt_,
                              {Outcome::Kind::Failed, ErrorCode::Cancelled, "INTERRUPT Error"}});
  EXPECT_EQ(task().state, TaskState::UpForRetry);
  EXPECT_EQ(task().error, std::nullopt) << "nobody had cancelled it";
  EXPECT_NE(task().message.find("SIGTERM"), std::string::npos) << task().message;
  EXPECT_TRUE(task().message.ends_with("INTERRUPT Error")) << task().message;
}

TEST_F(OneAttempt, WhatWaitsForItsNextTryHasFailedWhenItsRunIsCancelled) {
  step(event::AttemptFinished{attempt_, {Outcome::Kind::Failed, std::nullopt, "exit 1"}});
  ASSERT_EQ(task().state, TaskState::UpForRetry);
  std::vector<TaskRecord> stored;
  for (const Action& action : scheduler_.step(now_, event::RunCancelled{attempt_.run}))
    if (const auto* changed = std::get_if<action::TaskChanged>(&action))
      stored.push_back(changed->task);
  ASSERT_EQ(stored.size(), 1U);
  EXPECT_EQ(stored[0].state, TaskState::Failed);
  EXPECT_EQ(stored[0].message,
            "the run was cancelled before it was tried again; its last attempt: exit 1");
}

TEST_F(OneAttempt, LeavesNoTimerBehind) {
  step(event::AttemptFinished{attempt_, {}});
  EXPECT_FALSE(scheduler_.until_next_timer(now_).has_value());
}

}  // namespace
}  // namespace millrace::orchestration
