#include "net/listener.h"

#include <algorithm>
#include <atomic>
#include <latch>
#include <optional>
#include <thread>

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"

namespace millrace::net {
namespace {

class UnixListener : public testing::Test {
 protected:
  std::string path() const { return folder_.path() + "/s.sock"; }
  std::string long_folder() const { return folder_.path() + "/" + std::string(200, 'a'); }
  /// The file of a server that died.
  void leave_a_dead_socket() {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::ranges::copy(path(), address.sun_path);
    ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ::close(fd);
  }
  static bool exists(const std::string& file) {
    struct stat found{};
    return ::lstat(file.c_str(), &found) == 0;
  }

  TemporaryFolder folder_ = *TemporaryFolder::make();
};

TEST_F(UnixListener, OnlyThisUserMayOpenItAndItGoesWithItsOwner) {
  {
    const auto listener = Listener::open(Listen::unix_socket(path()));
    ASSERT_TRUE(listener.ok()) << listener.error().message();
    struct stat found{};
    ASSERT_EQ(::stat(path().c_str(), &found), 0);
    EXPECT_EQ(found.st_mode & 0777U, 0600U);
    EXPECT_EQ(listener->address(), "unix:" + path());
  }
  EXPECT_FALSE(exists(path()));
}

TEST_F(UnixListener, TakesThePlaceOfADeadServerButNotOfALiveOne) {
  leave_a_dead_socket();
  const auto first = Listener::open(Listen::unix_socket(path()));
  ASSERT_TRUE(first.ok()) << first.error().message();
  EXPECT_EQ(Listener::open(Listen::unix_socket(path())).error().code(), ErrorCode::AlreadyExists);
  EXPECT_TRUE(exists(path()));
}

TEST_F(UnixListener, OfSeveralThatStartAtOnceOneGetsThePlace) {
  for (int round = 0; round < 20; ++round) {
    leave_a_dead_socket();
    std::atomic<int> taken{0};
    std::atomic<int> surprises{0};
    std::latch all_tried(4);
    std::vector<std::thread> servers;
    servers.reserve(4);
    for (int i = 0; i < 4; ++i)
      servers.emplace_back([&] {
        const auto listener = Listener::open(Listen::unix_socket(path()));
        if (listener.ok()) ++taken;
        if (!listener.ok() && listener.error().code() != ErrorCode::AlreadyExists) ++surprises;
        all_tried.arrive_and_wait();
      });
    for (std::thread& server : servers) server.join();
    EXPECT_EQ(taken, 1);
    EXPECT_EQ(surprises, 0);
    EXPECT_FALSE(exists(path()));
  }
}

TEST_F(UnixListener, LeavesTheFileOfAServerThatTookItsPlace) {
  std::optional<Listener> first(*Listener::open(Listen::unix_socket(path())));
  ASSERT_EQ(::unlink(path().c_str()), 0);
  const auto second = Listener::open(Listen::unix_socket(path()));
  ASSERT_TRUE(second.ok());
  first.reset();
  EXPECT_TRUE(exists(path()));
}

TEST_F(UnixListener, LeavesOtherFilesAlone) {
  ASSERT_TRUE(write_file(path(), "precious").ok());
  EXPECT_EQ(Listener::open(Listen::unix_socket(path())).error().code(), ErrorCode::AlreadyExists);
  EXPECT_EQ(*read_file(path()), "precious");
}

TEST_F(UnixListener, SaysWhatIsWrongWithThePath) {
  EXPECT_EQ(Listener::open(Listen::unix_socket(folder_.path() + "/absent/s")).error().code(),
            ErrorCode::NotFound);
  EXPECT_EQ(Listener::open(Listen::unix_socket(folder_.path() + "/" + std::string(120, 'a')))
                .error()
                .code(),
            ErrorCode::Invalid);
  EXPECT_EQ(Listener::open(Listen::unix_socket(long_folder() + "/absent/s")).error().code(),
            ErrorCode::NotFound);
}

TEST_F(UnixListener, AFolderMayBeDeeperThanASocketsAddressIsLong) {
  ASSERT_TRUE(make_folders(long_folder()).ok());
  const std::string path = long_folder() + "/s.sock";
  ASSERT_GT(path.size(), sizeof(sockaddr_un::sun_path));
  {
    const auto listener = Listener::open(Listen::unix_socket(path));
    ASSERT_TRUE(listener.ok()) << listener.error().message();
    EXPECT_EQ(listener->address(), "unix:" + path);
    EXPECT_TRUE(exists(path));
    EXPECT_EQ(Listener::open(Listen::unix_socket(path)).error().code(), ErrorCode::AlreadyExists);
  }
  EXPECT_FALSE(exists(path));
}

TEST(TcpListener, TakesAFreePortAndSaysWhich) {
  const auto listener = Listener::open(Listen::tcp("127.0.0.1", 0));
  ASSERT_TRUE(listener.ok());
  EXPECT_NE(listener->port(), 0);
  EXPECT_EQ(listener->address(), "127.0.0.1:" + std::to_string(listener->port()));
  EXPECT_EQ(Listener::open(Listen::tcp("127.0.0.1", listener->port())).error().code(),
            ErrorCode::AlreadyExists);
}

TEST(TcpListener, WantsAnAddressOfThisMachine) {
  for (const char* host : {"", "localhost", "127.0.0.1:80", "203.0.113.7", "*"})
    EXPECT_EQ(Listener::open(Listen::tcp(host, 0)).error().code(), ErrorCode::Invalid) << host;
}

}  // namespace
}  // namespace millrace::net
