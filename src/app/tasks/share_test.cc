// How much of the machine an attempt takes, and what becomes of one that wants more.

#include "tasks/share.h"

#include <latch>

#include "tasks/memory_watch.h"
#include "tasks/project_fixture.h"

namespace millrace::tasks {
namespace {

constexpr std::uint64_t kMiB = 1ULL << 20U;

TEST(Share, IsTheSmallerOfTaskAndTarget) {
  struct Case {
    const char* why;
    orchestration::Resources task;
    int target_threads;
    std::uint64_t target_mib;
    int threads;
    std::uint64_t engine_mib;
  };
  const std::vector<Case> cases = {
      {"a task that says nothing", {}, 2, 2000, 2, 2000},
      {"neither says anything", {}, 0, 0, 0, 0},
      {"one thread", {.threads = 1}, 4, 0, 1, 0},
      {"fewer threads than the target's", {.threads = 2}, 4, 0, 2, 0},
      {"more threads than the target's", {.threads = 8}, 2, 0, 2, 0},
      {"threads where the target has no limit", {.threads = 3}, 0, 0, 3, 0},
      {"half of what the process leaves", {.memory_bytes = 464 * kMiB}, 0, 0, 0, 200},
      {"no more than the target's", {.memory_bytes = 4064 * kMiB}, 0, 500, 0, 500},
      {"no less than an engine needs", {.memory_bytes = 70 * kMiB}, 0, 500, 0, 32},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    project::Target target;
    target.threads = c.target_threads;
    target.memory_bytes = c.target_mib * kMiB;
    const Share share = share_of(c.task, target);
    EXPECT_EQ(share.threads, c.threads);
    EXPECT_EQ(share.engine_bytes, c.engine_mib * kMiB);
    EXPECT_EQ(share.process_bytes > 0, c.task.memory_bytes > 0);
    EXPECT_LE(share.process_bytes, c.task.memory_bytes);
  }
}

TEST(MemoryWatch, StopsWhatHoldsTooMuchAndNothingElse) {
  std::latch stopped(1);
  {
    std::atomic<bool> first = true;
    const MemoryWatch watch(resident_bytes() / 2, [&] {
      if (first.exchange(false)) stopped.count_down();
    });
    stopped.wait();
    EXPECT_TRUE(watch.has_stopped());
  }
  const MemoryWatch without_limit(0, [] { FAIL() << "there is no limit"; });
  EXPECT_FALSE(without_limit.has_stopped());
}

class Resources : public ProjectTest {
 protected:
  /// Wants hundreds of megabytes to group and to order.
  void SetUp() override {
    ProjectTest::SetUp();
    write("models/wide.sql",
          "{{ config(materialized='table') }}\n"
          "select i % 900000 as k, min('some text that takes room ' || i) as t\n"
          "from range(1000000) r(i) group by k order by t desc");
    change("pipelines/daily.yml", "tasks:\n",
           "tasks:\n  - {id: wide, kind: sql_model, model: wide}\n");
  }
  Result<Json> run_wide_with(std::uint64_t memory_bytes) {
    return run("wide", "2013-01-21", [&](orchestration::TaskInstance& instance) {
      instance.task.resources.memory_bytes = memory_bytes;
    });
  }
};

TEST_F(Resources, ATaskWithLittleMemorySpills) {
  // The engine gets 48 MiB of it.
  change("millrace.yml", "memory: 500MB", "memory: 48MiB");
  const Json made = good(run_wide_with(4'000'000'000));
  EXPECT_EQ(made["rows"].as_integer(), 900'000);
  EXPECT_TRUE(std::filesystem::is_empty(path(".millrace/spill"))) << "nothing is left of it";
}

TEST_F(Resources, ATaskThatComesNearItsMemoryEndsItselfWithTheRemedy) {
  const auto ended = run_wide_with(resident_bytes() + 8 * kMiB);
  ASSERT_FALSE(ended.ok());
  EXPECT_EQ(ended.error().code(), ErrorCode::Exhausted);
  EXPECT_NE(said(ended).find("raise 'memory' there"), std::string::npos) << said(ended);
}

}  // namespace
}  // namespace millrace::tasks
