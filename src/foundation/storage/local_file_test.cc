#include "storage/local_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include "base/file.h"

namespace millrace::storage {
namespace {

class LocalFile : public testing::TestWithParam<NewName> {
 protected:
  TemporaryFolder root_ = *TemporaryFolder::make();
  LocalTree tree_ = *LocalTree::open(root_.path());
  FileDescriptor folder_ = *tree_.durable_folder("log");
};

INSTANTIATE_TEST_SUITE_P(BothWays, LocalFile,
                         testing::Values(NewName::LinkOrRename, NewName::RenameOnly));

// Over NFS the answer of a link or rename can be lost; the kernel asks again, and is told that the
// name exists or that the file is gone.
TEST_P(LocalFile, AsksAgainAndSeesThatTheNameIsAlreadyItsOwn) {
  TemporaryFile file = *TemporaryFile::write(tree_, "mine");
  ASSERT_TRUE(file.become(folder_, "0", "log/0", GetParam()).ok());
  const Status again = file.become(folder_, "0", "log/0", GetParam());
  EXPECT_TRUE(again.ok()) << again.error().message();
}

TEST_P(LocalFile, IsNotFooledByTheNameOfAnother) {
  TemporaryFile theirs = *TemporaryFile::write(tree_, "same");
  TemporaryFile ours = *TemporaryFile::write(tree_, "same");
  ASSERT_TRUE(theirs.become(folder_, "0", "log/0", GetParam()).ok());
  const Status late = ours.become(folder_, "0", "log/0", GetParam());
  ASSERT_FALSE(late.ok());
  EXPECT_EQ(late.error().code(), ErrorCode::AlreadyExists);
}

TEST_P(LocalFile, SaysThatAnotherFileSystemIsNotItsPlace) {
  const FileDescriptor elsewhere(::open("/dev/shm", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!elsewhere.is_open()) GTEST_SKIP() << "no /dev/shm";
  TemporaryFile file = *TemporaryFile::write(tree_, "x");
  const Status status = file.become(elsewhere, "millrace-test", "shown", GetParam());
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code(), ErrorCode::Unsupported) << status.error().message();
}

}  // namespace
}  // namespace millrace::storage
