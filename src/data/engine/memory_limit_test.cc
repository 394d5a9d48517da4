#include "engine/memory_limit.h"

#include <gtest/gtest.h>

#include "base/file.h"

namespace millrace::engine {
namespace {

TEST(MemoryLimit, IsTheLeastOfTheGroupsAroundTheProcess) {
  const TemporaryFolder root = *TemporaryFolder::make();
  const auto limit = [&](const std::string& file, const std::string& text) {
    ASSERT_TRUE(write_file(root.path() + "/" + file, text).ok());
  };
  limit("a.slice/b.service/memory.max", "max\n");
  limit("a.slice/memory.max", "300\n");
  limit("a.slice/c.service/memory.max", "200\n");
  limit("free/memory.max", "max\n");
  limit("memory/docker/1/memory.limit_in_bytes", "100\n");
  limit("memory/docker/memory.limit_in_bytes", "9223372036854771712\n");
  struct Case {
    const char* why;
    const char* membership;
    std::uint64_t expected;
  };
  const std::vector<Case> cases = {
      {"of the group around it", "0::/a.slice/b.service\n", 300},
      {"its own", "0::/a.slice/c.service\n", 200},
      {"none", "0::/free\n", 1000},
      {"the root group, as a container sees itself", "0::/\n", 1000},
      {"a group that is not mounted here", "0::/x/y\n", 1000},
      {"version 1", "12:cpu,cpuacct:/a.slice\n5:memory:/docker/1\n", 100},
      {"both versions", "5:memory:/docker/1\n0::/a.slice\n", 100},
      {"a name that only ends so", "5:name=memory:/docker/1\n", 1000},
      {"nothing", "", 1000},
      {"rubbish", "0\n:\n::\n0::relative\n", 1000},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    EXPECT_EQ(memory_limit(c.membership, root.path(), 1000), c.expected);
  }
  limit("memory.max", "50\n");
  EXPECT_EQ(memory_limit("0::/\n", root.path(), 1000), 50U) << "a container's own";
}

TEST(MemoryLimit, TheMachineHasSome) {
  EXPECT_GT(memory_of_machine(), 64U << 20U);
}

}  // namespace
}  // namespace millrace::engine
