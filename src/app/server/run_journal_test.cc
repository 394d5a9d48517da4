#include "server/run_journal.h"

#include <vector>

#include <gtest/gtest.h>

namespace millrace::server {
namespace {

using orchestration::RunRecord;
using orchestration::RunState;
using orchestration::TaskNotice;
using orchestration::TaskState;

const orchestration::RunKey kJournaled{orchestration::DagId("weekly"), orchestration::RunId("a")};

class RunJournalTest : public ::testing::Test {
 protected:
  void run(RunState state, bool cancelled = false) {
    RunRecord record;
    record.key = kJournaled;
    record.reason = orchestration::RunReason::Schedule;
    record.state = state;
    record.cancelled = cancelled;
    record.started_at = Instant();
    if (is_finished(state)) record.finished_at = Instant(std::chrono::seconds(90));
    journal_.hear(record);
  }
  void task(TaskState state, const std::string& message) {
    TaskNotice notice;
    notice.run = kJournaled;
    notice.task.task = orchestration::TaskId("train");
    notice.task.state = state;
    notice.task.message = message;
    if (state == TaskState::UpForRetry) notice.task.retry_at = Instant(std::chrono::seconds(60));
    journal_.hear(notice);
  }

  std::vector<std::string> said_;
  RunJournal journal_{[this](LogLevel level, const std::string& words) {
    said_.push_back((level == LogLevel::Error ? "error: " : "") + words);
  }};
};

TEST_F(RunJournalTest, ARunThatSucceedsIsTwoLines) {
  run(RunState::Queued);
  run(RunState::Running);
  run(RunState::Running);  // something else of it has changed
  task(TaskState::Success, "");
  run(RunState::Success);
  EXPECT_EQ(said_, (std::vector<std::string>{"weekly a begins (schedule)",
                                             "weekly a has succeeded after 1 min 30 s"}));
}

TEST_F(RunJournalTest, AFailureNamesTheTaskAndTheReason) {
  run(RunState::Running);
  task(TaskState::UpForRetry, "the disk is full");
  task(TaskState::Failed, "the disk is still full");
  run(RunState::Failed);
  EXPECT_EQ(said_, (std::vector<std::string>{
                       "weekly a begins (schedule)",
                       "weekly a: train failed and is tried again at 1970-01-01T00:01:00Z: "
                       "the disk is full",
                       "error: weekly a: train failed: the disk is still full",
                       "error: weekly a has failed after 1 min 30 s"}));
}

TEST_F(RunJournalTest, ACancelledRunIsCalledSo) {
  run(RunState::Running);
  run(RunState::Failed, true);
  EXPECT_EQ(said_.back(), "error: weekly a was cancelled after 1 min 30 s");
}

TEST_F(RunJournalTest, ARunThatIsDoneAgainBeginsAgain) {
  for (int i = 0; i < 2; ++i) {
    run(RunState::Running);
    run(RunState::Success);
  }
  EXPECT_EQ(said_.size(), 4U);
}

}  // namespace
}  // namespace millrace::server
