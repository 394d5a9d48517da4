// Attempts that speak the protocol, scripts and programs of ours.
#include "execution/local_executor_fixture.h"

namespace millrace::execution {
namespace {

TEST_F(LocalExecutorTest, ASpeakersResultIsHandedOver) {
  const AttemptEnd end =
      run(speaker("speak",
                  R"(echo '{"type":"log","level":"warning","message":"12 rows\\nhave no label"}' >&3
         echo '{"type":"progress","done":3,"total":10,"message":"half"}' >&3
         echo '{"type":"xcom","key":"rows","value":7}' >&3
         echo '{"type":"result","status":"success","value":{"auc":0.9}}' >&3)"));
  EXPECT_EQ(end.outcome.kind, Outcome::Kind::Success);
  EXPECT_EQ(end.result.dump(), R"({"auc":0.9})");
  EXPECT_EQ(end.xcoms.dump(), R"({"rows":7})");
  const auto messages = listener_.messages(attempt_id("speak"));
  ASSERT_EQ(messages.size(), 2U);
  EXPECT_EQ(messages[1].type, "progress");
  EXPECT_EQ(messages[1].body.integer_or("done", 0), 3);
  EXPECT_NE(log("speak").find("warning  12 rows\n"), std::string::npos) << log("speak");
}

TEST_F(LocalExecutorTest, TheLastWordOfASpeakerDecides) {
  struct Case {
    std::string task;
    std::string script;
    Outcome::Kind kind;
    std::optional<ErrorCode> error;
    std::string says;
  };
  const std::vector<Case> cases = {
      {"skips", R"(echo '{"type":"result","status":"skipped","message":"nothing new"}' >&3)",
       Outcome::Kind::Skipped, std::nullopt, "nothing new"},
      {"ends", R"(echo '{"type":"result","status":"success","skip_downstream":true}' >&3)",
       Outcome::Kind::SuccessSkipDownstream, std::nullopt, ""},
      {"fails",
       R"(echo '{"type":"result","status":"failed","code":"data_quality","message":"12 rows"}' >&3
          exit 1)",
       Outcome::Kind::Failed, ErrorCode::DataQuality, "12 rows"},
      {"silent", "exit 0", Outcome::Kind::Failed, std::nullopt, "without a result"},
      {"late", R"(echo '{"type":"result","status":"success"}' >&3; exit 4)", Outcome::Kind::Failed,
       std::nullopt, "status 4 after it had reported success"},
      {"twice",
       R"(echo '{"type":"result","status":"success"}' >&3
          echo '{"type":"result","status":"success"}' >&3; sleep 1000)",
       Outcome::Kind::Failed, ErrorCode::Invalid, "line 3: a second result"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.task);
    const AttemptEnd end = run(speaker(c.task, c.script));
    EXPECT_EQ(end.outcome.kind, c.kind);
    EXPECT_EQ(end.outcome.error, c.error);
    EXPECT_NE(end.outcome.message.find(c.says), std::string::npos) << end.outcome.message;
  }
}

TEST_F(LocalExecutorTest, GarbageOnTheChannelEndsTheAttemptAndNamesTheLine) {
  struct Case {
    std::string task;
    std::string script;
    std::string says;
  };
  const std::vector<Case> cases = {
      {"json", "echo 'hello there' >&3; sleep 1000", "line 2"},
      {"kind", R"(echo '{"type":"dance"}' >&3; sleep 1000)", "unknown type 'dance'"},
      {"shape", "echo '[1,2]' >&3; sleep 1000", "an object with a 'type'"},
      {"binary", "head -c 4000 /dev/urandom >&3; echo >&3; sleep 1000", "line 2"},
      {"long", "head -c 3000000 /dev/zero >&3; sleep 1000", "a line of more than 1048576 bytes"},
      {"half", R"(printf '{"type":"resu' >&3)", "it ended within line 2"},
      {"member", R"(echo '{"type":"result"}' >&3; sleep 1000)", "status"},
      {"keys",
       R"(i=0; while [ $i -lt 70 ]; do echo '{"type":"xcom","key":"k'$i'"}'; i=$((i+1)); done >&3;
          sleep 1000)",
       "more than 64 xcom keys"},
      {"asks", R"(yes '{"type":"fence","id":1}' >&3)", "does not read the answers"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.task);
    const AttemptEnd end = run(speaker(c.task, c.script));
    EXPECT_EQ(end.outcome.kind, Outcome::Kind::Failed);
    EXPECT_EQ(end.outcome.error, ErrorCode::Invalid);
    EXPECT_NE(end.outcome.message.find("broke the protocol"), std::string::npos);
    EXPECT_NE(end.outcome.message.find(c.says), std::string::npos) << end.outcome.message;
  }
  AttemptRequest rude = shell("rude", R"(echo '{"type":"heartbeat"}' >&3; sleep 1000)");
  rude.work.speaks = Preparation::Speaks::Protocol;
  EXPECT_NE(run(rude).outcome.message.find("must be a hello"), std::string::npos);
}

TEST_F(LocalExecutorTest, WhatItReportsIsBoundedAsItIsWritten) {
  // 1e15 is written as 1000000000000000.0.
  const AttemptEnd end = run(speaker("large", R"(numbers=$(yes 1e15 | head -n 200000 | paste -sd,)
                  for key in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25; do
                    echo '{"type":"xcom","key":"k'$key'","value":['$numbers']}'
                  done >&3; sleep 1000)"));
  EXPECT_EQ(end.outcome.kind, Outcome::Kind::Failed);
  EXPECT_NE(end.outcome.message.find("its result and its xcoms come to more than 67108864 bytes"),
            std::string::npos)
      << end.outcome.message;
}

TEST_F(LocalExecutorTest, AnXcomThatIsSaidAgainCountsOnce) {
  const AttemptEnd end =
      run(speaker("again", R"(text=$(yes xxxxxxxxxxxxxxx | head -n 60000 | paste -sd,)
                  i=0; while [ $i -lt 80 ]; do i=$((i+1))
                    echo '{"type":"xcom","key":"same","value":"'$text'"}'
                  done >&3; echo '{"type":"result","status":"success"}' >&3)"));
  EXPECT_EQ(end.outcome.kind, Outcome::Kind::Success) << end.outcome.message;
  EXPECT_EQ(end.xcoms["same"].as_string().size(), 60'000U * 16 - 1);
}

TEST_F(LocalExecutorTest, ARequestAboveTheLimitIsRefused) {
  AttemptRequest made = speaker("big", "exit 0");
  made.work.document = Json::object({{"text", std::string(2'000'000, 'x')}});
  const Status refused = executor_->start(std::move(made));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::Invalid);
}

// Programs for the tests below: this test program runs itself with one of them alone.

const char* kSelf = "/proc/self/exe";

std::vector<std::string> self(const std::string& program) {
  return {kSelf, "--gtest_filter=Program.DISABLED_" + program, "--gtest_also_run_disabled_tests"};
}

TEST(Program, DISABLED_Attempt) {
  auto channel = AttemptChannel::open();
  ASSERT_TRUE(channel.ok()) << channel.error().message();
  AttemptChannel& supervisor = **channel;
  const ChannelRequest& request = supervisor.request();
  ASSERT_TRUE(supervisor.log("info", "at work").ok());
  ASSERT_TRUE(supervisor.progress(0.5, "half").ok());
  const Status fence = supervisor.ask_fence();
  if (!fence.ok()) {
    (void)supervisor.fail(fence.error());
    return;
  }
  ASSERT_TRUE(supervisor.xcom("threads", request.resources.threads).ok());
  ASSERT_TRUE(supervisor.succeed(request.document).ok());
}

TEST(Program, DISABLED_CancelledAttempt) {
  auto channel = AttemptChannel::open();
  ASSERT_TRUE(channel.ok()) << channel.error().message();
  std::promise<void> cancelled;
  (*channel)->on_cancel([&] { cancelled.set_value(); });
  ASSERT_TRUE((*channel)->log("info", "waiting").ok());
  cancelled.get_future().wait();
  EXPECT_TRUE((*channel)->cancelled());
  EXPECT_EQ((*channel)->ask_fence().error().code(), ErrorCode::Denied);
  (void)(*channel)->fail(Error(ErrorCode::Cancelled, "stopped in good order"));
}

TEST(Program, DISABLED_Server) {
  const auto clock = make_system_clock();
  Listener listener;
  const char* pids = std::getenv("TEST_PIDS");
  ASSERT_NE(pids, nullptr);
  LocalExecutorOptions options;
  options.log_folder = std::getenv("TEST_LOGS");
  options.owner = options.log_folder;
  const auto executor = *LocalExecutor::make(options, *clock, make_local_spawner());
  executor->listen(listener);
  AttemptRequest made;
  made.id = attempt_id("child");
  // The second sleeps in a process group of its own, as what an interactive shell starts does.
  made.work.command = {"sh", "-c",
                       "echo $$ > $PIDS; sleep 1000 & echo $! > $PIDS;"
                       "setsid sleep 1000 & echo $! > $PIDS; wait"};
  made.work.environment = {{"PIDS", pids}};
  made.work.speaks = Preparation::Speaks::Nothing;
  ASSERT_TRUE(executor->start(std::move(made)).ok());
  listener.wait_for_end(attempt_id("child"));
}

TEST_F(LocalExecutorTest, AnAttemptAndItsSupervisorUnderstandEachOther) {
  AttemptRequest made = request("real", self("Attempt"));
  made.work.speaks = Preparation::Speaks::Protocol;
  // More than a socket holds at once.
  made.work.document = Json::object({{"text", std::string(900'000, 'x')}});
  made.resources.threads = 3;
  const AttemptEnd end = run(made);
  EXPECT_EQ(end.outcome.kind, Outcome::Kind::Success) << end.outcome.message << log("real");
  EXPECT_EQ(end.result, made.work.document);
  EXPECT_EQ(end.xcoms.dump(), R"({"threads":3})");
  EXPECT_NE(log("real").find("info     at work"), std::string::npos);
}

TEST_F(LocalExecutorTest, ASupersededAttemptIsToldSo) {
  AttemptRequest made = request("fenced", self("Attempt"));
  made.id = attempt_id("fenced", 13);
  made.work.speaks = Preparation::Speaks::Protocol;
  const AttemptEnd end = run(made);
  EXPECT_EQ(end.outcome.error, ErrorCode::Denied);
  EXPECT_NE(end.outcome.message.find("is not the current one any more"), std::string::npos);
}

TEST_F(LocalExecutorTest, AnAttemptThatIsToldToStopMayStopInGoodOrder) {
  AttemptRequest made = request("cancelled", self("CancelledAttempt"));
  made.work.speaks = Preparation::Speaks::Protocol;
  ASSERT_TRUE(executor_->start(made).ok());
  // Its hello is its first sign of life: the channel is open and SIGTERM is taken.
  listener_.wait_for_heartbeats(made.id, 1);
  executor_->kill(made.id, kPatience);
  const AttemptEnd end = listener_.wait_for_end(made.id);
  EXPECT_EQ(end.outcome.error, ErrorCode::Cancelled) << end.outcome.message;
  EXPECT_EQ(end.outcome.message, "stopped in good order");
}

TEST_F(LocalExecutorTest, AttemptsDieWithTheServer) {
  const std::string pids = fifo("pids");
  AttemptRequest server = request("server", self("Server"));
  server.work.environment = {{"TEST_PIDS", pids}, {"TEST_LOGS", folder_.path() + "/other"}};
  ASSERT_TRUE(executor_->start(server).ok());
  const std::vector<std::string> children = read_lines(pids, 3);
  executor_->kill(server.id, Duration::zero());
  EXPECT_EQ(listener_.wait_for_end(server.id).signal, SIGKILL);
  expect_gone(children[0]);
  EXPECT_EQ(::kill(std::stoi(children[1]), 0), 0) << "what it had started lives on";
  EXPECT_EQ(::kill(std::stoi(children[2]), 0), 0);
  make({.owner = folder_.path()});
  EXPECT_EQ(::kill(std::stoi(children[1]), 0), 0) << "another owner's is left alone";
  make({.owner = server.work.environment["TEST_LOGS"]});
  expect_gone(children[1]);
  expect_gone(children[2]);
}

}  // namespace
}  // namespace millrace::execution
