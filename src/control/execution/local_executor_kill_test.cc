// Attempts that are ended: by a person, by their limits, with the executor.
#include "execution/local_executor_fixture.h"

namespace millrace::execution {
namespace {

// A shell that waits for its trap. What it has just forked may miss the signal, and ends by itself.
const std::string kGoOn = "while :; do sleep 0.02; done";

TEST_F(LocalExecutorTest, AChildThatIgnoresSigtermIsKilledAfterItsGrace) {
  const std::string ready = fifo("ready");
  ASSERT_TRUE(executor_
                  ->start(shell("stubborn", "trap '' TERM; echo ready > " + ready +
                                                "; while :; do read x < /dev/zero; done"))
                  .ok());
  EXPECT_EQ(read_first_line(ready), "ready");
  executor_->kill(attempt_id("stubborn"), milliseconds(50));
  const AttemptEnd end = listener_.wait_for_end(attempt_id("stubborn"));
  EXPECT_EQ(end.signal, SIGKILL);
}

TEST_F(LocalExecutorTest, AChildThatHeedsSigtermMayCleanUp) {
  const std::string ready = fifo("ready");
  ASSERT_TRUE(executor_
                  ->start(shell("heeds", "trap 'echo cleaned; exit 9' TERM; echo ready > " + ready +
                                             "; " + kGoOn))
                  .ok());
  EXPECT_EQ(read_first_line(ready), "ready");
  executor_->kill(attempt_id("heeds"), kPatience);
  EXPECT_EQ(listener_.wait_for_end(attempt_id("heeds")).exit_code, 9);
  EXPECT_NE(log("heeds").find("cleaned"), std::string::npos);
}

TEST_F(LocalExecutorTest, WhatACommandStartedMayCleanUpAlsoWhereTheCommandItselfEndsFirst) {
  const std::string said = fifo("said");
  const std::string gate = fifo("gate");
  // Open for both, so that no script waits for us, nor we for one that was killed.
  const FileDescriptor way(::open(gate.c_str(), O_RDWR | O_CLOEXEC));
  ASSERT_TRUE(executor_
                  ->start(shell("leader", "(trap 'read x < " + gate +
                                              "; echo cleaned; exit' TERM; echo $$ > " + said +
                                              "; " + kGoOn + ") & wait"))
                  .ok());
  const std::string leader = read_first_line(said);
  executor_->kill(attempt_id("leader"), kPatience);
  expect_gone(leader);
  run(shell("other", "exit 0"));  // behind the leader's end, in the same thread
  EXPECT_EQ(listener_.ends(), 1U);
  ASSERT_EQ(::write(way.get(), "go\n", 3), 3);
  EXPECT_EQ(listener_.wait_for_end(attempt_id("leader")).signal, SIGTERM);
  EXPECT_NE(log("leader").find("cleaned"), std::string::npos) << log("leader");
}

TEST_F(LocalExecutorTest, WhatAnEndingProcessOfACommandStartsMayCleanUpToo) {
  const std::string said = fifo("said");
  constexpr int kTimes = 20;  // some of them went wrong where one look at the group was enough
  for (int i = 0; i < kTimes; ++i) {
    const std::string task = "last_" + std::to_string(i);
    const std::string leaves_a_child =
        "trap '(trap \"\" TERM; sleep 0.05; echo cleaned) & exit' TERM; echo > " + said + "; ";
    ASSERT_TRUE(executor_->start(shell(task, "(" + leaves_a_child + kGoOn + ") & wait")).ok());
    read_first_line(said);
    executor_->kill(attempt_id(task), kPatience);
    listener_.wait_for_end(attempt_id(task));
    EXPECT_NE(log(task).find("cleaned"), std::string::npos) << task;
  }
}

TEST_F(LocalExecutorTest, WhatACommandStartedAndHeedsNothingEndsWithTheGrace) {
  const std::string said = fifo("said");
  for (const Duration hurry : {Duration(milliseconds(50)), Duration::zero()}) {
    const std::string task = hurry > Duration::zero() ? "in_time" : "at_once";
    ASSERT_TRUE(
        executor_
            ->start(shell(task, "(trap '' TERM; echo $$ > " + said + "; exec sh -c 'echo $$ > " +
                                    said + "; while :; do read x < /dev/zero; done') & wait"))
            .ok());
    const std::vector<std::string> pids = read_lines(said, 2);
    executor_->kill(attempt_id(task), kPatience * 10);
    expect_gone(pids[0]);
    run(shell("behind_" + task, "exit 0"));  // the end of the command itself
    executor_->kill(attempt_id(task), hurry);
    EXPECT_EQ(listener_.wait_for_end(attempt_id(task)).signal, SIGTERM);
    expect_gone(pids[1]);
  }
}

TEST_F(LocalExecutorTest, GrandchildrenEndWithTheAttempt) {
  const std::string pids = fifo("pids");
  ASSERT_TRUE(executor_->start(shell("parent", "sleep 1000 & echo $! > " + pids + "; wait")).ok());
  const std::string killed = read_first_line(pids);
  executor_->kill(attempt_id("parent"), Duration::zero());
  listener_.wait_for_end(attempt_id("parent"));
  expect_gone(killed);
  ASSERT_TRUE(executor_->start(shell("leaver", "sleep 1000 & echo $! > " + pids)).ok());
  const std::string left = read_first_line(pids);
  EXPECT_EQ(listener_.wait_for_end(attempt_id("leaver")).outcome.kind, Outcome::Kind::Success)
      << "an attempt is over when its process is, whatever holds its outputs open";
  expect_gone(left);
}

TEST_F(LocalExecutorTest, AMemoryHogEndsWithAnErrorThatSaysWhatToDo) {
  make({.memory_check = milliseconds(20)});
  // The hog is a grandchild: the limit is the group's.
  AttemptRequest hog = shell("hog",
                             "head -c 300000000 /dev/zero | tail -c 250000000 > /dev/null; "
                             "while :; do read x < /dev/zero; done");
  hog.resources.memory_bytes = 100'000'000;
  const AttemptEnd end = run(hog);
  EXPECT_EQ(end.outcome.error, ErrorCode::Exhausted);
  EXPECT_NE(end.outcome.message.find("more than its limit of 100.0 MB; raise "
                                     "resources.memory_bytes of task 'hog'"),
            std::string::npos)
      << end.outcome.message;
  EXPECT_GT(end.used.max_rss_bytes, 100'000'000U);
}

TEST_F(LocalExecutorTest, StoppingEndsAllAndRefusesNewOnes) {
  for (int i = 0; i < 5; ++i) {
    AttemptRequest made = shell("t" + std::to_string(i), "sleep 1000");
    const AttemptId id = made.id;
    ASSERT_TRUE(executor_->start(std::move(made)).ok());
    listener_.wait_for_start(id);
  }
  executor_->stop(kPatience);
  EXPECT_EQ(listener_.ends(), 5U);
  EXPECT_EQ(executor_->start(shell("late", "true")).error().code(), ErrorCode::Unavailable);
  executor_->kill(attempt_id("t0"), Duration::zero());
}

}  // namespace
}  // namespace millrace::execution
