// The race for the next log entry: its rules, lost answers, and many writers at once.

#include <latch>
#include <set>
#include <thread>

#include <gtest/gtest.h>

#include "lake/conflict.h"
#include "lake/lake_fixture.h"
#include "storage/flaky_object_store_fixture.h"

namespace millrace::lake {
namespace {

using storage::Call;
using storage::Fault;
using storage::FlakyObjectStore;

Intent appending() {
  return {.writer = {"me", 2}};
}
Intent replacing(const std::string& day) {
  Intent intent = appending();
  intent.schema = columnar::Schema({{"day", columnar::simple(columnar::Kind::Date)}});
  intent.partition_columns = {"day"};
  intent.reads.partitions = {
      partition_key({{"day", day}}, intent.schema, intent.partition_columns)};
  intent.removes = {"old"};
  return intent;
}
Intent overwriting() {
  Intent intent = appending();
  intent.reads.whole_table = true;
  return intent;
}

TEST(Conflict, RulesByCase) {
  const AddFile other{.file = {"new"}, .partition_values = {{"day", "2013-12-02"}}};
  const RemoveFile old{.file = {"old"}};
  struct Case {
    std::string why;
    Actions winner;
    Intent ours;
    std::string said;
  };
  const std::vector<Case> cases = {
      {"appends go together", {.adds = {other}}, appending(), "ok"},
      {"an append does not mind removes", {.removes = {old}}, appending(), "ok"},
      {"a new schema", {.metadata = Metadata{}}, appending(), "changed the table's schema"},
      {"a new protocol", {.protocol = Protocol{}}, appending(), "changed the table's protocol"},
      {"another writer's txn", {.txns = {{"you", 9}}}, appending(), "ok"},
      {"an earlier generation of ours",
       {.txns = {{"me", 1}}},
       appending(),
       "earlier generation of me"},
      {"an overwrite read the whole table", {.adds = {other}}, overwriting(), "added new"},
      {"an overwrite removes what they removed", {.removes = {old}}, overwriting(), "removed old"},
      {"another partition", {.adds = {other}}, replacing("2013-12-01"), "ok"},
      {"our partition", {.adds = {other}}, replacing("2013-12-02"), "added new"},
      {"our file", {.removes = {old}}, replacing("2013-12-01"), "removed old"},
      {"another's file", {.removes = {{.file = {"else"}}}}, replacing("2013-12-01"), "ok"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    const Result<Standing> standing = check_conflict(c.winner, c.ours);
    EXPECT_HAS(said(standing), c.said);
    if (standing.ok()) {
      EXPECT_EQ(*standing, Standing::Compatible);
    } else {
      EXPECT_EQ(standing.error().code(), ErrorCode::Conflict);
    }
  }
}

TEST(Conflict, OurOwnWorkByAnotherAttemptIsDone) {
  const Actions winner{.adds = {{.file = {"theirs"}}}, .txns = {{"me", 2}}};
  EXPECT_EQ(good(check_conflict(winner, overwriting())), Standing::AlreadyDone);
  EXPECT_EQ(good(check_conflict({.txns = {{"me", 3}}}, appending())), Standing::AlreadyDone);
  Intent anonymous;
  EXPECT_EQ(good(check_conflict({.txns = {{"", 3}}}, anonymous)), Standing::Compatible);
  Intent marked = appending();
  marked.marks = {"cursor"};
  EXPECT_HAS(said(check_conflict({.txns = {{"cursor", 1}}}, marked)), "moved the mark cursor too");
}

TEST(Conflict, TwoSpellingsOfAPartitionValueAreOne) {
  const columnar::Schema schema({{"m", columnar::simple(columnar::Kind::Timestamp)},
                                 {"s", columnar::simple(columnar::Kind::String)}});
  const auto key = [&](std::optional<std::string> m, std::optional<std::string> s) {
    return partition_key({{"m", std::move(m)}, {"s", std::move(s)}}, schema, {"m", "s"});
  };
  EXPECT_EQ(key("2013-12-01 05:00:00", "a"), key("2013-12-01T05:00:00.000Z", "a"));
  EXPECT_EQ(key("", ""), key(std::nullopt, std::nullopt));
  EXPECT_NE(key("2013-12-01 05:00:00", "a"), key("2013-12-01 05:00:01", "a"));
  EXPECT_NE(key("unreadable", "a"), key(std::nullopt, "a"));
}

class CommitTest : public LakeTest {
 protected:
  void SetUp() override {
    LakeTest::SetUp();
    flaky_ = std::make_unique<FlakyObjectStore>(*store_);
    use(*flaky_);
  }
  /// The next put of a log entry fares so.
  void plan(Fault fault, std::size_t nth = 1, std::function<void()> meanwhile = nullptr) {
    flaky_->plan({Call::PutIfAbsent, "_delta_log/", nth, fault, std::move(meanwhile)});
  }
  /// Another writer's commit, past the flaky store.
  void other_writes(const std::string& select, const WriteSpec& spec = {}) {
    Lake other(*store_, *engine_, clock_);
    const auto session = good(engine_->open_session());
    good(other.write(*session, table("t"), select, spec));
  }

  std::unique_ptr<FlakyObjectStore> flaky_;
};

TEST_F(CommitTest, ALostAnswerIsFoundAgain) {
  good(write("t", "SELECT 1 AS a"));
  for (const Fault fault : {Fault::LostAnswer, Fault::Repeated}) {
    plan(fault);
    const Committed committed = good(write("t", "SELECT 2 AS a"));
    EXPECT_FALSE(committed.already_done);
    EXPECT_TRUE(flaky_->all_plans_came_true());
  }
  EXPECT_EQ(rows("t"), "1;2;2");
  EXPECT_EQ(snapshot("t")->version(), Version(2));
}

TEST_F(CommitTest, AStoreThatDoesNotAnswerIsAskedAgain) {
  good(write("t", "SELECT 1 AS a"));
  plan(Fault::Unavailable, 1);
  plan(Fault::Unavailable, 2);
  good(write("t", "SELECT 2 AS a"));
  EXPECT_EQ(rows("t"), "1;2");
  EXPECT_EQ(snapshot("t")->version(), Version(1));
}

TEST_F(CommitTest, AStoreThatNeverAnswersLeavesTheOutcomeOpenAndTheFilesInPlace) {
  good(write("t", "SELECT 1 AS a"));
  plan(Fault::LostAnswer, 1);
  for (std::size_t nth = 2; nth <= kMostPuts; ++nth) plan(Fault::Unavailable, nth);
  const WriteSpec spec{.writer = {"w", 1}};
  const Result<Committed> unknown = write("t", "SELECT 2 AS a", spec);
  ASSERT_FALSE(unknown.ok());
  EXPECT_EQ(unknown.error().code(), ErrorCode::Unavailable);
  EXPECT_TRUE(good(write("t", "SELECT 2 AS a", spec)).already_done) << "it had landed";
  EXPECT_EQ(rows("t"), "1;2");
}

TEST_F(CommitTest, AnUnansweredPutThatAnotherWonIsRetriedAfterIt) {
  good(write("t", "SELECT 1 AS a"));
  plan(Fault::Unavailable, 1, [&] { other_writes("SELECT 5 AS a"); });
  EXPECT_EQ(good(write("t", "SELECT 2 AS a")).version, Version(2));
  EXPECT_EQ(rows("t"), "1;2;5");
}

TEST_F(CommitTest, AFenceThatClosesAfterALostAnswerDoesNotDenyTheCommit) {
  good(write("t", "SELECT 1 AS a"));
  plan(Fault::LostAnswer);
  int asked = 0;
  const auto once = [&]() -> Status {
    return ++asked == 1 ? Status() : Status(Error(ErrorCode::Denied, "superseded"));
  };
  EXPECT_EQ(good(write("t", "SELECT 2 AS a", {.fence = once})).version, Version(1));
  EXPECT_EQ(asked, 2);
  EXPECT_EQ(rows("t"), "1;2");
}

TEST_F(CommitTest, AppendsStepOverEachOther) {
  good(write("t", "SELECT 1 AS a"));
  for (std::size_t i = 1; i <= 3; ++i) plan(Fault::None, i, [&] { other_writes("SELECT 9 AS a"); });
  EXPECT_EQ(good(write("t", "SELECT 2 AS a")).version, Version(4));
  EXPECT_EQ(rows("t"), "1;2;9;9;9");
}

TEST_F(CommitTest, TooManyLostRacesAreAConflict) {
  good(write("t", "SELECT 1 AS a"));
  for (std::size_t i = 1; i <= kMostRaces + 1; ++i) {
    plan(Fault::None, i, [&] { other_writes("SELECT 9 AS a"); });
  }
  EXPECT_HAS(said(write("t", "SELECT 2 AS a")),
             "conflict: writing table t: table t: others committed 16 times");
  EXPECT_TRUE(orphans("t").empty());
}

TEST_F(CommitTest, WhatWasReadMustNotHaveChanged) {
  const WriteSpec by_day{.partition_by = {"p"}};
  good(write("t", "SELECT 1 AS a, 'x' AS p", by_day));
  plan(Fault::None, 1, [&] { other_writes("SELECT 2 AS a, 'x' AS p"); });
  EXPECT_HAS(
      said(write("t", "SELECT 3 AS a, 'x' AS p", {.mode = WriteMode::Overwrite})),
      "conflict: writing table t: table t: version 1 was committed meanwhile: it added p=x/");
  plan(Fault::None, 1, [&] { other_writes("SELECT 4 AS a, 'x' AS p"); });
  EXPECT_HAS(said(write("t", "SELECT 5 AS a, 'x' AS p", {.mode = WriteMode::OverwritePartitions})),
             "conflict");
  plan(Fault::None, 1, [&] { other_writes("SELECT 6 AS a, 'y' AS p"); });
  good(write("t", "SELECT 7 AS a, 'x' AS p", {.mode = WriteMode::OverwritePartitions}));
  EXPECT_EQ(rows("t"), "6|y;7|x");
  EXPECT_TRUE(orphans("t").empty()) << "losers clean up";
}

TEST_F(CommitTest, WhatTheCallerDecidedByMustNotHaveChanged) {
  good(write("t", "SELECT 1 AS a", {.marks = {{"cursor", 1}}}));
  const SnapshotPtr seen = snapshot("t");
  good(write("t", "SELECT 2 AS a", {.marks = {{"cursor", 2}}}));
  EXPECT_HAS(
      said(write("t", "SELECT 2 AS a", {.marks = {{"cursor", 2}}, .based_on = seen})),
      "conflict: writing table t: table t: version 1 was committed meanwhile: it moved the mark");
  EXPECT_HAS(said(write("t", "SELECT sum(a) AS a FROM (VALUES (1)) v(a)",
                        {.mode = WriteMode::Overwrite,
                         .based_on = seen,
                         .schema_change = SchemaChange::Replace})),
             "conflict");
  EXPECT_EQ(good(write("t", "SELECT 3 AS a", {.based_on = seen})).version, Version(2));
  EXPECT_EQ(rows("t"), "1;2;3");
  EXPECT_TRUE(orphans("t").empty());
  for (const auto& object : good(store_->list("t/"))) good(store_->remove(object.key));
  EXPECT_HAS(said(write("t", "SELECT 3 AS a", {.based_on = seen})), "made anew since it was read");
}

TEST_F(CommitTest, TheSameWriterElsewhereWinsOnce) {
  good(write("t", "SELECT 1 AS a"));
  const WriteSpec spec{.writer = {"w", 1}};
  plan(Fault::None, 1, [&] { other_writes("SELECT 2 AS a", spec); });
  const Committed committed = good(write("t", "SELECT 2 AS a", spec));
  EXPECT_TRUE(committed.already_done);
  EXPECT_EQ(committed.version, Version(1));
  EXPECT_EQ(committed.rows_written, 1);
  EXPECT_EQ(rows("t"), "1;2");
  EXPECT_TRUE(orphans("t").empty());
}

TEST_F(CommitTest, ACommitThatAListingMissesIsNoGapInTheLog) {
  for (int i = 0; i < 4; ++i) good(write("t", "SELECT 1 AS a"));
  const auto miss = [&](int version) {
    flaky_->plan({.call = Call::List,
                  .fault = Fault::None,
                  .hidden = commit_key(table("t"), Version(version))});
  };
  const auto newest = [&](Lake& lake) { return good(lake.snapshot(table("t")))->version(); };
  for (int version = 0; version < 3; ++version) {  // of a lake that remembers nothing
    miss(version);
    Lake fresh(*flaky_, *engine_, clock_);
    EXPECT_EQ(newest(fresh), Version(3)) << version;
  }
  for (int i = 0; i < 3; ++i) good(write("t", "SELECT 1 AS a"));
  miss(6);  // the newest one: it came after the listing
  Lake fresh(*flaky_, *engine_, clock_);
  EXPECT_EQ(newest(fresh), Version(5));
  // Of a writer that reads what won: versions 7 and 8 are others', and its listing misses 7.
  plan(Fault::None, 1, [&] {
    other_writes("SELECT 2 AS a");
    other_writes("SELECT 3 AS a");
    miss(7);
  });
  EXPECT_EQ(good(write("t", "SELECT 4 AS a")).version, Version(9));
  EXPECT_TRUE(flaky_->all_plans_came_true());
  EXPECT_EQ(rows("t"), "1;1;1;1;1;1;1;2;3;4");
}

TEST_F(CommitTest, WhoRemembersAVersionAsksForTheNextOnesByName) {
  for (int i = 0; i < 4; ++i) good(write("t", "SELECT 1 AS a"));
  Lake remembering(*flaky_, *engine_, clock_);
  EXPECT_EQ(good(remembering.snapshot(table("t")))->version(), Version(3));
  for (int i = 0; i < 3; ++i) good(write("t", "SELECT 1 AS a"));
  flaky_->plan({.call = Call::List, .fault = Fault::Unavailable});
  EXPECT_EQ(good(remembering.snapshot(table("t")))->version(), Version(6));
  EXPECT_FALSE(flaky_->all_plans_came_true()) << "the folder was listed";
}

TEST_F(CommitTest, WhatIsFoundDoneIsOnDiskBeforeItIsReported) {
  const WriteSpec spec{.writer = {"w", 1}};
  good(write("t", "SELECT 1 AS a", spec));
  EXPECT_EQ(flaky_->calls(Call::MakeDurable), 0U) << "our own put says so";
  EXPECT_TRUE(good(write("t", "SELECT 1 AS a", spec)).already_done);
  EXPECT_EQ(flaky_->calls(Call::MakeDurable), 1U);
  plan(Fault::LostAnswer);
  good(write("t", "SELECT 2 AS a", {.writer = {"w", 2}}));
  EXPECT_EQ(flaky_->calls(Call::MakeDurable), 2U) << "the answer was read from the log";
  flaky_->plan({Call::MakeDurable, "t/_delta_log"});
  EXPECT_HAS(said(write("t", "SELECT 2 AS a", {.writer = {"w", 2}})), "unavailable");
  EXPECT_TRUE(good(write("t", "SELECT 2 AS a", {.writer = {"w", 2}})).already_done);
}

TEST_F(CommitTest, ATableThatAppearsMeanwhileIsWrittenTo) {
  plan(Fault::None, 1, [&] { other_writes("SELECT 1::BIGINT AS a"); });
  EXPECT_EQ(good(write("t", "SELECT 2 AS a")).version, Version(1));
  EXPECT_EQ(rows("t"), "1;2");
  EXPECT_EQ(snapshot("t")->schema()[0].type.kind, columnar::Kind::Int64);
  EXPECT_TRUE(orphans("t").empty());
}

TEST_F(CommitTest, AFailedCheckpointDoesNotFailItsCommit) {
  for (int i = 0; i < 10; ++i) good(write("t", "SELECT 1 AS a"));
  flaky_->plan({Call::Put, "checkpoint", 1, Fault::Unavailable});
  EXPECT_EQ(good(write("t", "SELECT 1 AS a")).version, Version(10));
  EXPECT_TRUE(flaky_->all_plans_came_true());
  EXPECT_EQ(snapshot("t")->files().size(), 11U);
}

TEST_F(CommitTest, FilesThatCannotBePublishedAreNoCommit) {
  good(write("t", "SELECT 1 AS a"));
  flaky_->plan({Call::Publish, "t", 1, Fault::Unavailable});
  EXPECT_HAS(said(write("t", "SELECT 2 AS a")), "unavailable");
  EXPECT_EQ(snapshot("t")->version(), Version(0));
  EXPECT_TRUE(orphans("t").empty());
}

TEST_F(CommitTest, ManyThreadsLoseAndDoubleNothing) {
  good(write("t", "SELECT 0 AS a"));
  constexpr std::int64_t writers = 4;
  constexpr std::int64_t writes_each = 8;
  std::latch start(writers);
  std::vector<std::thread> threads;
  threads.reserve(writers);
  for (int thread = 0; thread < writers; ++thread) {
    threads.emplace_back([&, thread] {
      const auto session = *engine_->open_session();
      start.arrive_and_wait();
      for (int i = 0; i < writes_each;) {
        const std::string value = std::to_string(100 * (thread + 1) + i);
        const Result<Committed> done = lake_->write(
            *session, table("t"), "SELECT " + value + " AS a", {.writer = {"w" + value, 1}});
        if (done.ok()) {
          ++i;
        } else if (done.error().code() != ErrorCode::Conflict) {
          ADD_FAILURE() << said(done);
          return;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(snapshot("t")->version(), Version(writers * writes_each));
  good(session_->define_scan("all_rows", good(snapshot("t")->scan())));
  EXPECT_EQ(ask("SELECT count(*), count(DISTINCT a) FROM all_rows"), "33|33");
  EXPECT_TRUE(orphans("t").empty());
}

}  // namespace
}  // namespace millrace::lake
