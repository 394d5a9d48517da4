// Engines of several processes over one spill folder.

#include "engine/spill_folder.h"

#include <csignal>
#include <filesystem>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "engine/engine.h"

namespace millrace::engine {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename());
  return names;
}

TEST(SpillFolder, IsOneForEachEngineAndGoesWithIt) {
  TemporaryFolder shared = *TemporaryFolder::make();
  {
    const SpillFolder first = *SpillFolder::take(shared.path());
    const SpillFolder second = *SpillFolder::take(shared.path());
    EXPECT_NE(first.path(), second.path());
    EXPECT_TRUE(fs::is_directory(first.path())) << "the second did not sweep it";
    ASSERT_TRUE(write_file(first.path() + "/spilled", "x").ok());
  }
  EXPECT_TRUE(names_in(shared.path()).empty());
}

TEST(SpillFolder, WhatAKilledProcessLeftIsSwept) {
  TemporaryFolder shared = *TemporaryFolder::make();
  const pid_t child = ::fork();
  if (child == 0) {
    const auto folder = SpillFolder::take(shared.path());
    if (folder.ok()) static_cast<void>(write_file(folder->path() + "/spilled", "x"));
    ::kill(::getpid(), SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  ASSERT_EQ(names_in(shared.path()), std::vector<std::string>{std::to_string(child)});
  const SpillFolder mine = *SpillFolder::take(shared.path());
  EXPECT_EQ(names_in(shared.path()), std::vector<std::string>{fs::path(mine.path()).filename()});
}

/// How many rows the child's query gave, as its exit status: 0 for all of them.
int spill_in(const std::string& shared) {
  const auto engine =
      open_duckdb({.threads = 2, .memory_bytes = 48ULL << 20U, .spill_folder = shared});
  if (!engine.ok()) return 2;
  const auto session = *(*engine)->open_session();
  const auto groups = session->scalar(
      "select count(*) from (select i % 900000 as k, min('some text that takes room ' || i) as t "
      "from range(1000000) r(i) group by k order by t desc)");
  return groups.ok() && groups->as_integer() == 900'000 ? 0 : 1;
}

TEST(SpillFolder, TwoProcessesThatSpillAtOnceDoNotMeet) {
  TemporaryFolder shared = *TemporaryFolder::make();
  std::vector<pid_t> children;
  for (int i = 0; i < 2; ++i) {
    children.push_back(::fork());
    if (children.back() == 0) ::_exit(spill_in(shared.path()));
  }
  for (const pid_t child : children) {
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status)) << "ended by signal " << WTERMSIG(status);
    EXPECT_EQ(WEXITSTATUS(status), 0);
  }
}

}  // namespace
}  // namespace millrace::engine
