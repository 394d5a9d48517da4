#include "server/project_lock.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"

namespace millrace::server {
namespace {

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

}  // namespace
}  // namespace millrace::server
