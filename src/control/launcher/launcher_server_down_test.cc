// What a server that was killed leaves, and the next one finds.
#include <optional>

#include "execution/processes.h"
#include "launcher/launcher_fixture.h"

namespace millrace::launcher {
namespace {

TEST_F(LauncherTest, TheEndOfAnAttemptIsKnownThatEndedWhileNoServerWasThere) {
  const std::string gate = fifo("gate");
  const AttemptRequest made =
      shell("exits", "echo before; read x < " + gate + "; echo after; exit 7");
  const std::string token = start(made);
  server_->die();
  open_gate(gate);
  // The shell closes the FIFO before it goes on; its end is what the next server waits for.
  server_ = std::make_unique<FakeServer>(state());
  ASSERT_TRUE(executor().adopt(made.id, token));
  const AttemptEnd end = recorder().wait_for_end(made.id);
  EXPECT_EQ(end.exit_code, 7);
  EXPECT_EQ(end.outcome.kind, Outcome::Kind::Failed);
  EXPECT_NE(end.outcome.message.find("exited with status 7"), std::string::npos);
  EXPECT_GT(end.used.max_rss_bytes, 0U);
  EXPECT_GT(end.used.wall, Duration::zero());
  EXPECT_NE(log("exits").find("out      before\n"), std::string::npos) << log("exits");
  EXPECT_NE(log("exits").find("out      after\n"), std::string::npos) << log("exits");
}

TEST_F(LauncherTest, WhatASpeakerReportedMeanwhileIsHandedOver) {
  const std::string gate = fifo("gate");
  const AttemptRequest made = speaker("speaks", "read x < " + gate + R"(
      echo '{"type":"xcom","key":"rows","value":7}' >&3
      echo '{"type":"result","status":"success","value":{"auc":0.9}}' >&3)");
  const std::string token = start(made);
  server_->die();
  open_gate(gate);
  server_ = std::make_unique<FakeServer>(state());
  ASSERT_TRUE(executor().adopt(made.id, token));
  const AttemptEnd end = recorder().wait_for_end(made.id);
  EXPECT_EQ(end.outcome.kind, Outcome::Kind::Success) << end.outcome.message;
  EXPECT_EQ(end.result.dump(), R"({"auc":0.9})");
  EXPECT_EQ(end.xcoms.dump(), R"({"rows":7})");
}

TEST_F(LauncherTest, AnAttemptThatAsksWhetherItMayCommitWaitsForTheNextServer) {
  recorder().answer_fence(std::nullopt);
  const AttemptRequest made = speaker("asks", R"(
      echo '{"type":"fence","id":5}' >&3; read answer <&3; echo "$answer"
      echo '{"type":"result","status":"success"}' >&3)");
  const std::string token = start(made);
  recorder().wait_for_question(made.id);
  next_server();
  ASSERT_TRUE(executor().adopt(made.id, token));
  recorder().wait_for_question(made.id);
  EXPECT_EQ(recorder().wait_for_end(made.id).outcome.kind, Outcome::Kind::Success);
  EXPECT_NE(log("asks").find(R"("id":5,"allowed":true)"), std::string::npos) << log("asks");
}

TEST_F(LauncherTest, AnAdoptedAttemptLivesAndCanBeKilled) {
  const AttemptRequest made = shell("lives", "exec sleep 1000");
  const std::string token = start(made);
  next_server();
  ASSERT_TRUE(executor().adopt(made.id, token));
  recorder().wait_for_heartbeat(made.id);
  executor().kill(made.id, Duration::zero());
  EXPECT_EQ(recorder().wait_for_end(made.id).signal, SIGKILL);
}

TEST_F(LauncherTest, WhatNobodyAdoptsIsGoneBeforeAnythingIsStarted) {
  const std::string pids = fifo("pids");
  const AttemptRequest made =
      shell("left", "echo $$ > " + pids + "; setsid sleep 1000 & echo $! > " + pids + "; wait");
  const AttemptRequest kept =
      shell("kept", "setsid sleep 1000 & echo $! > " + pids + "; echo $$ > " + pids + "; wait");
  const auto read_pids = [&] {
    // Open for both, so that a script that says nothing is a failure and not a wait without end.
    const FileDescriptor in(::open(pids.c_str(), O_RDWR | O_CLOEXEC));
    std::vector<pid_t> found;
    for (std::string text; found.size() < 2;) {
      pollfd ready{in.get(), POLLIN, 0};
      char c = 0;
      if (::poll(&ready, 1, 60'000) != 1 || ::read(in.get(), &c, 1) != 1) break;
      if (c != '\n')
        text += c;
      else
        found.push_back(std::stoi(std::exchange(text, "")));
    }
    found.resize(2);
    return found;
  };
  start(made);
  const std::vector<pid_t> left = read_pids();
  const std::string token = start(kept);
  const std::vector<pid_t> lives = read_pids();
  next_server();
  ASSERT_TRUE(executor().adopt(kept.id, token));
  const Status ended = executor().end_the_rest();
  ASSERT_TRUE(ended.ok()) << ended.error().message();
  for (const pid_t pid : left)
    EXPECT_FALSE(execution::find_process(pid)) << "also what left its group";
  for (const pid_t pid : lives)
    EXPECT_TRUE(execution::find_process(pid)) << "what was adopted is left alone";
  executor().kill(kept.id, Duration::zero());
  recorder().wait_for_end(kept.id);
  ::kill(lives[0], SIGKILL);
}

TEST_F(LauncherTest, WhatWasSettledIsForgotten) {
  const AttemptRequest made = shell("quick", "exit 0");
  const std::string token = start(made);
  recorder().wait_for_end(made.id);
  next_server();
  EXPECT_TRUE(executor().adopt(made.id, token)) << "nothing says that it was stored";
  recorder().wait_for_end(made.id);
  executor().settled(made.id);
  next_server();
  EXPECT_FALSE(executor().adopt(made.id, token));
}

TEST_F(LauncherTest, AnAttemptHasTheEnvironmentOfTheServerThatStartsIt) {
  ::setenv("MILLRACE_TEST_OF_NOW", "first", 1);
  next_server();
  start(shell("first", "echo got $MILLRACE_TEST_OF_NOW"));
  recorder().wait_for_end(execution::attempt_id("first"));
  ::setenv("MILLRACE_TEST_OF_NOW", "second", 1);
  next_server();
  start(shell("second", "echo got $MILLRACE_TEST_OF_NOW"));
  recorder().wait_for_end(execution::attempt_id("second"));
  ::unsetenv("MILLRACE_TEST_OF_NOW");
  EXPECT_NE(log("first").find("got first\n"), std::string::npos) << log("first");
  EXPECT_NE(log("second").find("got second\n"), std::string::npos) << log("second");
  const std::string environment =
      *read_file("/proc/" + std::to_string(launcher_of(state())) + "/environ");
  EXPECT_EQ(environment, "") << "the launcher itself has none";
}

}  // namespace
}  // namespace millrace::launcher
