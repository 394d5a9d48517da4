// What a statement may use, and how far it is. How it is stopped: engine_contract.cc.

#include <atomic>
#include <chrono>
#include <thread>

#include <gtest/gtest.h>
#include <sys/resource.h>

#include "base/file.h"
#include "engine/engine.h"

namespace millrace::engine {
namespace {

constexpr std::string_view kWide =
    "select i % 900000 as k, count(*) as n, min('some text that takes room ' || i) as t "
    "from range(1000000) r(i) group by k order by t desc";

/// Too little for kWide: with a folder it spills, without one it ends.
constexpr std::uint64_t kMemory = 48ULL << 20U;

TEST(Limits, WhatDoesNotFitMemorySpillsToTheFolder) {
  TemporaryFolder folder = *TemporaryFolder::make();
  auto engine =
      *open_duckdb({.threads = 2, .memory_bytes = kMemory, .spill_folder = folder.path()});
  auto session = *engine->open_session();
  auto rows = session->query(kWide);
  ASSERT_TRUE(rows.ok()) << rows.error().message();
  std::size_t count = 0;
  for (;;) {
    auto batch = (*rows)->next();
    ASSERT_TRUE(batch.ok()) << batch.error().message();
    if (!*batch) break;
    count += (*batch)->row_count();
  }
  EXPECT_EQ(count, 900'000U);
}

TEST(Limits, WithoutAFolderItEndsWithTheRemedy) {
  auto engine = *open_duckdb({.threads = 2, .memory_bytes = kMemory});
  auto session = *engine->open_session();
  auto rows = session->query(kWide);
  ASSERT_FALSE(rows.ok());
  EXPECT_EQ(rows.error().code(), ErrorCode::Exhausted);
  EXPECT_NE(rows.error().message().find("spill folder"), std::string::npos)
      << rows.error().message();
  EXPECT_EQ(rows.error().message().find("SET "), std::string::npos) << rows.error().message();
  EXPECT_EQ(session->scalar("select 1")->as_integer(), 1) << "the session works on";
}

TEST(Limits, WhatCannotSpillIsExhaustedTooNotKilled) {
  TemporaryFolder folder = *TemporaryFolder::make();
  auto engine =
      *open_duckdb({.threads = 2, .memory_bytes = kMemory, .spill_folder = folder.path()});
  auto session = *engine->open_session();
  auto value = session->scalar(
      "select len(string_agg('some text that takes room ' || i)) from range(6000000) r(i)");
  ASSERT_FALSE(value.ok());
  EXPECT_EQ(value.error().code(), ErrorCode::Exhausted) << value.error().message();
}

TEST(Limits, ALargeAnswerComesInOrderAndIsNotKeptInMemory) {
  TemporaryFolder folder = *TemporaryFolder::make();
  auto engine = *open_duckdb({.threads = 4, .memory_bytes = 96ULL << 20U});
  auto session = *engine->open_session();
  // 5 million rows of 60 bytes: 300 MB if they were kept.
  auto files = session->write_parquet(
      "select i, 'a text that is long enough to be kept outside ' || i as t from range(5000000) "
      "r(i)",
      {.folder = folder.path(), .ordered = true});
  ASSERT_TRUE(files.ok()) << files.error().message();
  TableScan scan{columnar::Schema({{"i", columnar::simple(columnar::Kind::Int64)},
                                   {"t", columnar::simple(columnar::Kind::String)}}),
                 {{folder.path() + "/" + files->at(0).relative_path, {}}}};
  ASSERT_TRUE(session->define_scan("t", scan).ok());
  auto rows = *session->query("select * from t");
  rusage before{};
  std::int64_t count = 0;
  bool in_order = true;
  for (;;) {
    auto batch = rows->next();
    ASSERT_TRUE(batch.ok()) << batch.error().message();
    if (!*batch) break;
    for (std::size_t row = 0; row < (*batch)->row_count(); ++row) {
      in_order = in_order && (*batch)->column(0).integer(row) == count++;
    }
    if (count < 1'000'000) getrusage(RUSAGE_SELF, &before);
  }
  rusage after{};
  getrusage(RUSAGE_SELF, &after);
  EXPECT_EQ(count, 5'000'000);
  EXPECT_TRUE(in_order);
#ifndef __SANITIZE_ADDRESS__  // which keeps what was freed for a while
  EXPECT_LT(after.ru_maxrss - before.ru_maxrss, 50'000) << "KiB more than after the first million";
#endif
}

TEST(Limits, SessionsOfOneEngineWorkSideBySide) {
  auto engine = *open_duckdb({.threads = 2});
  std::atomic<int> right = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      for (int round = 0; round < 5; ++round) {
        auto session = *engine->open_session();
        bool defined = session->define_view("s.v", "select " + std::to_string(i) + " as a").ok();
        auto value = session->scalar("select sum(a) from s.v, range(1000)");
        right += defined && value.ok() && value->as_integer() == 1000L * i ? 1 : 0;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(right, 40);
}

class Running : public testing::Test {
 protected:
  void SetUp() override {
    engine_ = *open_duckdb({.threads = 2, .progress = true});
    session_ = *engine_->open_session();
  }

  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Session> session_;
};

// It would take a fifth of the CPU time of what runs.
TEST(Limits, NobodyCountsProgressWhereNobodyWantsIt) {
  auto engine = *open_duckdb({.threads = 2});
  auto session = *engine->open_session();
  EXPECT_EQ(session->scalar("select current_setting('enable_progress_bar')")->dump(), "false");
}

TEST_F(Running, ProgressGrowsWhileAStatementRuns) {
  TemporaryFolder folder = *TemporaryFolder::make();
  ASSERT_TRUE(
      session_->write_parquet("select i from range(3000000) t(i)", {.folder = folder.path()}).ok());
  ASSERT_TRUE(session_
                  ->execute("create view v as select * from read_parquet('" + folder.path() +
                            "/*.parquet')")
                  .ok());
  std::atomic<bool> done = false;
  double seen = 0;
  std::thread watcher([&] {
    while (!done) {
      std::optional<double> progress = session_->progress();
      if (progress && *progress > seen) seen = *progress;
      std::this_thread::yield();
    }
  });
  auto value = session_->scalar("select count(distinct md5(i::varchar)) from v");
  done = true;
  watcher.join();
  ASSERT_TRUE(value.ok()) << value.error().message();
  EXPECT_GT(seen, 0.1);
  EXPECT_LE(seen, 1.0);
}

}  // namespace
}  // namespace millrace::engine
