#include "orchestration/scheduler.h"

#include <gtest/gtest.h>

namespace millrace::orchestration {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

const Instant kStart = *parse_instant("2013-01-01");

/// One task that has been started, and two clocks.
class OneAttempt : public testing::Test {
 protected:
  OneAttempt() {
    DagSpec spec;
    spec.id = DagId("d");
    TaskSpec task;
    task.id = TaskId("t");
    task.kind = "test";
    task.execution_timeout = hours(3);
    spec.tasks.push_back(task);
    dag_ = *Dag::make(spec);
    step(event::DagAdded{dag_, std::nullopt, {}});
    step(event::RunRequested{*plan_run(*dag_, kStart, {}, RunReason::Manual)});
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
  void pass(Duration time) { now_ = {now_.wall + time, now_.running + time}; }

  Moment now_{kStart, seconds(1'000)};
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
  const event::RunsLoaded stored = {{{scheduler_.find(attempt_.run)->run,
                                      dag_,
                                      {*scheduler_.find_task(attempt_.run, attempt_.task)}}}};
  pass(hours(2));
  scheduler_ = Scheduler({});
  step(event::DagAdded{dag_, std::nullopt, {}});
  step(stored);
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
  const event::RunsLoaded stored = {{{scheduler_.find(attempt_.run)->run,
                                      dag_,
                                      {*scheduler_.find_task(attempt_.run, attempt_.task)}}}};
  scheduler_ = Scheduler({});
  EXPECT_EQ(step(stored), Kills{"cleared"});
  pass(seconds(60));
  step(event::TimeIsNow{});
  EXPECT_EQ(scheduler_.find_task(attempt_.run, attempt_.task)->epoch, 2) << "given up, run again";
}

TEST_F(OneAttempt, LeavesNoTimerBehind) {
  step(event::AttemptFinished{attempt_, {}});
  EXPECT_FALSE(scheduler_.until_next_timer(now_).has_value());
}

}  // namespace
}  // namespace millrace::orchestration
