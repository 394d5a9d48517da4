// The launcher as a process: killed, told to stop, spoken to by strangers.
#include <algorithm>

#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "launcher/launcher.h"
#include "launcher/launcher_fixture.h"
#include "launcher/launcher_protocol.h"
#include "net/listener.h"

namespace millrace::launcher {
namespace {

FileDescriptor connect_to(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  EXPECT_LT(path.size(), sizeof(address.sun_path));
  std::ranges::copy(path, address.sun_path);
  FileDescriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)),
            0);
  return socket;
}

void say(const FileDescriptor& socket, const std::string& text) {
  std::string_view left = text;
  while (!left.empty()) {
    const ssize_t size = ::send(socket.get(), left.data(), left.size(), MSG_NOSIGNAL);
    if (size <= 0) return;  // it has heard enough
    left.remove_prefix(static_cast<std::size_t>(size));
  }
}

/// All that the launcher says until it ends the connection.
std::string hear_all(const FileDescriptor& socket) {
  std::string heard;
  char piece[4096];
  for (;;) {
    pollfd ready{socket.get(), POLLIN, 0};
    EXPECT_EQ(::poll(&ready, 1, 60'000), 1) << "the connection stays open";
    const ssize_t size = ::recv(socket.get(), piece, sizeof(piece), MSG_DONTWAIT);
    if (size <= 0) return heard;
    heard.append(piece, static_cast<std::size_t>(size));
  }
}

TEST_F(LauncherTest, ALauncherThatIsKilledLosesItsAttemptsAndAnotherTakesItsPlace) {
  const AttemptRequest made = shell("lost", "exec sleep 1000");
  start(made);
  const pid_t first = launcher_of(state());
  ASSERT_EQ(::kill(first, SIGKILL), 0);
  const std::string why = recorder().wait_for_loss(made.id);
  EXPECT_NE(why.find("the launcher (pid " + std::to_string(first) + ")"), std::string::npos) << why;
  EXPECT_NE(why.find("was killed by signal 9"), std::string::npos) << why;
  executor().settled(made.id);
  start(shell("again", "exit 3"));
  EXPECT_EQ(recorder().wait_for_end(execution::attempt_id("again")).exit_code, 3);
  EXPECT_NE(launcher_of(state()), first);
}

TEST_F(LauncherTest, AnEndThatWasNotSettledOutlivesTheLauncherAndTheServer) {
  const AttemptRequest made = shell("exits", "exit 7");
  const std::string token = start(made);
  recorder().wait_for_end(made.id);
  const pid_t first = launcher_of(state());
  server_->die();
  ASSERT_EQ(::kill(first, SIGKILL), 0);
  expect_gone(first);
  server_ = std::make_unique<FakeServer>(state());
  ASSERT_TRUE(executor().adopt(made.id, token));
  EXPECT_EQ(recorder().wait_for_end(made.id).exit_code, 7);
}

TEST_F(LauncherTest, WhatLivedWhenBothWereKilledIsGone) {
  const std::string pids = fifo("pids");
  const AttemptRequest made = shell("lives", "echo $$ > " + pids + "; exec sleep 1000");
  ASSERT_TRUE(executor().start(made).ok());
  const FileDescriptor in(::open(pids.c_str(), O_RDWR | O_CLOEXEC));
  recorder().wait_for_start(made.id);
  const std::string token = executor().resume_token();
  char text[32] = {};
  ASSERT_GT(::read(in.get(), text, sizeof(text) - 1), 0);
  server_->die();
  ASSERT_EQ(::kill(launcher_of(state()), SIGKILL), 0);
  expect_gone(std::stoi(text));
  server_ = std::make_unique<FakeServer>(state());
  EXPECT_FALSE(executor().adopt(made.id, token));
}

TEST_F(LauncherTest, ToldToStopItEndsItsAttemptsAndLeavesNothingBehind) {
  start(shell("lives", "exec sleep 1000"));
  const pid_t launcher = launcher_of(state());
  executor().stop(Duration::zero());
  EXPECT_EQ(recorder().ends(), 1U);
  expect_gone(launcher);
  EXPECT_NE(::access(socket_path(state()).c_str(), F_OK), 0);
  EXPECT_EQ(executor().start(shell("late", "exit 0")).error().code(), ErrorCode::Unavailable);
}

TEST_F(LauncherTest, ThereIsNoLauncherBeforeThereIsSomethingToRun) {
  ASSERT_TRUE(executor().end_the_rest().ok());
  EXPECT_EQ(launcher_of(state()), 0);
}

TEST_F(LauncherTest, StrangersAreSentAwayAndTheServerIsNotDisturbed) {
  const AttemptRequest made = shell("lives", "exec sleep 1000");
  start(made);
  const std::vector<std::string> strange = {
      "GET / HTTP/1.1\r\n\r\n",
      "{\"type\":\"stop\",\"grace_seconds\":0}\n",
      to_line(Order(order::Hello{kProtocolVersion + 1, state(), "/", {}})),
      to_line(Order(order::Hello{kProtocolVersion, "/elsewhere", "/", {}})),
      "\n",
      std::string("\0\0\0\n", 4),
  };
  for (const std::string& words : strange) {
    SCOPED_TRACE(words);
    const FileDescriptor socket = connect_to(socket_path(state()));
    say(socket, words);
    EXPECT_NE(hear_all(socket).find("millrace_launcher"), std::string::npos) << "it says who it is";
  }
  executor().kill(made.id, Duration::zero());
  EXPECT_EQ(recorder().wait_for_end(made.id).signal, SIGKILL) << "the server is still the server";
  EXPECT_NE(read_file(state() + "/launcher.log")->find("its first line must be a hello"),
            std::string::npos);
}

TEST_F(LauncherTest, AServerThatTalksNonsenseLosesItsConnectionAndNotItsAttempts) {
  const AttemptRequest made = shell("lives", "exec sleep 1000");
  const std::string token = start(made);
  server_->die();
  for (const std::string& words :
       {std::string("nonsense\n"), std::string("{\"type\":\"dance\"}\n"),
        std::string("{\"type\":\"hello\",\"millrace_launcher\":1}\n"),
        to_line(Order(order::Hello{kProtocolVersion, state(), "/", {}}))}) {
    SCOPED_TRACE(words);
    const FileDescriptor socket = connect_to(socket_path(state()));
    say(socket, to_line(Order(order::Hello{kProtocolVersion, state(), "/", {}})));
    say(socket, words);
    hear_all(socket);
  }
  EXPECT_NE(read_file(state() + "/launcher.log")->find("it said what cannot be obeyed"),
            std::string::npos);
  server_ = std::make_unique<FakeServer>(state());
  EXPECT_TRUE(executor().adopt(made.id, token));
}

TEST_F(LauncherTest, ALauncherOfAFolderThatWasMovedIsEndedWithItsAttempts) {
  const TemporaryFolder parent = *TemporaryFolder::make();
  const std::string here = parent.path() + "/here";
  const std::string there = parent.path() + "/there";
  ASSERT_TRUE(make_folders(here).ok());
  const AttemptRequest made = shell("lives", "exec sleep 1000");
  std::string token;
  {
    FakeServer first(here);
    ASSERT_TRUE(first.executor->start(made).ok());
    first.recorder.wait_for_start(made.id);
    token = first.executor->resume_token();
    first.die();
  }
  const pid_t launcher = launcher_of(here);
  ASSERT_EQ(::rename(here.c_str(), there.c_str()), 0);
  FakeServer second(there);
  expect_gone(launcher);
  EXPECT_FALSE(second.executor->adopt(made.id, token));
  second.executor->stop(Duration::zero());
}

/// A launcher as another version of this program would be: it listens, says `words`, then so many
/// bytes without an end, and waits.
TEST(Program, DISABLED_OtherLauncher) {
  const std::vector<std::string> arguments = testing::internal::GetArgvs();
  const std::string& words = arguments[arguments.size() - 3];
  const std::string endless(std::stoul(arguments[arguments.size() - 2]), 'x');
  const auto listener =
      net::Listener::open(net::Listen::unix_socket(socket_path(arguments.back())));
  ASSERT_TRUE(listener.ok()) << listener.error().message();
  ::signal(SIGPIPE, SIG_IGN);
  std::puts("it listens");
  std::fflush(stdout);
  std::vector<FileDescriptor> connections;
  for (;;) {
    pollfd waiting{listener->descriptor(), POLLIN, 0};
    ::poll(&waiting, 1, -1);
    connections.emplace_back(::accept(listener->descriptor(), nullptr, nullptr));
    std::puts("it was found");
    std::fflush(stdout);
    say(connections.back(), words);
    say(connections.back(), endless);
  }
}

void wait_for_words(const FileDescriptor& from, const std::string& words) {
  std::string said;
  char piece[256];
  while (said.find(words) == std::string::npos) {
    pollfd ready{from.get(), POLLIN, 0};
    const ssize_t size =
        ::poll(&ready, 1, 60'000) == 1 ? ::read(from.get(), piece, sizeof(piece)) : 0;
    EXPECT_GT(size, 0) << said;
    if (size <= 0) return;
    said.append(piece, static_cast<std::size_t>(size));
  }
}

/// Returns its pid when it listens. `output`: where what it says besides can be read.
pid_t start_other_launcher(const std::string& state, const std::string& words,
                           std::size_t endless = 0, FileDescriptor* output = nullptr) {
  int out[2];
  EXPECT_EQ(::pipe2(out, O_CLOEXEC), 0);
  FileDescriptor reading(out[0]);
  FileDescriptor writing(out[1]);
  const std::string program = own_program();
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::dup2(out[1], STDOUT_FILENO);
    ::execl(program.c_str(), program.c_str(), "--gtest_filter=Program.DISABLED_OtherLauncher",
            "--gtest_also_run_disabled_tests", words.c_str(), std::to_string(endless).c_str(),
            state.c_str(), nullptr);
    ::_exit(127);
  }
  writing.close();
  wait_for_words(reading, "it listens");
  if (output != nullptr) *output = std::move(reading);
  return pid;
}

TEST(LauncherProcess, OneThatDoesNotFitIsEndedAndAnotherStarted) {
  struct Case {
    std::string why;
    std::string words;
  };
  const std::vector<Case> cases = {
      {"another version", "{\"type\":\"hello\",\"millrace_launcher\":2,\"new\":[]}\n"},
      {"no launcher's words", "HTTP/1.1 400 Bad Request\r\n"},
      {"it says nothing", ""},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    const TemporaryFolder folder = *TemporaryFolder::make();
    const pid_t other = start_other_launcher(folder.path(), c.words);
    LauncherExecutorOptions options = options_for(folder.path());
    if (c.words.empty()) options.patience = std::chrono::milliseconds(100);
    FakeServer server(options);
    int status = 0;
    ASSERT_EQ(::waitpid(other, &status, 0), other);
    EXPECT_TRUE(WIFSIGNALED(status));
    FakeServer next(options_for(folder.path()));
    AttemptRequest made;
    made.id = execution::attempt_id("runs");
    made.work.command = {"true"};
    made.work.speaks = Preparation::Speaks::Nothing;
    ASSERT_TRUE(next.executor->start(made).ok());
    EXPECT_EQ(next.recorder.wait_for_end(made.id).exit_code, 0);
    next.executor->stop(Duration::zero());
  }
}

TEST(LauncherProcess, OneThatSaysALineWithoutAnEndIsEndedAndNotAskedAgain) {
  const TemporaryFolder folder = *TemporaryFolder::make();
  const std::string hello = to_line(Report(report::Hello{kProtocolVersion, folder.path()}));
  const pid_t other = start_other_launcher(folder.path(), hello, kLongestLine + 1);
  FakeServer server(folder.path());
  const Status ended = server.executor->end_the_rest();
  EXPECT_TRUE(ended.ok()) << ended.error().message();
  int status = 0;
  ASSERT_EQ(::waitpid(other, &status, 0), other);
  EXPECT_TRUE(WIFSIGNALED(status));
}

TEST(LauncherProcess, OfOneThatDoesNotAnswerIsAskedOnceForAll) {
  const TemporaryFolder folder = *TemporaryFolder::make();
  const std::string hello = to_line(Report(report::Hello{kProtocolVersion, folder.path()}));
  const pid_t other = start_other_launcher(folder.path(), hello);
  LauncherExecutorOptions options = options_for(folder.path());
  options.patience = std::chrono::seconds(1);
  FakeServer server(options);
  const auto begun = std::chrono::steady_clock::now();
  for (int i = 0; i < 100; ++i)
    EXPECT_FALSE(server.executor->adopt(execution::attempt_id(std::to_string(i)), "a.1"));
  const Status rest = server.executor->end_the_rest();
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(50));
  EXPECT_EQ(rest.error().code(), ErrorCode::Unavailable);
  EXPECT_NE(rest.error().message().find("`kill -9 " + std::to_string(other) + "`"),
            std::string::npos)
      << rest.error().message();
  ::kill(other, SIGKILL);
  ::waitpid(other, nullptr, 0);
}

TEST_F(LauncherTest, WhileAnotherLauncherIsWaitedForNobodyElseWaits) {
  const AttemptRequest made = shell("lives", "exec sleep 1000");
  start(made);
  ASSERT_EQ(::unlink(socket_path(state()).c_str()), 0);
  FileDescriptor output;
  const pid_t other = start_other_launcher(state(), "", 0, &output);  // it does not say hello
  ASSERT_EQ(::kill(launcher_of(state()), SIGKILL), 0);
  wait_for_words(output, "it was found");
  executor().kill(made.id, Duration::zero());
  EXPECT_EQ(recorder().losses(), 0U) << "it is still waited for";
  ::kill(other, SIGKILL);
  ::waitpid(other, nullptr, 0);
  recorder().wait_for_loss(made.id);
}

TEST_F(LauncherTest, AnAttemptThatWaitsForALauncherIsCancelledAtOnce) {
  FileDescriptor output;
  const pid_t other = start_other_launcher(state(), "", 0, &output);  // it does not say hello
  const AttemptRequest made = shell("waits", "exec sleep 1000");
  ASSERT_TRUE(executor().start(made).ok());
  wait_for_words(output, "it was found");
  executor().kill(made.id, Duration::zero());
  EXPECT_EQ(recorder().wait_for_end(made.id).outcome.error, ErrorCode::Cancelled)
      << "it had not begun";
  EXPECT_EQ(::waitpid(other, nullptr, WNOHANG), 0) << "that launcher is still waited for";
  ::kill(other, SIGKILL);
  ::waitpid(other, nullptr, 0);
}

TEST_F(LauncherTest, AnAttemptThatWaitsIsStartedAlsoWhenItsServerLetsGo) {
  LauncherExecutorOptions options = options_for(state());
  options.patience = std::chrono::seconds(1);
  server_ = std::make_unique<FakeServer>(options);
  FileDescriptor output;
  const pid_t other = start_other_launcher(state(), "", 0, &output);  // it is ended after a second
  const AttemptRequest made = shell("waits", "exec sleep 1000");
  ASSERT_TRUE(executor().start(made).ok());
  wait_for_words(output, "it was found");
  const std::string token = executor().resume_token();
  next_server();
  EXPECT_TRUE(executor().adopt(made.id, token));
  ::waitpid(other, nullptr, 0);
}

TEST_F(LauncherTest, WhenTheRestWasEndedNobodyIsAskedForWhatIsLeft) {
  ASSERT_TRUE(executor().end_the_rest().ok());
  EXPECT_FALSE(executor().adopt(execution::attempt_id("gone"), "a.1"));
  EXPECT_EQ(launcher_of(state()), 0) << "no launcher was started for that";
}

TEST_F(LauncherTest, AnErrorOfOursWhileAnEndIsToldCostsTheConnectionAndNotTheServer) {
  recorder().throw_at_ends(1);
  const AttemptRequest made = shell("exits", "exit 7");
  start(made);
  EXPECT_EQ(recorder().wait_for_end(made.id).exit_code, 7) << "told again";
  start(shell("next", "exit 8"));
  EXPECT_EQ(recorder().wait_for_end(execution::attempt_id("next")).exit_code, 8);
}

TEST_F(LauncherTest, ALauncherThatBreaksTheServerAgainAndAgainIsEnded) {
  recorder().throw_at_ends(1'000);
  const AttemptRequest made = shell("exits", "exit 7");
  start(made);
  const pid_t launcher = launcher_of(state());
  recorder().wait_for_loss(made.id);
  expect_gone(launcher);
  recorder().throw_at_ends(0);
}

TEST_F(LauncherTest, WhatWasOrderedWhileTheConnectionWasGoneIsOrderedAgain) {
  const AttemptRequest made = shell("lives", "exec sleep 1000");
  start(made);
  // Another one who says hello takes the place of the server, and goes.
  const FileDescriptor impostor = connect_to(socket_path(state()));
  say(impostor, to_line(Order(order::Hello{kProtocolVersion, state(), "/", {}})));
  executor().kill(made.id, Duration::zero());
  EXPECT_EQ(recorder().wait_for_end(made.id).signal, SIGKILL);
}

TEST_F(LauncherTest, ALauncherThatRunsAttemptsAndSaysNothingIsTold) {
  LauncherExecutorOptions options = options_for(state());
  options.odd_silence = Duration::zero();
  FakeServer server(options);
  EXPECT_EQ(server.executor->trouble(), "");
  const AttemptRequest made = shell("lives", "exec sleep 1000");
  ASSERT_TRUE(server.executor->start(made).ok());
  server.recorder.wait_for_start(made.id);
  const std::string launcher = std::to_string(launcher_of(state()));
  const std::string trouble = server.executor->trouble();
  EXPECT_NE(trouble.find("the launcher (pid " + launcher + ")"), std::string::npos) << trouble;
  EXPECT_NE(trouble.find("`kill -9 " + launcher + "`"), std::string::npos) << trouble;
  server.executor->kill(made.id, Duration::zero());
  server.recorder.wait_for_end(made.id);
  EXPECT_EQ(server.executor->trouble(), "") << "nothing is waited for";
}

TEST_F(LauncherTest, ASocketThatWasRemovedIsThereAgainForTheNextServer) {
  const AttemptRequest made = shell("lives", "exec sleep 1000");
  const std::string token = start(made);
  ASSERT_EQ(::unlink(socket_path(state()).c_str()), 0);
  next_server();
  EXPECT_TRUE(executor().adopt(made.id, token));
}

TEST_F(LauncherTest, ALauncherThatHasJustSpokenIsNoTrouble) {
  start(shell("lives", "exec sleep 1000"));
  EXPECT_EQ(executor().trouble(), "");
}

TEST(LauncherProcess, WhyItCannotServeIsSaid) {
  const TemporaryFolder folder = *TemporaryFolder::make();
  ASSERT_TRUE(make_folders(folder.path() + "/launcher.sock/x").ok());  // a folder in its place
  FakeServer server(folder.path());
  const AttemptId attempt = execution::attempt_id("any");
  ASSERT_TRUE(server.executor->start({.id = attempt}).ok());
  const Outcome outcome = server.recorder.wait_for_end(attempt).outcome;
  EXPECT_EQ(outcome.kind, Outcome::Kind::Failed);
  EXPECT_NE(outcome.message.find("launcher.sock"), std::string::npos) << outcome.message;
}

TEST(LauncherProcess, ItLeavesWhenNobodyIsThereAndNothingRuns) {
  const TemporaryFolder folder = *TemporaryFolder::make();
  const auto clock = make_system_clock();
  LauncherOptions options;
  options.state = folder.path();
  options.leave_after = std::chrono::milliseconds(1);
  const Status served = run_launcher(options, *clock);
  EXPECT_TRUE(served.ok()) << served.error().message();
  EXPECT_NE(::access(socket_path(folder.path()).c_str(), F_OK), 0);
}

TEST(LauncherProcess, TwoOfOneFolderAreNotThereAtOnce) {
  const TemporaryFolder folder = *TemporaryFolder::make();
  const FileDescriptor held(
      ::open((folder.path() + "/launcher.lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  ASSERT_TRUE(*try_lock_exclusively(held, "the lock"));
  const auto clock = make_system_clock();
  LauncherOptions options;
  options.state = folder.path();
  options.patience = Duration::zero();
  EXPECT_EQ(run_launcher(options, *clock).error().code(), ErrorCode::AlreadyExists);
}

}  // namespace
}  // namespace millrace::launcher
