#include "server/running_program.h"

#include <gtest/gtest.h>

#include "base/file.h"

namespace millrace::server {
namespace {

TEST(RunningProgram, ABuildInItsPlaceIsNoticed) {
  const TemporaryFolder folder = *TemporaryFolder::make();
  const std::string path = folder.path() + "/millrace";
  ASSERT_TRUE(write_file(path, "as it was").ok());
  const RunningProgram program(path);
  EXPECT_FALSE(program.replaced());
  ASSERT_TRUE(write_file(path, "built anew").ok());
  EXPECT_TRUE(program.replaced());
  EXPECT_FALSE(RunningProgram(path).replaced());
}

TEST(RunningProgram, OneThatWasDeletedIsNoticed) {
  const TemporaryFolder folder = *TemporaryFolder::make();
  const std::string path = folder.path() + "/millrace";
  ASSERT_TRUE(write_file(path, "as it was").ok());
  const RunningProgram program(path);
  ASSERT_TRUE(write_file(path + ".new", "x").ok());
  ASSERT_EQ(std::remove(path.c_str()), 0);
  EXPECT_TRUE(program.replaced());
}

TEST(RunningProgram, ThisOneIsAsItWas) {
  EXPECT_FALSE(RunningProgram().replaced());
}

}  // namespace
}  // namespace millrace::server
