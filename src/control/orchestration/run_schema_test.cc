#include "orchestration/run_schema.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "metadata/sql_script.h"
#include "orchestration/run_store.h"

namespace millrace::orchestration {
namespace {

using metadata::Transaction;

const RunKey kFinished{DagId("weekly"), RunId("2013-01-05T00:00:00Z")};
const RunKey kRunning{DagId("weekly"), RunId("2013-01-06T00:00:00Z")};

/// A database as an older Millrace left it.
class SavedDatabase : public testing::Test {
 protected:
  void load(const std::string& name) {
    const std::string path = MILLRACE_SOURCE_DIR "/src/control/orchestration/saved/" + name;
    const std::string script = *read_file(path);
    const Status loaded = database_->write([&](Transaction& transaction) -> Status {
      for (const std::string& statement : metadata::split_statements(script))
        TRY(transaction.query(statement));
      return {};
    });
    ASSERT_TRUE(loaded.ok()) << loaded.error().message();
  }

  TemporaryFolder folder_ = *TemporaryFolder::make();
  std::unique_ptr<metadata::Database> database_ = *metadata::open_sqlite(folder_.path() + "/m.db");
};

TEST_F(SavedDatabase, OfTheFirstVersionIsUpgradedAndLosesNothing) {
  load("orchestration_1.sql");
  const Result<RunStore> store = RunStore::open(*database_);
  ASSERT_TRUE(store.ok()) << store.error().message();
  EXPECT_EQ((*store->find_run(kFinished))->state, RunState::Failed);
  const auto tasks = *store->task_instances(kFinished);
  ASSERT_EQ(tasks.size(), 2U);
  EXPECT_EQ(tasks[1].message, "exited with status 1");
  EXPECT_EQ(tasks[1].failures, 1);
  EXPECT_EQ(tasks[1].conflicts, 0);
  EXPECT_EQ(tasks[1].map_index, kNotMapped);
  const auto attempts = *store->attempts(kFinished);
  ASSERT_EQ(attempts.size(), 2U);
  EXPECT_EQ(attempts[1].exit_code, 1);
  EXPECT_EQ(attempts[1].id, (AttemptId{kFinished, TaskId("train"), 1}));
  EXPECT_EQ(attempts[1].used.max_rss_bytes, 31'035'392U);
  EXPECT_EQ(store->xcoms(kRunning, TaskId("land"))->dump(), R"({"return_value":{"rows":7}})");
}

TEST_F(SavedDatabase, OfTheFirstVersionIsGoneOnWith) {
  load("orchestration_1.sql");
  const RunStore store = *RunStore::open(*database_);
  const RunStore::Unfinished unfinished = *store.load_unfinished();
  EXPECT_TRUE(unfinished.unreadable.empty());
  EXPECT_TRUE(unfinished.resume_tokens.empty());
  ASSERT_EQ(unfinished.loaded.runs.size(), 1U);
  const event::RunsLoaded::Stored& run = unfinished.loaded.runs.front();
  EXPECT_EQ(run.run.key, kRunning);
  EXPECT_EQ(run.dag->spec().tasks.size(), 2U);
  TaskRecord train = run.tasks.at(1);
  EXPECT_EQ(train.state, TaskState::Running);
  train.state = TaskState::Success;
  const Status saved = database_->write([&](Transaction& transaction) {
    return store.save(transaction, std::vector<Action>{action::TaskChanged{kRunning, train}}, {});
  });
  ASSERT_TRUE(saved.ok()) << saved.error().message();
  EXPECT_EQ(store.task_instances(kRunning)->at(1).state, TaskState::Success);
}

}  // namespace
}  // namespace millrace::orchestration
