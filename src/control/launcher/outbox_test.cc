#include "launcher/outbox.h"

#include <algorithm>
#include <array>

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file_descriptor.h"

namespace millrace::launcher {
namespace {

using Need = LauncherDesk::Need;

class OutboxTest : public testing::Test {
 protected:
  OutboxTest() {
    int pair[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    ours_ = FileDescriptor(pair[0]);
    theirs_ = FileDescriptor(pair[1]);
    outbox_.address_to(ours_.get());
  }
  bool send(std::string line, Need need) { return outbox_.send(make_line(std::move(line)), need); }
  std::string read_some() {
    std::array<char, 1U << 16U> piece;
    const ssize_t size = ::recv(theirs_.get(), piece.data(), piece.size(), MSG_DONTWAIT);
    return {piece.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0))};
  }

  FileDescriptor ours_;
  FileDescriptor theirs_;
  Outbox outbox_;
};

TEST_F(OutboxTest, ALineGoesOutAtOnce) {
  EXPECT_TRUE(send("one\n", Need::Always));
  EXPECT_EQ(read_some(), "one\n");
  EXPECT_FALSE(outbox_.is_waiting());
}

TEST_F(OutboxTest, OneThatDoesNotReadIsNotWaitedForAndGetsAllThatItNeeds) {
  const std::string line = std::string(99'999, 'x') + "\n";
  while (send(line, Need::Always)) {
  }
  for (int i = 0; i < 50; ++i) EXPECT_FALSE(send(line, Need::Always));
  for (int i = 0; i < 50; ++i) EXPECT_FALSE(send("left out\n", Need::IfThereIsRoom));
  send("last\n", Need::Always);
  std::string heard;
  for (std::string more = read_some(); !more.empty(); more = read_some()) {
    heard += more;
    EXPECT_TRUE(outbox_.flush());
  }
  EXPECT_TRUE(heard.ends_with("x\nlast\n"));
  EXPECT_EQ(heard.find("left out"), std::string::npos);
  EXPECT_GT(heard.size(), 50 * line.size());
}

TEST_F(OutboxTest, WhatWaitedForOneIsNotForTheNext) {
  while (send(std::string(100'000, 'x'), Need::Always)) {
  }
  outbox_.address_to(-1);
  EXPECT_TRUE(send("nobody\n", Need::Always));
  while (!read_some().empty()) {
  }
  outbox_.address_to(ours_.get());
  EXPECT_TRUE(send("next\n", Need::Always));
  EXPECT_EQ(read_some(), "next\n");
}

TEST_F(OutboxTest, ThatNobodyReadsAnyMoreIsSeen) {
  theirs_.close();
  EXPECT_FALSE(send("one\n", Need::Always));
  EXPECT_FALSE(outbox_.flush());
}

}  // namespace
}  // namespace millrace::launcher
