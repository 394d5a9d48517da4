#include "execution/local_executor.h"

#include <csignal>
#include <cstdio>
#include <future>
#include <mutex>

#include <fcntl.h>
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/file_descriptor.h"
#include "execution/attempt_channel.h"
#include "execution/attempt_log.h"

namespace millrace::execution {
namespace {

using orchestration::AttemptEnd;
using orchestration::AttemptId;
using orchestration::AttemptMessage;
using orchestration::AttemptRequest;
using orchestration::DagId;
using orchestration::Outcome;
using orchestration::Preparation;
using orchestration::RunId;
using orchestration::TaskId;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr seconds kPatience{60};

class Listener final : public orchestration::ExecutorListener {
 public:
  void started(const AttemptId& attempt) override { note(started_, attempt); }
  void heartbeat(const AttemptId& attempt) override { note(heartbeats_, attempt); }
  void message(const AttemptId& attempt, AttemptMessage message) override {
    {
      const std::lock_guard lock(mutex_);
      messages_[attempt].push_back(message);
    }
    changed_.notify_all();
  }
  void resumable(const AttemptId&, std::string) override {}
  bool may_commit(const AttemptId& attempt) override { return attempt.epoch != 13; }
  void finished(const AttemptId& attempt, AttemptEnd end) override {
    {
      const std::lock_guard lock(mutex_);
      EXPECT_FALSE(ends_.contains(attempt)) << "an attempt ends once";
      ends_[attempt] = std::move(end);
    }
    changed_.notify_all();
  }
  void lost(const AttemptId& attempt, std::string why) override {
    ADD_FAILURE() << attempt.str() << " lost: " << why;
  }

  void wait_for_start(const AttemptId& attempt) {
    wait([&] { return started_[attempt] > 0; });
  }
  void wait_for_heartbeats(const AttemptId& attempt, int count) {
    wait([&] { return heartbeats_[attempt] >= count; });
  }
  AttemptEnd wait_for_end(const AttemptId& attempt) {
    wait([&] { return ends_.contains(attempt); });
    const std::lock_guard lock(mutex_);
    return ends_[attempt];
  }
  void wait_for_ends(std::size_t count) {
    wait([&] { return ends_.size() >= count; });
  }
  std::size_t ends() {
    const std::lock_guard lock(mutex_);
    return ends_.size();
  }
  std::vector<AttemptMessage> messages(const AttemptId& attempt) {
    const std::lock_guard lock(mutex_);
    return messages_[attempt];
  }

 private:
  void note(std::map<AttemptId, int>& counts, const AttemptId& attempt) {
    {
      const std::lock_guard lock(mutex_);
      ++counts[attempt];
    }
    changed_.notify_all();
  }
  template <typename Condition>
  void wait(Condition condition) {
    std::unique_lock lock(mutex_);
    ASSERT_TRUE(changed_.wait_for(lock, kPatience, condition));
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<AttemptId, int> started_;
  std::map<AttemptId, int> heartbeats_;
  std::map<AttemptId, AttemptEnd> ends_;
  std::map<AttemptId, std::vector<AttemptMessage>> messages_;
};

AttemptId attempt_id(const std::string& task, int epoch = 1) {
  return {{DagId("test"), RunId("2013-12-01T05:00:00Z")}, TaskId(task), epoch};
}

class LocalExecutorTest : public testing::Test {
 protected:
  LocalExecutorTest() { make({}); }
  ~LocalExecutorTest() override { executor_.reset(); }

  void make(LocalExecutorOptions options) {
    executor_.reset();
    options.log_folder = folder_.path() + "/logs";
    executor_ = *LocalExecutor::make(std::move(options), *clock_, make_local_spawner());
    executor_->listen(listener_);
  }

