#include "orchestration/run_store.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "orchestration/dag_fixture.h"

namespace millrace::orchestration {
namespace {

using metadata::Transaction;

const Instant kNow = *parse_instant("2013-01-06T12:34:56.789Z");

class RunStoreTest : public testing::Test {
 protected:
  RunStoreTest() {
    dag_ = *Dag::make(chain_of("weekly", {"land", "train"}));
    run_ = *plan_run(*dag_, kNow, {}, RunReason::Backfill);
    run_.state = RunState::Running;
    run_.requested_at = kNow;
    run_.started_at = kNow;
  }

  Status save(const std::vector<Action>& actions) {
    return database_->write([&](Transaction& transaction) -> Status {
      TRY(store_.save_dag(transaction, *dag_, kNow));
      return store_.save(transaction, actions, kNow);
    });
  }

  Status write(const std::function<Status(Transaction&)>& work) { return database_->write(work); }
  TaskRecord record(const std::string& task, TaskState state = TaskState::None) {
    TaskRecord record;
    record.task = TaskId(task);
    record.state = state;
    return record;
  }

  TemporaryFolder folder_ = *TemporaryFolder::make();
  std::unique_ptr<metadata::Database> database_ = *metadata::open_sqlite(folder_.path() + "/m.db");
  RunStore store_ = *RunStore::open(*database_);
  std::shared_ptr<const Dag> dag_;
  RunRecord run_;
};

TEST_F(RunStoreTest, RecordsReadBackAsWritten) {
  TaskRecord task = record("train", TaskState::UpForRetry);
  task.generation = 2;
  task.attempt = 3;
  task.epoch = 5;
  task.failures = 1;
  task.losses = 2;
  task.conflicts = 3;
  task.scheduled_at = task.queued_at = task.started_at = task.finished_at = kNow;
  task.retry_at = kNow + std::chrono::seconds(5);
  task.error = ErrorCode::Exhausted;
  task.message = "used 2 GiB of 1 GiB; it's \"too much\"";
  ASSERT_TRUE(save({action::RunCreated{run_}, action::TaskChanged{run_.key, task}}).ok());
  EXPECT_EQ(store_.find_run(run_.key)->value(), run_);
  const auto stored = *store_.load_run(run_.key);
  EXPECT_EQ(stored.run, run_);
  EXPECT_EQ(stored.dag->spec(), dag_->spec());
  EXPECT_EQ(stored.tasks, std::vector{task});
  const auto all = *store_.task_instances(run_.key);
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].task.str(), "land");
  EXPECT_EQ(all[0].state, TaskState::None) << "nothing happened to it, and nothing is stored of it";
  EXPECT_EQ(all[1], task);
}

TEST_F(RunStoreTest, OfSeveralRecordsOfOneThingTheLastCounts) {
  TaskRecord task = record("train");
  std::vector<Action> actions = {action::RunCreated{run_}};
  for (const TaskState state : {TaskState::Scheduled, TaskState::Queued, TaskState::Running}) {
    task.state = state;
    actions.emplace_back(action::TaskChanged{run_.key, task});
  }
  run_.state = RunState::Failed;
  actions.emplace_back(action::RunChanged{run_});
  ASSERT_TRUE(save(actions).ok());
  EXPECT_EQ(store_.find_run(run_.key)->value().state, RunState::Failed);
  EXPECT_EQ(store_.task_instances(run_.key)->at(1).state, TaskState::Running);
}

TEST_F(RunStoreTest, ARunIsNeverMadeOverOneThatIsThere) {
  RunRecord done = run_;
  done.state = RunState::Success;
  ASSERT_TRUE(save({action::RunCreated{run_}, action::RunChanged{done}}).ok());
  EXPECT_TRUE(save({action::RunCreated{run_}, action::RunChanged{done}}).ok())
      << "the same once more: a commit that was taken for lost";
  RunRecord anew = run_;
  anew.requested_at = kNow + std::chrono::hours(1);
  const Status made = save({action::RunCreated{anew}});
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error().code(), ErrorCode::AlreadyExists);
  EXPECT_EQ(store_.find_run(run_.key)->value(), done);
}

TEST_F(RunStoreTest, ADagWhoseScheduleWasNeverFollowedStillTellsItsRuns) {
  ASSERT_TRUE(save({action::RunCreated{run_}}).ok());
  const auto progress = *store_.load_progress(dag_->id(), kNow);
  EXPECT_FALSE(progress.last_point.has_value());
  EXPECT_EQ(progress.existing, std::vector{run_.logical_date});
}

