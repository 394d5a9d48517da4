// Which versions there are, what they were at a moment, and logs that are broken.

#include "lake/log.h"

#include <gtest/gtest.h>

#include "lake/checkpoint.h"
#include "lake/lake_fixture.h"

namespace millrace::lake {
namespace {

/// In memory, so that the moment of each object is the test's clock.
class LogTest : public LakeTest {
 protected:
  void SetUp() override {
    memory_ = storage::make_memory_store(&clock_);
    use(*memory_);
  }

  /// Writes t with one row: the number of the version.
  void append(int count) {
    for (int i = 0; i < count; ++i) {
      good(write("t", "SELECT " + std::to_string(next_++) + " AS a"));
    }
  }
  std::string key(int version) { return commit_key(table("t"), Version(version)); }
  Instant at(std::string_view text) { return good(parse_instant(text)); }
  /// A lake that remembers nothing.
  Result<SnapshotPtr> fresh() { return Lake(*memory_, *engine_, clock_).snapshot(table("t")); }

  std::unique_ptr<storage::ObjectStore> memory_;
  int next_ = 0;
};

TEST_F(LogTest, EveryVersionCanBeReadAgain) {
  append(3);
  EXPECT_EQ(rows(*good(lake_->snapshot_at(table("t"), Version(0)))), "0");
  EXPECT_EQ(rows(*good(lake_->snapshot_at(table("t"), Version(1)))), "0;1");
  EXPECT_EQ(rows("t"), "0;1;2");
  EXPECT_EQ(said(lake_->snapshot_at(table("t"), Version(3))),
            "not_found: table t has no version 3; the latest is 2");
  EXPECT_EQ(said(lake_->snapshot_at(table("u"), Version(0))), "not_found: table u does not exist");
  EXPECT_EQ(said(lake_->history(table("u"), 1)), "not_found: table u does not exist");
}

TEST_F(LogTest, AMomentNamesTheVersionThatWasNewestThen) {
  append(3);  // at 00:00:01, 00:00:02, 00:00:03
  clock_.set(at("2013-12-01T01:00:00Z"));
  const auto version_at = [&](std::string_view moment) {
    return good(lake_->snapshot_at(table("t"), at(moment)))->version().value();
  };
  EXPECT_EQ(version_at("2013-12-01T00:00:01Z"), 0);
  EXPECT_EQ(version_at("2013-12-01T00:00:02.999Z"), 1);
  EXPECT_EQ(version_at("2013-12-01T00:00:03Z"), 2);
  EXPECT_EQ(version_at("2013-12-01T00:30:00Z"), 2);
  EXPECT_EQ(
      said(lake_->snapshot_at(table("t"), at("2013-11-30"))),
      "not_found: table t has no version at 2013-11-30T00:00:00Z; the earliest is version 0 of "
      "2013-12-01T00:00:01Z");
  EXPECT_EQ(said(lake_->snapshot_at(table("t"), at("2013-12-01T02:00:00Z"))),
            "not_found: table t has no version at 2013-12-01T02:00:00Z; the latest is version 2 of "
            "2013-12-01T00:00:03Z");
}

TEST_F(LogTest, TimesAreMadeToGrow) {
  append(2);
  clock_.set(at("2013-11-01T00:00:00Z"));  // the clock was set back
  append(1);
  const std::vector<HistoryEntry> history = good(lake_->history(table("t"), 3));
  EXPECT_EQ(history[0].time, at("2013-12-01T00:00:02.001Z"));
  EXPECT_EQ(history[1].time, at("2013-12-01T00:00:02Z"));
}

TEST_F(LogTest, InCommitTimesCountWhereTheyAreInForce) {
  append(2);
  const auto rewrite = [&](int version, std::string_view from, std::string_view to) {
    std::string text = good(memory_->get(key(version)));
    const std::size_t found = text.find(from);
    ASSERT_NE(found, std::string::npos);
    good(memory_->put(key(version), text.replace(found, from.size(), to)));
  };
  rewrite(0, R"("minReaderVersion":1,"minWriterVersion":2)",
          R"("minReaderVersion":1,"minWriterVersion":7,"writerFeatures":["inCommitTimestamp"])");
  rewrite(0, R"("configuration":{})",
          R"("configuration":{"delta.enableInCommitTimestamps":"true"})");
  rewrite(0, R"("commitInfo":{)", R"("commitInfo":{"inCommitTimestamp":1000,)");
  rewrite(1, R"("commitInfo":{)", R"("commitInfo":{"inCommitTimestamp":2000,)");
  Lake lake(*memory_, *engine_, clock_);
  EXPECT_EQ(good(lake.snapshot(table("t")))->time(), at("1970-01-01T00:00:02Z"));
  EXPECT_EQ(good(lake.snapshot_at(table("t"), at("1970-01-01T00:00:01.5Z")))->version(),
            Version(0));
  EXPECT_EQ(good(lake.history(table("t"), 1))[0].time, at("1970-01-01T00:00:02Z"));
  EXPECT_HAS(said(lake.write(*session_, table("t"), "SELECT 1 AS a", {})), "inCommitTimestamp");
}

TEST_F(LogTest, BrokenLogsAreCorruptionThatNamesTheFile) {
  struct Case {
    std::string why;
    std::function<void()> breaks;
    std::string said;
  };
  const std::vector<Case> cases = {
      {"a cut commit",
       [&] { good(memory_->put(key(2), good(memory_->get(key(2))).substr(0, 300))); },
       "corruption: t/_delta_log/00000000000000000002.json: "},
      {"an empty commit", [&] { good(memory_->put(key(2), "")); },
       "00000000000000000002.json: the file is empty"},
      {"a commit of other bytes", [&] { good(memory_->put(key(1), "PAR1\x01\x02")); },
       "00000000000000000001.json: not JSON at byte 0"},
      {"a missing commit", [&] { good(memory_->remove(key(1))); },
       "the log has a gap, t/_delta_log/00000000000000000001.json is missing"},
      {"a missing first commit", [&] { good(memory_->remove(key(0))); },
       "the log has a gap, t/_delta_log/00000000000000000000.json is missing"},
      {"no metadata",
       [&] {
         good(memory_->put(key(0),
                           "{\"protocol\":{\"minReaderVersion\":1,\"minWriterVersion\":2}}"));
       },
       "corruption: table t at version 2: its log has no metaData action"},
      {"no protocol",
       [&] { good(memory_->put(key(0), "{\"metaData\":{\"schemaString\":\"{}\"}}")); },
       "its log has no protocol action"},
      {"a schema that is none",
       [&] {
         good(memory_->put(key(0),
                           "{\"protocol\":{\"minReaderVersion\":1,\"minWriterVersion\":2}}{"
                           "\"metaData\":{\"schemaString\":\"x\"}}"));
       },
       "table t at version 2: the table's schema: "},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    SetUp();
    next_ = 0;
    append(3);
    c.breaks();
    EXPECT_HAS(said(fresh()), c.said);
  }
}

TEST_F(LogTest, WhatOthersLeaveInTheFolderIsIgnored) {
  append(2);
  for (const char* name :
       {"00000000000000000001.crc", "_commit_abc.tmp",
        "00000000000000000000.00000000000000000001.compacted.json",
        "_staged_commits/00000000000000000002.x.json", "00000000000000000002.json.tmp", "2.json",
        "00000000000000000005.checkpoint.0000000001.0000000002.parquet",
        "99999999999999999999.json"}) {
    good(memory_->put("t/_delta_log/" + std::string(name), "rubbish"));
  }
  EXPECT_EQ(good(fresh())->version(), Version(1));
}

TEST_F(LogTest, ACheckpointStandsForTheLogBeforeIt) {
  append(10);
  EXPECT_EQ(said(memory_->head(checkpoint_key(table("t"), Version(10)))),
            "not_found: no such object: t/_delta_log/00000000000000000010.checkpoint.parquet");
  append(3);
  EXPECT_EQ(last_checkpoint(*memory_, table("t")), Version(10));
  const std::string all = rows("t");
  for (int version = 0; version < 10; ++version) good(memory_->remove(key(version)));
  EXPECT_EQ(rows(*good(fresh())), all);
  EXPECT_EQ(good(fresh())->state().tombstones.size(), 0U);
  EXPECT_EQ(good(fresh())->content_hash(), snapshot("t")->content_hash());
  EXPECT_EQ(
      said(lake_->snapshot_at(table("t"), Version(9))),
      "not_found: table t has no version 9 any more, its log was cleaned; the earliest is 10");
  clock_.advance(std::chrono::hours(1));
  EXPECT_HAS(said(lake_->snapshot_at(table("t"), at("2013-12-01T00:00:00Z"))),
             "the earliest is version 10 of");
}

TEST_F(LogTest, TombstonesAreKeptForAsLongAsTheTableSays) {
  append(1);
  good(write("t", "SELECT 100 AS a", {.mode = WriteMode::Overwrite}));
  const SnapshotPtr now = snapshot("t");
  ASSERT_EQ(now->state().tombstones.size(), 1U);
  const auto tombstones_after = [&](Duration passed) {
    good(write_checkpoint(*memory_, *engine_, *now, clock_.now() + passed));
    return good(read_checkpoint(*memory_, *engine_, table("t"),
                                {Version(1), {checkpoint_key(table("t"), Version(1))}, {}}))
        .tombstones.size();
  };
  EXPECT_EQ(tombstones_after(std::chrono::days(6)), 1U);
  EXPECT_EQ(tombstones_after(std::chrono::days(8)), 0U);
}

TEST_F(LogTest, ABrokenHintIsNoHarm) {
  append(12);
  const std::string all = rows("t");
  for (const char* hint : {"", "{", "[]", "{\"version\":3}", "{\"version\":11}", "{\"version\":99}",
                           "{\"version\":-1}", "{\"version\":\"x\"}"}) {
    SCOPED_TRACE(hint);
    good(memory_->put(last_checkpoint_key(table("t")), hint));
    EXPECT_EQ(rows(*good(fresh())), all);
  }
}

TEST_F(LogTest, ABrokenCheckpointIsNamed) {
  append(11);
  const std::string checkpoint = checkpoint_key(table("t"), Version(10));
  const std::string bytes = good(memory_->get(checkpoint));
  for (const std::string& wrong :
       {std::string("rubbish"), std::string(), bytes.substr(0, bytes.size() / 2)}) {
    good(memory_->put(checkpoint, wrong));
    const std::string answer = said(fresh());
    EXPECT_HAS(answer, "corruption: reading a checkpoint");
    EXPECT_HAS(answer, "t/_delta_log/00000000000000000010.checkpoint.parquet");
  }
}

TEST_F(LogTest, TheIntervalOfCheckpointsIsTheTablesOwn) {
  good(lake_->create(table("t"), columnar::Schema({{"a", columnar::simple(columnar::Kind::Int32)}}),
                     {}, {{"delta.checkpointInterval", "3"}}));
  append(7);
  EXPECT_EQ(last_checkpoint(*memory_, table("t")), Version(6));
  for (const auto& [interval, due] :
       std::map<std::string, bool>{{"5", true}, {"3", false}, {"0", true}, {"x", true}}) {
    EXPECT_EQ(is_checkpoint_due({.configuration = {{"delta.checkpointInterval", interval}}}, 1,
                                Version(10)),
              due);
  }
  EXPECT_FALSE(is_checkpoint_due({}, 1, Version(0)));
  for (const auto& [files, version, due] :
       std::vector<std::tuple<std::size_t, int, bool>>{{99, 110, true},
                                                       {100, 110, false},
                                                       {100, 200, true},
                                                       {4'999, 5'100, true},
                                                       {5'000, 5'100, false},
                                                       {5'000, 5'500, true}})
    EXPECT_EQ(is_checkpoint_due({}, files, Version(version)), due) << files << " " << version;
}

TEST_F(LogTest, TheRememberedSnapshotFollowsTheLog) {
  append(2);
  EXPECT_EQ(rows("t"), "0;1");
  Lake other(*memory_, *engine_, clock_);
  good(other.write(*session_, table("t"), "SELECT 7 AS a", {}));
  EXPECT_EQ(rows("t"), "0;1;7");
  // Dropped and made anew by someone else, with as many versions.
  for (const auto& object : good(memory_->list("t/"))) good(memory_->remove(object.key));
  clock_.advance(std::chrono::seconds(1));
  for (const char* value : {"8", "9", "10"}) {
    good(other.write(*session_, table("t"), "SELECT " + std::string(value) + " AS a", {}));
  }
  EXPECT_EQ(rows("t"), "8;9;10");
  for (const auto& object : good(memory_->list("t/"))) good(memory_->remove(object.key));
  EXPECT_EQ(said(lake_->snapshot(table("t"))), "not_found: table t does not exist");
}

TEST_F(LogTest, ACommitThatIsLostBehindARememberedVersionIsAGapToReadersAndWriters) {
  append(2);
  EXPECT_EQ(rows("t"), "0;1");
  Lake other(*memory_, *engine_, clock_);
  for (const char* value : {"2", "3"})
    good(other.write(*session_, table("t"), "SELECT " + std::string(value) + " AS a", {}));
  good(memory_->remove(key(2)));
  const std::string gap = "the log has a gap, t/_delta_log/00000000000000000002.json is missing";
  EXPECT_HAS(said(lake_->snapshot(table("t"))), gap);
  EXPECT_HAS(said(lake_->write(*session_, table("t"), "SELECT 4 AS a", {})), gap);
  EXPECT_EQ(said(memory_->head(key(2))).substr(0, 9), "not_found") << "nothing was put there";
}

TEST_F(LogTest, ADataFileThatIsGoneIsNamed) {
  append(1);
  const std::string path = snapshot("t")->files().at(0)->file.path;
  good(memory_->remove("t/" + path));
  EXPECT_HAS(said(snapshot("t")->scan()), "not_found: reading table t at version 0: ");
  EXPECT_HAS(said(snapshot("t")->scan()), path);
}

}  // namespace
}  // namespace millrace::lake
