#pragma once

// A local executor over a folder of its own, and a listener that waits for what it hears.

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
#include "execution/local_executor.h"

namespace millrace::execution {

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

inline constexpr seconds kPatience{60};

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
  void capacity(int) override {}
  void may_commit(const AttemptId& attempt, std::function<void(bool)> answer) override {
    answer(attempt.epoch != 13);
  }
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

inline AttemptId attempt_id(const std::string& task, int epoch = 1) {
  return {{DagId("test"), RunId("2013-12-01T05:00:00Z")}, TaskId(task), epoch};
}

class LocalExecutorTest : public testing::Test {
 protected:
  LocalExecutorTest() { make({}); }
  void TearDown() override { executor_.reset(); }

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

}  // namespace millrace::execution
