#pragma once

// Launchers that are real processes: this test program runs itself as one.

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <new>
#include <optional>
#include <set>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "execution/attempt_log.h"
#include "execution/local_executor_fixture.h"
#include "launcher/launcher_executor.h"

namespace millrace::launcher {

using execution::kPatience;
using orchestration::AttemptEnd;
using orchestration::AttemptId;
using orchestration::AttemptMessage;
using orchestration::AttemptRequest;
using orchestration::Outcome;
using orchestration::Preparation;

/// "/proc/self/exe" means nothing once it is another's argument.
inline std::string own_program() {
  char path[4096];
  const ssize_t size = ::readlink("/proc/self/exe", path, sizeof(path));
  return {path, static_cast<std::size_t>(std::max<ssize_t>(size, 0))};
}

/// The command that becomes the launcher of the folder (launcher_contract_test.cc).
inline LauncherExecutorOptions options_for(const std::string& state) {
  LauncherExecutorOptions options;
  options.state = state;
  options.launcher = {own_program(), "--gtest_filter=Program.DISABLED_Launcher",
                      "--gtest_also_run_disabled_tests", "--gtest_brief=1", state};
  return options;
}

inline pid_t launcher_of(const std::string& state) {
  const Json holder =
      Json::parse(read_file(state + "/launcher.lock").value_or("{}")).value_or(Json::object());
  return static_cast<pid_t>(holder.integer_or("pid", 0));
}

inline void expect_gone(pid_t pid) {
  const FileDescriptor pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!pidfd.is_open()) return;
  pollfd watched{pidfd.get(), POLLIN, 0};
  EXPECT_EQ(::poll(&watched, 1, 30'000), 1) << "process " << pid << " lives on";
}

/// What a server's orchestrator would hear and answer, of which the test waits for what it needs.
class Recorder final : public orchestration::ExecutorListener {
 public:
  void started(const AttemptId& attempt) override {
    note([&] { ++starts_[attempt]; });
  }
  void heartbeat(const AttemptId& attempt) override {
    note([&] { ++heartbeats_[attempt]; });
  }
  void message(const AttemptId&, AttemptMessage) override {}
  void resumable(const AttemptId&, std::string) override {}
  void capacity(int) override {}
  void may_commit(const AttemptId& attempt, std::function<void(bool)> answer) override {
    note([&] { asked_.insert(attempt); });
    if (answers_) answer(allows_);
  }
  void finished(const AttemptId& attempt, AttemptEnd end) override {
    if (throws_-- > 0) throw std::bad_alloc();
    note([&] {
      EXPECT_FALSE(ends_.contains(attempt)) << "an attempt ends once";
      ends_[attempt] = std::move(end);
    });
  }
  void lost(const AttemptId& attempt, std::string why) override {
    note([&] {
      EXPECT_FALSE(lost_.contains(attempt)) << "an attempt is lost once";
      lost_[attempt] = std::move(why);
    });
  }

  /// Before anything runs: what the fence says, or that it says nothing.
  void answer_fence(std::optional<bool> allows) {
    answers_ = allows.has_value();
    allows_ = allows.value_or(false);
  }
  /// So often, when an end is told.
  void throw_at_ends(int times) { throws_ = times; }
  void wait_for_start(const AttemptId& attempt) { wait(starts_, attempt); }
  AttemptEnd wait_for_end(const AttemptId& attempt) { return wait(ends_, attempt); }
  std::string wait_for_loss(const AttemptId& attempt) { return wait(lost_, attempt); }
  void wait_for_heartbeat(const AttemptId& attempt) { wait(heartbeats_, attempt); }
  void wait_for_question(const AttemptId& attempt) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, kPatience, [&] { return asked_.contains(attempt); }));
  }
  std::size_t losses() {
    const std::lock_guard lock(mutex_);
    return lost_.size();
  }
  std::size_t ends() {
    const std::lock_guard lock(mutex_);
    return ends_.size();
  }

 private:
  template <typename Note>
  void note(Note what) {
    {
      const std::lock_guard lock(mutex_);
      what();
    }
    changed_.notify_all();
  }
  template <typename Value>
  Value wait(std::map<AttemptId, Value>& values, const AttemptId& attempt) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, kPatience, [&] { return values.contains(attempt); }))
        << "nothing came of " << attempt.str();
    return values[attempt];
  }

  std::atomic<int> throws_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<AttemptId, int> starts_;
  std::map<AttemptId, int> heartbeats_;
  std::map<AttemptId, AttemptEnd> ends_;
  std::map<AttemptId, std::string> lost_;
  std::set<AttemptId> asked_;
  bool answers_ = true;
  bool allows_ = true;
};

/// A server in this process, as far as the launcher sees one. When it is let go of it is as if it
/// had been killed: the launcher only sees the connection end.
struct FakeServer {
  explicit FakeServer(const std::string& state) : FakeServer(options_for(state)) {}
  explicit FakeServer(LauncherExecutorOptions options) {
    auto made = LauncherExecutor::make(std::move(options));
    EXPECT_TRUE(made.ok()) << made.error().message();
    executor = *std::move(made);
    executor->listen(recorder);
  }
  void die() { executor->detach(Duration::zero()); }

  Recorder recorder;
  std::unique_ptr<LauncherExecutor> executor;
};

class LauncherTest : public testing::Test {
 protected:
  void TearDown() override {
    server_.reset();
    // Whatever a test has left ends with its launcher.
    if (auto last = LauncherExecutor::make(options_for(state())); last.ok()) {
      Recorder nobody;
      (*last)->listen(nobody);
      (*last)->stop(Duration::zero());
    }
  }

  const std::string& state() const { return folder_.path(); }
  LauncherExecutor& executor() { return *server_->executor; }
  Recorder& recorder() { return server_->recorder; }
  /// The server is killed, and another one comes.
  void next_server() {
    server_->die();
    server_ = std::make_unique<FakeServer>(state());
  }

  static AttemptRequest shell(const std::string& task, const std::string& script) {
    AttemptRequest made;
    made.id = execution::attempt_id(task);
    made.work.command = {"sh", "-c", script};
    made.work.speaks = Preparation::Speaks::Nothing;
    return made;
  }
  /// A script that speaks the protocol on descriptor 3.
  static AttemptRequest speaker(const std::string& task, const std::string& script) {
    AttemptRequest made = shell(
        task, "read request <&3; echo '{\"type\":\"hello\",\"millrace_attempt\":1}' >&3;" + script);
    made.work.speaks = Preparation::Speaks::Protocol;
    return made;
  }
  /// Returns the token by which the next server adopts it.
  std::string start(AttemptRequest request) {
    const AttemptId id = request.id;
    const Status started = executor().start(std::move(request));
    EXPECT_TRUE(started.ok()) << started.error().message();
    recorder().wait_for_start(id);
    return executor().resume_token();
  }
  /// A FIFO that a script waits at until somebody writes or opens it.
  std::string fifo(const std::string& name) {
    std::string path = state() + "/" + name;
    EXPECT_EQ(::mkfifo(path.c_str(), 0600), 0);
    return path;
  }
  /// Waits until a script opens it for reading.
  static void open_gate(const std::string& path) {
    const FileDescriptor gate(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    EXPECT_TRUE(gate.is_open());
  }
  std::string log(const std::string& task) {
    return *read_file(
        execution::attempt_log_path(state() + "/logs", execution::attempt_id(task), 1, 1));
  }

  TemporaryFolder folder_ = *TemporaryFolder::make();
  std::unique_ptr<FakeServer> server_ = std::make_unique<FakeServer>(state());
};

}  // namespace millrace::launcher