TEST_F(RunStoreTest, RunsAreListedByDateOrByWhatHappenedLast) {
  std::vector<Action> actions;
  // Day of January at which it was due, state, hour at which something happened to it.
  for (const auto& [day, state, hour] : {std::tuple{1, RunState::Failed, 3},
                                         {2, RunState::Running, 1},
                                         {3, RunState::Queued, 0},
                                         {4, RunState::Success, 2}}) {
    const Instant due = *parse_instant(fmt::format("2013-01-0{}", day));
    RunRecord run = *plan_run(*dag_, due, {}, RunReason::Backfill);
    run.requested_at = kNow;
    run.state = state;
    const Instant then = kNow + std::chrono::hours(hour);
    if (state == RunState::Running) run.started_at = then;
    if (is_finished(state)) run.finished_at = then;
    actions.emplace_back(action::RunCreated{run});
  }
  ASSERT_TRUE(save(actions).ok());
  const auto days = [&](RunOrder order, int limit) {
    std::string listed;
    const auto runs = *store_.runs({.dag = {}, .state = {}, .limit = limit, .order = order});
    for (const RunRecord& run : runs) listed += run.key.run.str().substr(9, 1);
    return listed;
  };
  EXPECT_EQ(days(RunOrder::LatestDate, 10), "4321");
  EXPECT_EQ(days(RunOrder::LastActive, 10), "2143") << "the one that runs comes first";
  EXPECT_EQ(days(RunOrder::LastActive, 2), "21");
}

