#include "project/program.h"

#include <filesystem>

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/file.h"

namespace millrace::project {
namespace {

TEST(Program, WhatIsKilledTakesWhatItHasStartedWithIt) {
  // So that what the program leaves behind becomes a child of this process.
  ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
  const TemporaryFolder folder = *TemporaryFolder::make();
  const std::string program = folder.path() + "/talks_too_much";
  const std::string started = folder.path() + "/started";
  ASSERT_TRUE(write_file(program, "#!/bin/sh\nsleep 20 &\necho $! >" + started +
                                      "\nhead -c 5000000 /dev/zero\nwait\n")
                  .ok());
  std::filesystem::permissions(program, std::filesystem::perms::owner_all);
  const auto described = describe_program(program);
  ASSERT_FALSE(described.ok());
  EXPECT_NE(described.error().message().find("more than 4 MiB"), std::string::npos);
  const auto sleeper = static_cast<pid_t>(std::stoi(*read_file(started, 100)));
  int status = 0;
  if (::waitpid(sleeper, &status, 0) == sleeper)
    EXPECT_TRUE(WIFSIGNALED(status)) << "it slept on";
  else  // the shell had waited for it, before it was ended itself
    EXPECT_EQ(::kill(sleeper, 0), -1) << "it sleeps on";
}

}  // namespace
}  // namespace millrace::project