  AttemptRequest request(const std::string& task, std::vector<std::string> command) {
    AttemptRequest made;
    made.id = attempt_id(task);
    made.work.command = std::move(command);
    made.work.speaks = Preparation::Speaks::Nothing;
    return made;
  }
  AttemptRequest shell(const std::string& task, const std::string& script) {
    return request(task, {"sh", "-c", script});
  }
  /// A script that speaks the protocol on descriptor 3.
  AttemptRequest speaker(const std::string& task, const std::string& script) {
    AttemptRequest made = shell(
        task, "read request <&3; echo '{\"type\":\"hello\",\"millrace_attempt\":1}' >&3;" + script);
    made.work.speaks = Preparation::Speaks::Protocol;
    return made;
  }
  AttemptEnd run(AttemptRequest made) {
    const AttemptId id = made.id;
    const Status started = executor_->start(std::move(made));
    EXPECT_TRUE(started.ok()) << started.error().message();
    return listener_.wait_for_end(id);
  }
  std::string log(const std::string& task) {
    return *read_file(attempt_log_path(folder_.path() + "/logs", attempt_id(task), 1, 1));
  }
  /// A FIFO: reading it waits for what a child writes.
  std::string fifo(const std::string& name) {
    const std::string path = folder_.path() + "/" + name;
    EXPECT_EQ(::mkfifo(path.c_str(), 0600), 0);
    return path;
  }
  /// Open for both, so that a child that never writes is a failure and not a wait without end.
  static std::vector<std::string> read_lines(const std::string& path, std::size_t count) {
    const FileDescriptor in(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    std::vector<std::string> lines;
    for (std::string line; lines.size() < count;) {
      pollfd ready{in.get(), POLLIN, 0};
      char c = 0;
      if (::poll(&ready, 1, 60'000) != 1 || ::read(in.get(), &c, 1) != 1) {
        ADD_FAILURE() << "nobody writes to " << path;
        lines.resize(count, "0");
      } else if (c == '\n') {
        lines.push_back(std::exchange(line, ""));
      } else {
        line += c;
      }
    }
    return lines;
  }
  static std::string read_first_line(const std::string& path) { return read_lines(path, 1)[0]; }
  static void expect_gone(const std::string& pid) {
    const FileDescriptor pidfd(static_cast<int>(::syscall(SYS_pidfd_open, std::stoi(pid), 0)));
    if (!pidfd.is_open()) return;
    pollfd watched{pidfd.get(), POLLIN, 0};
    EXPECT_EQ(::poll(&watched, 1, 30'000), 1) << "process " << pid << " lives on";
  }

  TemporaryFolder folder_ = *TemporaryFolder::make();
  std::unique_ptr<Clock> clock_ = make_system_clock();
  Listener listener_;
  std::unique_ptr<LocalExecutor> executor_;
};

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
                                             "; sleep 1000 & wait"))
                  .ok());
  EXPECT_EQ(read_first_line(ready), "ready");
  executor_->kill(attempt_id("heeds"), kPatience);
  EXPECT_EQ(listener_.wait_for_end(attempt_id("heeds")).exit_code, 9);
  EXPECT_NE(log("heeds").find("cleaned"), std::string::npos);
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

TEST_F(LocalExecutorTest, TellsWhatWasUsed) {
  const AttemptEnd end =
      run(shell("work", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; exit 0"));
  EXPECT_GT(end.used.cpu, milliseconds(10));
  EXPECT_GE(end.used.wall, end.used.cpu / 4);
  EXPECT_GT(end.used.max_rss_bytes, 100'000U);
}

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

TEST_F(LocalExecutorTest, ACommandThatDoesNotSpeakIsAliveWhileItIsThere) {
  make({.heartbeat = milliseconds(5)});
  ASSERT_TRUE(executor_->start(shell("quiet", "sleep 1000")).ok());
  listener_.wait_for_heartbeats(attempt_id("quiet"), 3);
  executor_->kill(attempt_id("quiet"), kPatience);
  EXPECT_EQ(listener_.wait_for_end(attempt_id("quiet")).signal, SIGTERM);
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

TEST_F(LocalExecutorTest, ARequestAboveTheLimitIsRefused) {
  AttemptRequest made = speaker("big", "exit 0");
  made.work.document = Json::object({{"text", std::string(2'000'000, 'x')}});
  const Status refused = executor_->start(std::move(made));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::Exhausted);
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
  ASSERT_TRUE(supervisor.progress(1, 2, "half").ok());
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