TEST_F(RunStoreTest, AnAttemptKeepsItsEndAndItsUse) {
  const AttemptId id{run_.key, TaskId("train"), 4};
  AttemptEnd end;
  end.signal = 9;
  end.used = {std::chrono::seconds(2), std::chrono::seconds(3), 1'000};
  ASSERT_TRUE(save({action::RunCreated{run_}, action::StartAttempt{id, 2, 3},
                    action::AttemptEnded{id, AttemptState::Failed, std::nullopt, "killed"}})
                  .ok());
  ASSERT_TRUE(
      write([&](Transaction& transaction) { return store_.save_end(transaction, id, end); }).ok());
  const auto attempts = *store_.attempts(run_.key);
  ASSERT_EQ(attempts.size(), 1U);
  EXPECT_EQ(attempts[0].id, id);
  EXPECT_EQ(attempts[0].generation, 2);
  EXPECT_EQ(attempts[0].number, 3);
  EXPECT_EQ(attempts[0].state, AttemptState::Failed);
  EXPECT_EQ(attempts[0].message, "killed");
  EXPECT_EQ(attempts[0].signal, 9);
  EXPECT_FALSE(attempts[0].exit_code.has_value());
  EXPECT_EQ(attempts[0].used.wall, std::chrono::seconds(3));
}

TEST_F(RunStoreTest, TheInstancesOfAMappedTaskAreKeptApart) {
  TaskRecord first = record("train", TaskState::Success);
  first.map_index = 0;
  TaskRecord second = record("train", TaskState::Failed);
  second.map_index = 1;
  const AttemptId one{run_.key, TaskId("train"), 1, 0};
  const AttemptId two{run_.key, TaskId("train"), 1, 1};
  ASSERT_TRUE(save({action::RunCreated{run_}, action::TaskChanged{run_.key, first},
                    action::TaskChanged{run_.key, second}, action::StartAttempt{one, 1, 1},
                    action::StartAttempt{two, 1, 1},
                    action::AttemptEnded{two, AttemptState::Failed, std::nullopt, "no rows"}})
                  .ok());
  EXPECT_EQ(store_.load_run(run_.key)->tasks, (std::vector{first, second}));
  const auto attempts = *store_.attempts(run_.key);
  ASSERT_EQ(attempts.size(), 2U);
  EXPECT_EQ(attempts[0].id, one);
  EXPECT_EQ(attempts[0].state, AttemptState::Queued);
  EXPECT_EQ(attempts[1].id, two);
  EXPECT_EQ(attempts[1].message, "no rows");
}

TEST_F(RunStoreTest, TellsTheResumeTokensOfAttemptsThatLive) {
  const AttemptId living{run_.key, TaskId("land"), 1};
  const AttemptId ended{run_.key, TaskId("train"), 1};
  const AttemptId without{run_.key, TaskId("train"), 2};
  ASSERT_TRUE(save({action::RunCreated{run_}, action::StartAttempt{living, 1, 1},
                    action::StartAttempt{ended, 1, 1}, action::StartAttempt{without, 1, 2}})
                  .ok());
  ASSERT_TRUE(write([&](Transaction& transaction) -> Status {
                TRY(store_.save_resume_token(transaction, living, "pod-7"));
                return store_.save_resume_token(transaction, ended, "pod-8");
              }).ok());
  ASSERT_TRUE(save({action::AttemptEnded{ended, AttemptState::Success, {}, ""}}).ok());
  EXPECT_EQ(store_.load_unfinished()->resume_tokens,
            (std::map<AttemptId, std::string>{{living, "pod-7"}}));
}

TEST_F(RunStoreTest, GivesTheResultsOfWhatHasSucceededAndWasNotClearedSince) {
  const TaskRecord land = record("land", TaskState::Success);
  TaskRecord train = record("train", TaskState::Success);
  const std::vector<TaskId> both = {land.task, train.task};
  AttemptEnd end;
  end.result = Json(7);
  ASSERT_TRUE(save({action::RunCreated{run_}, action::TaskChanged{run_.key, land},
                    action::TaskChanged{run_.key, train}})
                  .ok());
  ASSERT_TRUE(write([&](Transaction& transaction) -> Status {
                for (const TaskId& task : both)
                  TRY(store_.save_xcoms(transaction, {run_.key, task, 1}, end));
                return {};
              }).ok());
  EXPECT_EQ(store_.results(run_.key, both)->dump(), R"({"land":7,"train":7})");
  EXPECT_EQ(store_.results(run_.key, std::span(both).first(1))->dump(), R"({"land":7})");
  train.state = TaskState::None;
  ASSERT_TRUE(save({action::TaskChanged{run_.key, train}}).ok());
  EXPECT_EQ(store_.results(run_.key, both)->dump(), R"({"land":7})");
  EXPECT_TRUE(store_.xcoms(run_.key, train.task)->as_object().empty());
}

TEST_F(RunStoreTest, KnowsWhatIsUnfinishedAndHowFarAScheduleHasCome) {
  RunRecord later = *plan_run(*dag_, kNow + std::chrono::hours(1), {}, RunReason::Manual);
  RunRecord done = *plan_run(*dag_, kNow - std::chrono::hours(1), {}, RunReason::Manual);
  done.state = RunState::Success;
  ASSERT_TRUE(save({action::RunCreated{run_}, action::RunCreated{later}, action::RunCreated{done},
                    action::ScheduleAdvanced{dag_->id(), kNow}})
                  .ok());
  const auto unfinished = *store_.load_unfinished();
  ASSERT_EQ(unfinished.loaded.runs.size(), 2U);
  EXPECT_EQ(unfinished.loaded.runs[0].run.key, run_.key);
  const auto progress = *store_.load_progress(dag_->id(), kNow);
  EXPECT_EQ(progress.last_point, kNow);
  EXPECT_EQ(progress.existing, std::vector{later.logical_date});
  EXPECT_FALSE(store_.load_progress(DagId("other"), kNow)->last_point.has_value());
}

TEST_F(RunStoreTest, ARunWhoseDagCannotBeReadIsNamedAndDoesNotStopTheOthers) {
  RunRecord odd = *plan_run(*dag_, kNow + std::chrono::hours(1), {}, RunReason::Manual);
  odd.dag_version = "0000";
  ASSERT_TRUE(save({action::RunCreated{run_}, action::RunCreated{odd}}).ok());
  const auto unfinished = *store_.load_unfinished();
  EXPECT_EQ(unfinished.loaded.runs.size(), 1U);
  ASSERT_EQ(unfinished.unreadable.size(), 1U);
  EXPECT_NE(unfinished.unreadable[0].find("version 0000 of Dag 'weekly' is not stored"),
            std::string::npos);
  EXPECT_EQ(store_.load_run(odd.key).error().code(), ErrorCode::Corruption);
}

TEST_F(RunStoreTest, AWordThatIsNoStateIsCorruption) {
  ASSERT_TRUE(save({action::RunCreated{run_}}).ok());
  ASSERT_TRUE(write([](Transaction& transaction) -> Status {
                TRY(transaction.query("UPDATE orchestration_runs SET state = 'paused'"));
                return {};
              }).ok());
  EXPECT_EQ(store_.find_run(run_.key).error().code(), ErrorCode::Corruption);
}

}  // namespace
}  // namespace millrace::orchestration
