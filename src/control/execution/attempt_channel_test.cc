#include "execution/attempt_channel.h"

#include <csignal>
#include <cstdlib>
#include <future>

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "base/file_descriptor.h"
#include "execution/attempt_log.h"
#include "execution/attempt_protocol.h"

namespace millrace::execution {
namespace {

/// The supervisor's end, in the same process.
class ChannelTest : public testing::Test {
 protected:
  ChannelTest() {
    ::pthread_sigmask(SIG_SETMASK, nullptr, &signals_);
    int fds[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    supervisor_ = FileDescriptor(fds[0]);
    ::setenv(kAttemptFdVariable, std::to_string(fds[1]).c_str(), 1);
    theirs_ = fds[1];
  }
  void TearDown() override {
    ::unsetenv(kAttemptFdVariable);
    // A channel blocks SIGTERM in its process; this one is not an attempt.
    ::pthread_sigmask(SIG_SETMASK, &signals_, nullptr);
  }

  void say(const std::string& line) {
    ASSERT_EQ(::send(supervisor_.get(), line.data(), line.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(line.size()));
  }
  Json hear() {
    for (;;) {
      if (const auto line = lines_.next()) return *Json::parse(*line);
      char piece[4096];
      const ssize_t size = ::read(supervisor_.get(), piece, sizeof(piece));
      if (size <= 0) return {};
      EXPECT_TRUE(lines_.feed({piece, static_cast<std::size_t>(size)}).ok());
    }
  }
  void say_request(const std::string& version = "1", const std::string& beat = "3000") {
    say(R"({"millrace_attempt":)" + version +
        R"(,"type":"request","attempt":{"dag":"d","run":"r","task":"t","map_index":7,"epoch":3,)" +
        R"("generation":2,"number":1},"heartbeat_seconds":)" + beat +
        R"(,"resources":{"threads":4,"memory_bytes":5},"document":{"a":1}})" + "\n");
  }

  FileDescriptor supervisor_;
  int theirs_ = -1;
  sigset_t signals_{};
  LineReader lines_;
};

TEST_F(ChannelTest, ReadsTheRequestAndSaysHello) {
  say_request();
  const auto channel = AttemptChannel::open();
  ASSERT_TRUE(channel.ok()) << channel.error().message();
  const ChannelRequest& request = (*channel)->request();
  EXPECT_EQ(request.attempt.str(), "d/r/t[7]/3");
  EXPECT_EQ(request.generation, 2);
  EXPECT_EQ(request.resources.threads, 4);
  EXPECT_EQ(request.document.dump(), R"({"a":1})");
  EXPECT_EQ(hear().dump(), R"({"type":"hello","millrace_attempt":1})");
  EXPECT_EQ(std::getenv(kAttemptFdVariable), nullptr) << "what it starts is no attempt";
}

TEST_F(ChannelTest, BeatsByItself) {
  say_request("1", "0.001");
  const auto channel = *AttemptChannel::open();
  EXPECT_EQ(hear()["type"].as_string(), "hello");
  for (int i = 0; i < 5; ++i) EXPECT_EQ(hear()["type"].as_string(), "heartbeat");
}

TEST_F(ChannelTest, AsksTheFenceAndTakesTheAnswer) {
  say_request();
  const auto channel = *AttemptChannel::open();
  EXPECT_EQ(hear()["type"].as_string(), "hello");
  for (const bool allowed : {true, false}) {
    auto asked = std::async(std::launch::async, [&] { return channel->ask_fence(); });
    const Json question = hear();
    EXPECT_EQ(question["type"].as_string(), "fence");
    say("{\"type\":\"something new\"}\n");
    say(Json::object({{"type", "fence_answer"}, {"id", question["id"]}, {"allowed", allowed}})
            .dump() +
        "\n");
    const Status answer = asked.get();
    EXPECT_EQ(answer.ok(), allowed);
    if (!allowed) {
      EXPECT_EQ(answer.error().code(), ErrorCode::Denied);
    }
  }
}

TEST_F(ChannelTest, ASupervisorThatGoesCancelsTheAttempt) {
  say_request();
  const auto channel = *AttemptChannel::open({.leave_after = std::chrono::hours(1)});
  std::promise<void> cancelled;
  channel->on_cancel([&] { cancelled.set_value(); });
  auto asked = std::async(std::launch::async, [&] { return channel->ask_fence(); });
  EXPECT_EQ(hear()["type"].as_string(), "hello");
  EXPECT_EQ(hear()["type"].as_string(), "fence");
  supervisor_.close();
  cancelled.get_future().wait();
  EXPECT_TRUE(channel->cancelled());
  EXPECT_EQ(asked.get().error().code(), ErrorCode::Unavailable);
  EXPECT_EQ(channel->log("info", "anyone?").error().code(), ErrorCode::Unavailable);
  bool at_once = false;
  channel->on_cancel([&] { at_once = true; });
  EXPECT_TRUE(at_once);
}

TEST_F(ChannelTest, AnAttemptWithoutASupervisorEndsItself) {
  say_request();
  EXPECT_EXIT(
      {
        const auto channel = AttemptChannel::open({.leave_after = Duration::zero()});
        if (!channel.ok()) ::_exit(1);
        ::shutdown(supervisor_.get(), SHUT_RDWR);
        std::promise<void>().get_future().wait();
      },
      testing::ExitedWithCode(75), "");
}

TEST_F(ChannelTest, TextOfAnyKindCanBeSaid) {
  say_request();
  const auto channel = *AttemptChannel::open();
  EXPECT_EQ(hear()["type"].as_string(), "hello");
  ASSERT_TRUE(channel->log("info", "bad \xff byte\nand a line").ok());
  EXPECT_EQ(hear()["message"].as_string(), "bad \xEF\xBF\xBD byte\nand a line");
  auto heard = std::async(std::launch::async, [&] { return hear(); });
  ASSERT_TRUE(channel->fail(Error(ErrorCode::Timeout, std::string(3'000'000, '\x01'))).ok());
  EXPECT_EQ(heard.get()["code"].as_string(), "timeout");
  EXPECT_EQ(channel->metrics(Json(std::string(2'000'000, 'x'))).error().code(), ErrorCode::Invalid);
}

TEST_F(ChannelTest, RefusesWhatIsNoChannel) {
  struct Case {
    std::string variable;
    ErrorCode code;
  };
  for (const Case& c : {Case{"", ErrorCode::Invalid}, Case{"seven", ErrorCode::Invalid},
                        Case{"-1", ErrorCode::Invalid}, Case{"99999", ErrorCode::Invalid}}) {
    ::setenv(kAttemptFdVariable, c.variable.c_str(), 1);
    EXPECT_EQ(AttemptChannel::open().error().code(), c.code) << c.variable;
  }
  ::unsetenv(kAttemptFdVariable);
  EXPECT_EQ(AttemptChannel::open().error().code(), ErrorCode::NotFound);
  ::close(theirs_);
}

TEST_F(ChannelTest, RefusesAnotherVersion) {
  say_request("2");
  EXPECT_EQ(AttemptChannel::open().error().code(), ErrorCode::Unsupported);
}

TEST_F(ChannelTest, RefusesARequestThatIsNone) {
  say("{\"type\":\"request\"}\n");
  EXPECT_EQ(AttemptChannel::open().error().code(), ErrorCode::Invalid);
}

TEST(LineReader, CutsWhateverArrives) {
  LineReader lines;
  ASSERT_TRUE(lines.feed("one\ntw").ok());
  EXPECT_EQ(lines.next(), "one");
  EXPECT_FALSE(lines.next().has_value());
  ASSERT_TRUE(lines.feed("o\n\nfour").ok());
  EXPECT_EQ(lines.next(), "two");
  EXPECT_EQ(lines.next(), "");
  EXPECT_FALSE(lines.next().has_value());
  EXPECT_EQ(lines.rest(), "four");
  EXPECT_TRUE(lines.feed(std::string(kLongestLine - 5, 'x')).ok());
  EXPECT_FALSE(lines.feed("y").ok());
}

TEST(AttemptLog, CutsLongLinesAndKeepsTheLast) {
  const TemporaryFolder folder = *TemporaryFolder::make();
  const ManualClock clock(*parse_instant("2013-12-01T05:00:00Z"));
  const orchestration::AttemptId id{
      {orchestration::DagId("d"), orchestration::RunId("r")}, orchestration::TaskId("t"), 1};
  const std::string path = attempt_log_path(folder.path(), id, 2, 3);
  EXPECT_TRUE(path.ends_with("/d/r/t/2.3.log"));
  EXPECT_TRUE(attempt_log_path("", {id.run, id.task, 1, 7}, 2, 3).ends_with("/d/r/t/7/2.3.log"));
  {
    AttemptLog log = *AttemptLog::create(path, id, 1'000'000, clock);
    log.stream("out", std::string(100'000, 'x'));
    log.stream("out", "y\n\n");
    log.stream("err", "why");
    log.stream("err", " it failed\n \n");
    EXPECT_EQ(log.last_line("err"), "why it failed");
    EXPECT_EQ(log.last_line("nothing"), "");
  }
  const std::string text = *read_file(path);
  EXPECT_NE(text.find("2013-12-01T05:00:00Z out      " + std::string(65'536, 'x') + "\n"),
            std::string::npos);
  EXPECT_NE(text.find(std::string(34'464, 'x') + "y\n2013-12-01T05:00:00Z out      \n"),
            std::string::npos);
  EXPECT_FALSE(AttemptLog::create("/proc/none/log", id, 1, clock).ok());
}

}  // namespace
}  // namespace millrace::execution
