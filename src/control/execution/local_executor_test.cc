// Commands: how they begin, what they find and say, how they end by themselves.
#include "execution/local_executor_fixture.h"

namespace millrace::execution {
namespace {

TEST_F(LocalExecutorTest, SaysHowACommandEnded) {
  struct Case {
    std::string task;
    std::string script;
    Outcome::Kind kind;
    std::optional<int> code;
    std::optional<int> signal;
    std::string says;
  };
  const std::vector<Case> cases = {
      {"fine", "exit 0", Outcome::Kind::Success, 0, std::nullopt, ""},
      {"three", "exit 3", Outcome::Kind::Failed, 3, std::nullopt, "exited with status 3"},
      {"told", "echo noise >&2; echo 'no such table' >&2; exit 1", Outcome::Kind::Failed, 1,
       std::nullopt, "exited with status 1: no such table"},
      {"segv", "kill -SEGV $$", Outcome::Kind::Failed, std::nullopt, SIGSEGV,
       "signal 11 (Segmentation fault)"},
      {"kill", "kill -KILL $$", Outcome::Kind::Failed, std::nullopt, SIGKILL,
       "may have run out of memory"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.task);
    const AttemptEnd end = run(shell(c.task, c.script));
    EXPECT_EQ(end.outcome.kind, c.kind);
    EXPECT_FALSE(end.outcome.error.has_value()) << "nobody knows why, so it may be retried";
    EXPECT_EQ(end.exit_code, c.code);
    EXPECT_EQ(end.signal, c.signal);
    EXPECT_NE(end.outcome.message.find(c.says), std::string::npos) << end.outcome.message;
  }
}

TEST_F(LocalExecutorTest, ACommandThatCannotBeRunFailsWithTheReason) {
  const AttemptEnd missing = run(request("missing", {"no-such-command-anywhere"}));
  EXPECT_EQ(missing.outcome.error, ErrorCode::Invalid) << "it will not be there in a minute";
  EXPECT_NE(missing.outcome.message.find("'no-such-command-anywhere' is not in PATH"),
            std::string::npos);
  const AttemptEnd denied = run(request("denied", {"/etc/passwd"}));
  EXPECT_NE(denied.outcome.message.find("running '/etc/passwd'"), std::string::npos)
      << denied.outcome.message;
  AttemptRequest lost = request("lost", {"true"});
  lost.work.working_folder = "/no/such/folder";
  EXPECT_NE(run(lost).outcome.message.find("entering the folder '/no/such/folder'"),
            std::string::npos);
  EXPECT_EQ(run(request("nothing", {})).outcome.error, ErrorCode::Invalid);
}

/// The real one, but for commands that make it throw.
class ThrowingSpawner final : public Spawner {
 public:
  Result<Child> spawn(const SpawnRequest& request) override {
    if (request.command.back() == "spawn throws") throw std::runtime_error("no luck in spawning");
    Result<Child> child = real_->spawn(request);
    if (child.ok() && request.command.back() == "reap throws") unlucky_ = child->pid;
    return child;
  }
  ExitStatus reap(const Child& child) override {
    const ExitStatus status = real_->reap(child);
    if (child.pid == unlucky_) throw std::runtime_error("no luck in reaping");
    return status;
  }
  void signal(const Child& child, int number) override { real_->signal(child, number); }

 private:
  std::unique_ptr<Spawner> real_ = make_local_spawner();
  pid_t unlucky_ = -1;
};

TEST_F(LocalExecutorTest, AnExceptionEndsTheAttemptThatMetItAndNoOther) {
  executor_ = *LocalExecutor::make({.log_folder = folder_.path() + "/logs"}, *clock_,
                                   std::make_unique<ThrowingSpawner>());
  executor_->listen(listener_);
  for (const std::string what : {"spawn", "reap"}) {
    SCOPED_TRACE(what);
    const AttemptEnd end = run(request(what, {"sh", "-c", "exit 0", what + " throws"}));
    EXPECT_EQ(end.outcome.kind, Outcome::Kind::Failed);
    EXPECT_EQ(end.outcome.error, ErrorCode::Internal);
    EXPECT_NE(end.outcome.message.find("no luck in " + what), std::string::npos)
        << end.outcome.message;
  }
  EXPECT_EQ(run(shell("next", "exit 0")).outcome.kind, Outcome::Kind::Success);
}

/// The real one, but for the first SIGKILL, which makes it throw.
class UnluckyKiller final : public Spawner {
 public:
  Result<Child> spawn(const SpawnRequest& request) override {
    Result<Child> child = real_->spawn(request);
    if (child.ok()) pids.push_back(child->pid);
    return child;
  }
  ExitStatus reap(const Child& child) override { return real_->reap(child); }
  void signal(const Child& child, int number) override {
    if (number == SIGKILL && std::exchange(unlucky_, false)) throw std::bad_alloc();
    real_->signal(child, number);
  }

