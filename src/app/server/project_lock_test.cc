#include "server/project_lock.h"

#include <filesystem>
#include <future>
#include <thread>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"

namespace millrace::server {
namespace {

bool write_holder(const FileDescriptor& file, pid_t pid) {
  const std::string text = R"({"pid":)" + std::to_string(pid) + R"(,"since":"now"})";
  return ::ftruncate(file.get(), 0) == 0 &&
         ::pwrite(file.get(), text.data(), text.size(), 0) == static_cast<ssize_t>(text.size());
}

TEST(ProjectLock, TheSecondServerLearnsWhoHoldsTheProject) {
  const TemporaryFolder folder = *TemporaryFolder::make();
  const auto first = ProjectLock::take(folder.path(), "2013-12-01T05:00:00Z");
  ASSERT_TRUE(first.ok());
  const auto second = ProjectLock::take(folder.path(), "later");
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code(), ErrorCode::AlreadyExists);
  EXPECT_NE(second.error().message().find("pid " + std::to_string(::getpid())), std::string::npos);
  EXPECT_NE(second.error().message().find("2013-12-01T05:00:00Z"), std::string::npos);
}

TEST(ProjectLock, WhileItsHolderStartsTheLauncherIsNamedThatItWaitsFor) {
  const TemporaryFolder folder = *TemporaryFolder::make();
  const std::string path = folder.path() + "/launcher.lock";
  const FileDescriptor launcher(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  ASSERT_TRUE(write_holder(launcher, ::getpid()));
  const auto lock = ProjectLock::take(folder.path(), "2013-12-01T05:00:00Z");
  ASSERT_TRUE(lock.ok());
  EXPECT_EQ(ProjectLock::launcher_waited_for(folder.path()), 0) << "that launcher has ended";
  ASSERT_TRUE(lock_exclusively(launcher, path).ok());
  EXPECT_EQ(ProjectLock::launcher_waited_for(folder.path()), ::getpid());
  lock->note_that_it_has_started();
  EXPECT_EQ(ProjectLock::launcher_waited_for(folder.path()), 0);
  EXPECT_EQ(ProjectLock::holder(folder.path()), ::getpid());
}

TEST(ProjectLock, AHolderIsNamedAlsoWhenItHasOnlyJustTakenTheLock) {
  const TemporaryFolder folder = *TemporaryFolder::make();
  const std::string path = folder.path() + "/lock";
  const FileDescriptor holder(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  // The one before it is dead.
  const pid_t dead = ::fork();
  if (dead == 0) ::_exit(0);
  ASSERT_EQ(::waitpid(dead, nullptr, 0), dead);
  ASSERT_TRUE(write_holder(holder, dead));
  ASSERT_TRUE(lock_exclusively(holder, path).ok());
  auto second =
      std::async(std::launch::async, [&] { return ProjectLock::take(folder.path(), "x"); });
  EXPECT_EQ(second.wait_for(std::chrono::milliseconds(50)), std::future_status::timeout)
      << "it does not name the dead one";
  ASSERT_TRUE(write_holder(holder, ::getpid()));
  const auto refused = second.get();
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::AlreadyExists);
  EXPECT_NE(refused.error().message().find("pid " + std::to_string(::getpid()) + " since"),
            std::string::npos)
      << refused.error().message();
}

TEST(ProjectLock, AProcessThatHasTheNumberOfADeadHolderHoldsNothing) {
  const TemporaryFolder folder = *TemporaryFolder::make();
  const std::string path = folder.path() + "/lock";
  FileDescriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  ASSERT_TRUE(write_holder(file, ::getpid()));
  EXPECT_EQ(ProjectLock::holder(folder.path()), 0);
  ASSERT_TRUE(lock_exclusively(file, path).ok());
  EXPECT_EQ(ProjectLock::holder(folder.path()), ::getpid());
}

TEST(ProjectLock, ADeadHolderHoldsNothing) {
  const TemporaryFolder folder = *TemporaryFolder::make();
  const pid_t child = ::fork();
  if (child == 0) {
    const auto lock = ProjectLock::take(folder.path(), "x");
    ::kill(::getpid(), SIGKILL);
  }
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_TRUE(ProjectLock::take(folder.path(), "y").ok());
}

TEST(ProjectLock, IsFreeAgainAfterwards) {
  const TemporaryFolder folder = *TemporaryFolder::make();
  {
    ASSERT_TRUE(ProjectLock::take(folder.path(), "x").ok());
  }
  EXPECT_TRUE(ProjectLock::take(folder.path(), "y").ok());
}

TEST(ProjectLock, NoticesThatItsFolderWasMovedOrReplaced) {
  const TemporaryFolder folder = *TemporaryFolder::make();
  const std::string state = folder.path() + "/state";
  std::filesystem::create_directory(state);
  const auto lock = ProjectLock::take(state, "x");
  ASSERT_TRUE(lock.ok() && lock->check_place().ok());
  std::filesystem::rename(state, folder.path() + "/moved");
  EXPECT_EQ(lock->check_place().error().code(), ErrorCode::Unavailable);
  std::filesystem::copy(folder.path() + "/moved", state);
  EXPECT_EQ(lock->check_place().error().code(), ErrorCode::Unavailable);
  std::filesystem::remove_all(state);
  std::filesystem::rename(folder.path() + "/moved", state);
  EXPECT_TRUE(lock->check_place().ok());
}

TEST(ProjectLock, IsNotTakenOfAFolderThatIsReplacedMeanwhile) {
  const TemporaryFolder folder = *TemporaryFolder::make();
  const std::string state = folder.path() + "/state";
  for (const char* one : {"/a", "/b"}) std::filesystem::create_directory(folder.path() + one);
  std::filesystem::create_directory_symlink("a", state);
  // Between opening the lock and looking where its path leads is a moment: it is met in the end.
  std::jthread replacing([&](const std::stop_token& stop) {
    for (int i = 1; !stop.stop_requested(); ++i) {
      std::filesystem::create_directory_symlink(i % 2 == 0 ? "a" : "b", folder.path() + "/next");
      std::filesystem::rename(folder.path() + "/next", state);
    }
  });
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  auto taken = ProjectLock::take(state, "x");
  while (taken.ok() && std::chrono::steady_clock::now() < give_up) {
    taken = Error(ErrorCode::Internal, "let go of");
    taken = ProjectLock::take(state, "x");
  }
  ASSERT_FALSE(taken.ok());
  EXPECT_EQ(taken.error().code(), ErrorCode::Unavailable);
  EXPECT_NE(taken.error().message().find("was moved or replaced"), std::string::npos);
}

}  // namespace
}  // namespace millrace::server