  std::vector<pid_t> pids;

 private:
  std::unique_ptr<Spawner> real_ = make_local_spawner();
  bool unlucky_ = true;
};

TEST_F(LocalExecutorTest, AnErrorOfOursWhileAnAttemptEndsLeavesNothingBehind) {
  auto spawner = std::make_unique<UnluckyKiller>();
  const std::vector<pid_t>& pids = spawner->pids;
  executor_ =
      *LocalExecutor::make({.log_folder = folder_.path() + "/logs"}, *clock_, std::move(spawner));
  executor_->listen(listener_);
  // It ends while its request waits for room in the channel, which its child keeps open.
  AttemptRequest unlucky = shell("unlucky", "sleep 1000 & exit 0");
  unlucky.work.speaks = Preparation::Speaks::Protocol;
  unlucky.work.document = std::string(1'000'000, 'x');
  const AttemptEnd end = run(unlucky);
  EXPECT_EQ(end.outcome.error, ErrorCode::Internal) << end.outcome.message;
  EXPECT_EQ(::waitpid(pids.at(0), nullptr, WNOHANG), -1) << "it is not reaped";
  // The next one has a channel of the same number, and its whole request comes.
  AttemptRequest next = shell(
      "next",
      "head -n 1 <&3 | wc -c; echo '{\"type\":\"hello\",\"millrace_attempt\":1}' >&3; exit 5");
  next.work.speaks = Preparation::Speaks::Protocol;
  next.work.document = unlucky.work.document;
  EXPECT_EQ(run(next).exit_code, 5) << "the request is not written";
}

TEST_F(LocalExecutorTest, ACommandIsLookedForInThePathOfItsTask) {
  const std::string tool = folder_.path() + "/tool";
  ASSERT_TRUE(write_file(tool, "#!/bin/sh\necho found\n").ok());
  ASSERT_EQ(::chmod(tool.c_str(), 0700), 0);
  AttemptRequest made = request("path", {"tool"});
  made.work.environment = {{"PATH", "/nowhere:" + folder_.path()}};
  EXPECT_EQ(run(made).outcome.kind, Outcome::Kind::Success) << log("path");
}

TEST_F(LocalExecutorTest, TheLastLineOfTheLogSaysWhyAnAttemptFailed) {
  make({.log_limit_bytes = 1'000});
  struct Case {
    AttemptRequest made;
    std::string last;
  };
  const std::vector<Case> cases = {
      {request("missing", {"no-such-command"}), "'no-such-command' is not in PATH"},
      {shell("plain", "echo last words >&2; exit 3"), "exited with status 3: last words"},
      {shell("full", "yes | head -n 10000; exit 4"), "error    exited with status 4"},
      {speaker(
           "told",
           R"(echo '{"type":"result","status":"failed","code":"timeout","message":"slow"}' >&3)"),
       "error    timeout: slow"},
      {speaker("broken", "echo garbage >&3; sleep 1000"), "broke the protocol"},
      {speaker("skipped",
               R"(echo '{"type":"result","status":"skipped","message":"nothing new"}' >&3)"),
       "info     skipped: nothing new"}};
  for (const Case& c : cases) {
    const std::string task = c.made.id.task.str();
    SCOPED_TRACE(task);
    run(c.made);
    const std::string text = log(task);
    const std::size_t begin = text.rfind('\n', text.size() - 2);
    EXPECT_NE(text.find(c.last, begin), std::string::npos) << text;
  }
}

/// Its children's ends cannot be watched: /dev/null knows no waiting.
class BlindSpawner final : public Spawner {
 public:
  Result<Child> spawn(const SpawnRequest& request) override {
    Child child = TRY(spawner_->spawn(request));
    ::close(child.pidfd);
    child.pidfd = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    return child;
  }
  ExitStatus reap(const Child& child) override { return spawner_->reap(child); }
  void signal(const Child& child, int number) override { spawner_->signal(child, number); }

 private:
  std::unique_ptr<Spawner> spawner_ = make_local_spawner();
};

TEST_F(LocalExecutorTest, AnAttemptThatCannotBeWatchedFailsAtOnce) {
  LocalExecutorOptions options;
  options.log_folder = folder_.path() + "/logs";
  executor_.reset();
  executor_ = *LocalExecutor::make(options, *clock_, std::make_unique<BlindSpawner>());
  executor_->listen(listener_);
  const AttemptEnd end = run(shell("blind", "sleep 1000"));
  EXPECT_EQ(end.outcome.kind, Outcome::Kind::Failed);
  EXPECT_NE(end.outcome.message.find("watching the attempt's process"), std::string::npos)
      << end.outcome.message;
}

TEST_F(LocalExecutorTest, GivesTheEnvironmentFolderAndNoDescriptors) {
  AttemptRequest made =
      shell("env", "echo $GREETING in $PWD; ls /proc/self/fd | tr '\\n' ' '; cat");
  made.work.environment = {{"GREETING", "hello"}};
  made.work.working_folder = "/usr";
  EXPECT_EQ(run(made).outcome.kind, Outcome::Kind::Success);
  EXPECT_NE(log("env").find("out      hello in /usr\n"), std::string::npos) << log("env");
  EXPECT_NE(log("env").find("out      0 1 2 3 \n"), std::string::npos)
      << "the 3 is ls reading the folder; " << log("env");
}

TEST_F(LocalExecutorTest, TheLogHoldsBothOutputsWithTimes) {
  run(shell("talk", "echo one; echo two >&2; printf 'no newline'"));
  const std::string text = log("talk");
  EXPECT_TRUE(text.starts_with("millrace-attempt-log 1 test/2013-12-01T05:00:00Z/talk/1\n"));
  EXPECT_NE(text.find("Z out      one\n"), std::string::npos) << text;
  EXPECT_NE(text.find("Z err      two\n"), std::string::npos) << text;
  EXPECT_NE(text.find("Z out      no newline\n"), std::string::npos) << text;
}

TEST_F(LocalExecutorTest, AFloodOfOutputFillsNeitherDiskNorMemory) {
  make({.log_limit_bytes = 100'000});
  const AttemptEnd end =
      run(shell("flood", "head -c 50000000 /dev/zero; yes line | head -n 2000000; echo end >&2"));
  EXPECT_EQ(end.outcome.kind, Outcome::Kind::Success);
  const std::string text = log("flood");
  EXPECT_LT(text.size(), 110'000U);
  EXPECT_NE(text.find("the log has reached its limit of 100.0 kB"), std::string::npos);
}

TEST_F(LocalExecutorTest, TellsWhatWasUsed) {
  const AttemptEnd end =
      run(shell("work", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; exit 0"));
  EXPECT_GT(end.used.cpu, milliseconds(10));
  EXPECT_GE(end.used.wall, end.used.cpu / 4);
  EXPECT_GT(end.used.max_rss_bytes, 100'000U);
}

TEST_F(LocalExecutorTest, ACommandThatDoesNotSpeakIsAliveWhileItIsThere) {
  make({.heartbeat = milliseconds(5)});
  ASSERT_TRUE(executor_->start(shell("quiet", "sleep 1000")).ok());
  listener_.wait_for_heartbeats(attempt_id("quiet"), 3);
  executor_->kill(attempt_id("quiet"), kPatience);
  EXPECT_EQ(listener_.wait_for_end(attempt_id("quiet")).signal, SIGTERM);
}

TEST_F(LocalExecutorTest, AThousandCommandsEndAThousandTimes) {
  const auto begin = std::chrono::steady_clock::now();
  constexpr int kCommands = 1'000;
  constexpr int kAtOnce = 8;
  for (int i = 0; i < kCommands; ++i) {
    AttemptRequest made = request("t" + std::to_string(i), {"/bin/true"});
    ASSERT_TRUE(executor_->start(std::move(made)).ok());
    if (i >= kAtOnce) listener_.wait_for_ends(static_cast<std::size_t>(i - kAtOnce));
  }
  listener_.wait_for_ends(kCommands);
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
  std::printf("1,000 commands: %.2f ms each\n", took.count() / kCommands);
}

TEST_F(LocalExecutorTest, AnAttemptIsNamedInItsEnvironment) {
  make({.owner = "/some/project"});
  AttemptRequest made = shell("named", "echo $MILLRACE_ATTEMPT of $MILLRACE_ATTEMPT_OF");
  made.work.environment = {{"MILLRACE_ATTEMPT_OF", "/elsewhere"}};
  run(made);
  EXPECT_NE(log("named").find("out      test/2013-12-01T05:00:00Z/named/1 of /some/project\n"),
            std::string::npos)
      << log("named");
}

}  // namespace
}  // namespace millrace::execution
