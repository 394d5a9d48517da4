// What a write leaves behind: rows, files, tags, statistics, and nothing when it is refused.

#include <gtest/gtest.h>

#include "lake/checkpoint.h"
#include "lake/lake_fixture.h"
#include "lake/statistics.h"
#include "lake/writer_tags.h"

namespace millrace::lake {
namespace {

using columnar::Kind;

class WriteTest : public LakeTest {};

TEST_F(WriteTest, TheFirstWriteMakesTheTable) {
  const Committed committed = good(write("raw.flights", "SELECT 1 AS a, 'x' AS b"));
  EXPECT_EQ(committed.version, Version(0));
  EXPECT_EQ(committed.rows_written, 1);
  EXPECT_EQ(committed.files_added, 1);
  EXPECT_FALSE(committed.already_done);
  EXPECT_EQ(rows("raw.flights"), "1|x");
  const SnapshotPtr after = snapshot("raw.flights");
  EXPECT_EQ(after->protocol(), (Protocol{.min_reader = 1, .min_writer = 2}));
  EXPECT_EQ(after->schema(), columnar::Schema({{"a", columnar::simple(Kind::Int32)},
                                               {"b", columnar::simple(Kind::String)}}));
}

TEST_F(WriteTest, ModesSayWhatStays) {
  const WriteSpec by_day{.partition_by = {"day"}};
  good(write("t", "SELECT 1 AS a, DATE '2013-12-01' AS day UNION ALL SELECT 2, DATE '2013-12-02'",
             by_day));
  good(write("t", "SELECT 3 AS a, DATE '2013-12-02' AS day"));
  EXPECT_EQ(rows("t"), "1|2013-12-01;2|2013-12-02;3|2013-12-02");
  const Committed replaced = good(write("t", "SELECT 4 AS a, DATE '2013-12-02' AS day",
                                        {.mode = WriteMode::OverwritePartitions}));
  EXPECT_EQ(replaced.files_removed, 2);
  EXPECT_EQ(rows("t"), "1|2013-12-01;4|2013-12-02");
  good(write("t", "SELECT 5 AS a, DATE '2013-12-03' AS day", {.mode = WriteMode::Overwrite}));
  EXPECT_EQ(rows("t"), "5|2013-12-03");
  EXPECT_EQ(rows(*good(lake_->snapshot_at(table("t"), Version(1)))),
            "1|2013-12-01;2|2013-12-02;3|2013-12-02");
}

TEST_F(WriteTest, TheSameGenerationAgainChangesNothingAndComputesNothing) {
  const WriteSpec spec{.writer = {"dag.task.2013-12-01.t", 1}};
  good(write("t", "SELECT 1 AS a", spec));
  // The SELECT would fail if it were looked at.
  const Committed again = good(write("t", "SELECT no such thing", spec));
  EXPECT_TRUE(again.already_done);
  EXPECT_EQ(again.version, Version(0));
  EXPECT_EQ(snapshot("t")->version(), Version(0));
  EXPECT_EQ(snapshot("t")->txn_version("dag.task.2013-12-01.t"), 1);
}

TEST_F(WriteTest, TheSameGenerationAgainNamesTheVersionThatItMade) {
  good(write("t", "SELECT 1 AS a", {.writer = {"first", 1}}));
  good(write("t", "SELECT 2 AS a", {.writer = {"second", 1}, .mode = WriteMode::Overwrite}));
  EXPECT_EQ(good(write("t", "SELECT 1 AS a", {.writer = {"first", 1}})).version, Version(0));
  EXPECT_EQ(good(write("t", "SELECT 2 AS a", {.writer = {"second", 1}})).version, Version(1));
  good(write("t", "SELECT 3 AS a", {.writer = {"first", 2}}));
  EXPECT_EQ(good(write("t", "SELECT 1 AS a", {.writer = {"first", 1}})).version, Version(2))
      << "a later generation stands for it";
}

TEST_F(WriteTest, TheSameGenerationAgainCountsWhatHadBeenWritten) {
  const WriteSpec first{.writer = {"first", 1}};
  const Committed made = good(write("t", "SELECT * FROM range(3)", first));
  good(write("t", "SELECT * FROM range(5)", {.writer = {"second", 1}}));
  const auto expect_the_same = [&](const Committed& again) {
    EXPECT_TRUE(again.already_done);
    EXPECT_EQ(again.rows_written, 3);
    EXPECT_EQ(again.bytes_written, made.bytes_written);
    EXPECT_EQ(again.files_added, 1);
  };
  expect_the_same(good(write("t", "SELECT * FROM range(4)", first)));
  good(write_checkpoint(*store_, *engine_, *snapshot("t"), clock_.now()));
  SCOPED_TRACE("the log has lost the commit, and the files are there");
  good(store_->remove(commit_key(table("t"), Version(0))));
  expect_the_same(good(write("t", "SELECT * FROM range(4)", first)));
}

TEST_F(WriteTest, AClearedIntervalReplacesItsOwnFilesInOneCommit) {
  good(write("t", "SELECT 1 AS a", {.writer = {"first", 1}}));
  good(write("t", "SELECT 2 AS a", {.writer = {"second", 1}}));
  good(write("t", "SELECT 3 AS a"));
  const Committed cleared = good(write("t", "SELECT 10 AS a", {.writer = {"first", 2}}));
  EXPECT_EQ(cleared.files_removed, 1);
  EXPECT_EQ(rows("t"), "2;3;10");
  EXPECT_EQ(cleared.version, Version(3));
  EXPECT_TRUE(good(write("t", "SELECT 1 AS a", {.writer = {"first", 1}})).already_done);
}

TEST_F(WriteTest, AnEmptyAnswerIsRememberedToo) {
  const WriteSpec spec{.writer = {"w", 1}};
  const Committed empty = good(write("t", "SELECT 1 AS a WHERE false", spec));
  EXPECT_EQ(empty.files_added, 0);
  EXPECT_TRUE(good(write("t", "SELECT 1 AS a", spec)).already_done);
  EXPECT_EQ(rows("t"), "");
}

TEST_F(WriteTest, MarksMoveInTheSameCommit) {
  good(write("t", "SELECT 1 AS a", {.writer = {"w", 1}, .marks = {{"cursor", 42}}}));
  EXPECT_EQ(snapshot("t")->txn_version("cursor"), 42);
  EXPECT_EQ(snapshot("t")->txn_version("nobody"), std::nullopt);
  EXPECT_HAS(said(write("t", "SELECT 1 AS a", {.writer = {"w", 2}, .marks = {{"w", 1}}})),
             "a mark needs a name of its own");
}

TEST_F(WriteTest, EachFileNamesItsWriterAndItsHash) {
  good(write("t", "SELECT 1 AS a", {.writer = {"w", 7}}));
  const AddFile& add = *snapshot("t")->files().at(0);
  EXPECT_EQ(add.tag(kWriterTag), "w");
  EXPECT_EQ(add.tag(kGenerationTag), "7");
  EXPECT_EQ(add.tag(kHashTag)->size(), 64U);
}

TEST_F(WriteTest, APartitionOfAHigherRankOfTheSeriesStands) {
  const auto ranked = [](const std::string& series, std::int64_t rank) {
    return WriteSpec{.mode = WriteMode::OverwritePartitions,
                     .partition_by = {"day"},
                     .rank = Rank{series, rank}};
  };
  good(write("t", "SELECT 1 AS a, 1 AS day UNION ALL SELECT 1, 2", ranked("s", 5)));
  good(write("t", "SELECT 2 AS a, 2 AS day", ranked("s", 7)));
  const Committed lower = good(
      write("t", "SELECT 3 AS a, day::INTEGER AS day FROM range(1, 4) t(day)", ranked("s", 6)));
  EXPECT_EQ(rows("t"), "2|2;3|1;3|3");
  EXPECT_EQ(lower.rows_written, 2);
  EXPECT_EQ(lower.outranked.partitions, 1);
  EXPECT_EQ(lower.outranked.rows, 1);
  EXPECT_EQ(lower.outranked.highest, 7);
  EXPECT_TRUE(orphans("t").empty()) << "what was left out leaves no file behind";
  good(write("t", "SELECT 4 AS a, 2 AS day", ranked("another", 1)));
  EXPECT_EQ(rows("t"), "3|1;3|3;4|2") << "another series is not compared";
}

TEST_F(WriteTest, ContentHashFollowsTheRowsAndNotTheHistory) {
  const WriteSpec ordered{.ordered = true};
  good(write("a", "SELECT 1 AS a", ordered));
  good(write("a", "SELECT 2 AS a", ordered));
  good(write("b", "SELECT 2 AS a", ordered));
  good(write("b", "SELECT 3 AS a", ordered));
  good(write("b", "SELECT 2 AS a", {.mode = WriteMode::Overwrite, .ordered = true}));
  EXPECT_NE(snapshot("a")->content_hash(), snapshot("b")->content_hash());
  good(write("b", "SELECT 1 AS a", ordered));
  EXPECT_EQ(snapshot("a")->content_hash(), snapshot("b")->content_hash());
  good(write("c", "SELECT 1 AS b UNION ALL SELECT 2", ordered));
  EXPECT_NE(snapshot("a")->content_hash(), snapshot("c")->content_hash());
}

TEST_F(WriteTest, ContentHashOfACutDoesNotKnowLaterFiles) {
  const Predicate cut = {{"at", Comparison::Less, "2013-01-06T00:00:00Z"}};
  good(write("t", "SELECT TIMESTAMPTZ '2013-01-05 10:00:00Z' AS at, 1 AS a"));
  const std::string hash = good(snapshot("t")->content_hash(cut));
  EXPECT_EQ(hash, snapshot("t")->content_hash());
  good(write("t", "SELECT TIMESTAMPTZ '2013-01-06 00:00:00Z' AS at, 2 AS a"));
  EXPECT_EQ(good(snapshot("t")->content_hash(cut)), hash);
  EXPECT_NE(snapshot("t")->content_hash(), hash);
  good(write("t", "SELECT TIMESTAMPTZ '2013-01-05 23:59:59.999999Z' AS at, 3 AS a"));
  EXPECT_NE(good(snapshot("t")->content_hash(cut)), hash);
  EXPECT_EQ(said(snapshot("t")->content_hash({{"nope", Comparison::Less, "1"}})).substr(0, 9),
            "not_found");
}

TEST_F(WriteTest, ColumnsThatDoNotFitAreRefusedByName) {
  good(write("t", "SELECT 1::BIGINT AS n, 'x' AS s"));
  struct Case {
    std::string why;
    std::string select;
    WriteSpec spec;
    std::string said;
  };
  const std::vector<Case> cases = {
      {"integers became text",
       "SELECT 'one' AS n, 'x' AS s",
       {},
       "column 'n' is BIGINT in the table and VARCHAR in the rows"},
      {"a wider type",
       "SELECT 1::HUGEINT::DECIMAL(38,0) AS n, 'x' AS s",
       {},
       "column 'n' is BIGINT"},
      {"a column is missing", "SELECT 1 AS n", {}, "the rows have no column 's'"},
      {"a new column", "SELECT 1 AS n, 'x' AS s, 2 AS extra", {}, "no column 'extra'"},
      {"another partitioning",
       "SELECT 1 AS n, 'x' AS s",
       {.partition_by = {"s"}},
       "partitioned by no column, not by s"},
      {"partitions of none",
       "SELECT 1 AS n, 'x' AS s",
       {.mode = WriteMode::OverwritePartitions},
       "has no partitions"},
      {"a name with a space",
       "SELECT 1 AS n, 'x' AS s, 3 AS \"a b\"",
       {.schema_change = SchemaChange::AddColumns},
       "cannot hold ' ' in its name"},
      {"replacing without overwriting",
       "SELECT 1 AS x",
       {.schema_change = SchemaChange::Replace},
       "only together with all its rows"},
      {"no SELECT", "DROP TABLE t", {}, "invalid"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    const std::string answer = said(write("t", c.select, c.spec));
    EXPECT_HAS(answer, c.said);
  }
  EXPECT_EQ(snapshot("t")->version(), Version(0));
  EXPECT_TRUE(orphans("t").empty());
}

TEST_F(WriteTest, NarrowerNumbersAndAnotherOrderFit) {
  good(write("t", "SELECT 1::BIGINT AS n, 1.5::DOUBLE AS d, 'x' AS s"));
  good(write("t", "SELECT 'y' AS S, 2::TINYINT AS n, 2.5::FLOAT AS d; -- the last"));
  EXPECT_EQ(rows("t"), "1|1.5|x;2|2.5|y");
}

TEST_F(WriteTest, AnOrderedWriteKeepsItsOrderThroughCasts) {
  good(write("t", "SELECT 0::BIGINT AS n, 'x' AS s", {.ordered = true}));
  good(write("t",
             "SELECT CAST(range AS INTEGER) AS n, 'y' AS s FROM range(200000) ORDER BY hash(range)",
             {.mode = WriteMode::Overwrite, .ordered = true}));
  ASSERT_EQ(snapshot("t")->files().size(), 1U);
  good(session_->define_scan("back", good(snapshot("t")->scan())));
  EXPECT_EQ(
      ask("SELECT count(*) FROM (SELECT hash(n) AS h, lag(hash(n)) OVER () AS before FROM back) "
          "WHERE h < before"),
      "0");
}

TEST_F(WriteTest, ASelectThatFailsHalfWayLeavesNothing) {
  good(write("t", "SELECT 1 AS a"));
  EXPECT_HAS(said(write("t",
                        "SELECT CASE WHEN range = 150000 THEN error('half way')::INTEGER ELSE 1 "
                        "END AS a FROM range(200000)")),
             "half way");
  EXPECT_EQ(rows("t"), "1");
  EXPECT_TRUE(orphans("t").empty());
  const std::string by_partition =
      "SELECT range AS a, CASE WHEN range = 90 THEN error('half way')::INTEGER ELSE range % 3 END "
      "AS "
      "p FROM range(100)";
  for (const bool ordered : {false, true}) {
    EXPECT_HAS(said(write("u", by_partition, {.partition_by = {"p"}, .ordered = ordered})),
               "half way");
    EXPECT_TRUE(orphans("u").empty());
  }
}

TEST_F(WriteTest, NewColumnsComeAtTheEndWhenTheyAreAllowed) {
  good(write("t", "SELECT 1 AS a"));
  good(write("t", "SELECT 'new' AS b", {.schema_change = SchemaChange::AddColumns}));
  EXPECT_EQ(rows("t"), "1|NULL;NULL|new");
  EXPECT_EQ(rows(*good(lake_->snapshot_at(table("t"), Version(0)))), "1");
}

TEST_F(WriteTest, ReplaceChangesColumnsAndPartitioning) {
  good(write("t", "SELECT 1 AS a"));
  good(write("t", "SELECT 'x' AS b, 2 AS c",
             {.mode = WriteMode::Overwrite,
              .partition_by = {"c"},
              .schema_change = SchemaChange::Replace}));
  EXPECT_EQ(rows("t"), "x|2");
  EXPECT_EQ(snapshot("t")->partition_columns(), std::vector<std::string>{"c"});
}

TEST_F(WriteTest, PartitionValuesOfAllKindsComeBack) {
  const std::string select =
      "SELECT * FROM (VALUES (1, 'plain'), (2, 'a b'), (3, '50%'), (4, 'k=v'), (5, 'ü/ñ'), "
      "(6, NULL), (7, '日本'), (8, 'a:b+c'), (9, '%2F'), (10, '.'), (11, '..'), (12, '''\"')) v(a, "
      "p)";
  good(write("t", select, {.partition_by = {"p"}}));
  EXPECT_EQ(rows("t"),
            "1|plain;2|a b;3|50%;4|k=v;5|ü/ñ;6|NULL;7|日本;8|a:b+c;9|%2F;10|.;11|..;12|'\"");
  for (const auto& add : snapshot("t")->files()) {
    EXPECT_EQ(add->file.path.find_first_of(" #?\"+:"), std::string::npos) << add->file.path;
  }
  good(write("t", "SELECT 20 AS a, 'k=v' AS p UNION ALL SELECT 21, NULL",
             {.mode = WriteMode::OverwritePartitions}));
  EXPECT_EQ(rows(*snapshot("t"), {{"p", Comparison::Equal, "k=v"}}), "20|k=v");
  EXPECT_EQ(rows(*snapshot("t"), {{"p", Comparison::IsNull, ""}}), "21|NULL");
}

TEST_F(WriteTest, AnEmptyTextAsPartitionValueIsRefused) {
  const std::string answer = said(write("t", "SELECT 1 AS a, '' AS p", {.partition_by = {"p"}}));
  EXPECT_HAS(answer, "invalid: writing table t: an empty text in partition column 'p'");
  EXPECT_EQ(said(lake_->snapshot(table("t"))), "not_found: table t does not exist");
  EXPECT_TRUE(orphans("t").empty());
}

TEST_F(WriteTest, ANulInAPartitionValueIsRefused) {
  for (const bool ordered : {false, true}) {
    SCOPED_TRACE(ordered);
    const std::string answer = said(write("t", "SELECT 1 AS a, 'b' || chr(0) || 'c' AS p",
                                          {.partition_by = {"p"}, .ordered = ordered}));
    EXPECT_HAS(answer, "invalid: writing table t: ");
    EXPECT_HAS(answer, "NUL character in partition column 'p'");
    EXPECT_TRUE(orphans("t").empty());
  }
}

TEST_F(WriteTest, TypedPartitionValuesComeBack) {
  good(write(
      "t",
      "SELECT 1 AS a, TIMESTAMPTZ '2013-12-01 05:00:00.5+00' AS m, TIMESTAMP '2013-12-01 "
      "05:00:00' AS w, 1.50::DECIMAL(9,2) AS d, true AS b, 7::SMALLINT AS n, 0.1::DOUBLE AS f",
      {.partition_by = {"m", "w", "d", "b", "n", "f"}}));
  EXPECT_EQ(rows("t"), "1|2013-12-01T05:00:00.5Z|2013-12-01T05:00:00|1.50|true|7|0.1");
  const Protocol& protocol = snapshot("t")->protocol();
  EXPECT_EQ(protocol.reader_features, std::vector<std::string>{"timestampNtz"});
  EXPECT_EQ(protocol.min_writer, 7);
}

TEST_F(WriteTest, NullsInAColumnThatMayNotBeNullAreRefused) {
  good(lake_->create(table("t"), columnar::Schema({{"a", columnar::simple(Kind::Int32), false}})));
  EXPECT_HAS(said(write("t", "SELECT * FROM (VALUES (1), (NULL)) v(a)")),
             "data_quality: writing table t: column 'a' may not be null in this table; the rows to "
             "write have 1 nulls in it");
  EXPECT_TRUE(orphans("t").empty());
  good(write("t", "SELECT 1 AS a"));
  EXPECT_EQ(rows("t"), "1");
}

TEST_F(WriteTest, CreateMakesAnEmptyTableOnce) {
  const columnar::Schema schema(
      {{"a", columnar::simple(Kind::Int32)}, {"day", columnar::simple(Kind::Date)}});
  EXPECT_EQ(good(lake_->create(table("t"), schema, {"DAY"})), Version(0));
  EXPECT_EQ(rows("t"), "");
  EXPECT_EQ(snapshot("t")->partition_columns(), std::vector<std::string>{"day"});
  EXPECT_HAS(said(lake_->create(table("t"), schema)), "already_exists: table t exists");
  EXPECT_HAS(said(lake_->create(table("u"), schema, {"a", "day"})), "every column");
  EXPECT_HAS(said(lake_->create(table("u"), columnar::Schema())), "needs a column");
  good(write("t", "SELECT 1 AS a, DATE '2013-12-01' AS day"));
  EXPECT_EQ(rows("t"), "1|2013-12-01");
}

TEST_F(WriteTest, TheFenceIsAskedBeforeThePut) {
  good(write("t", "SELECT 1 AS a"));
  int asked = 0;
  const auto closed = [&]() -> Status {
    ++asked;
    return Error(ErrorCode::Denied, "attempt 1 was superseded by attempt 2");
  };
  EXPECT_EQ(said(write("t", "SELECT 2 AS a", {.fence = closed})),
            "denied: writing table t: attempt 1 was superseded by attempt 2");
  EXPECT_EQ(asked, 1);
  EXPECT_EQ(rows("t"), "1");
  EXPECT_TRUE(orphans("t").empty());
}

TEST_F(WriteTest, CommitInfoSaysWhoWroteWhat) {
  good(write("t", "SELECT 1 AS a",
             {.operation = "INGEST", .user_metadata = Json::object({{"run", "r1"}})}));
  good(write("t", "SELECT 2 AS a", {.mode = WriteMode::Overwrite}));
  const std::vector<HistoryEntry> history = good(lake_->history(table("t"), 10));
  ASSERT_EQ(history.size(), 2U);
  EXPECT_EQ(history[0].version, Version(1));
  EXPECT_EQ(history[0].operation, "WRITE");
  EXPECT_EQ(history[0].info["isBlindAppend"], Json(false));
  EXPECT_EQ(history[0].info["operationParameters"].string_or("mode", ""), "Overwrite");
  EXPECT_EQ(history[0].info["operationMetrics"].string_or("numRemovedFiles", ""), "1");
  EXPECT_EQ(history[0].info.integer_or("timestamp", 0), 1385856002000);
  EXPECT_EQ(history[1].operation, "INGEST");
  EXPECT_EQ(history[1].info.string_or("userMetadata", ""), R"({"run":"r1"})");
  EXPECT_EQ(history[1].info["isBlindAppend"], Json(true));
  EXPECT_HAS(history[1].info.string_or("engineInfo", ""), "millrace/");
  EXPECT_EQ(good(lake_->history(table("t"), 1)).size(), 1U);
}

TEST_F(WriteTest, StatisticsBoundTheValues) {
  good(write(
      "t",
      "SELECT * FROM (VALUES (1, 1.5::DOUBLE, 'abc', DATE '2013-12-01', "
      "TIMESTAMPTZ '2013-12-01 05:00:00.1234+00', true, {'x': 5, 'y': 'q'}, 1.25::DECIMAL(9,2)), "
      "(NULL, 'nan'::DOUBLE, repeat('z', 40), NULL, TIMESTAMPTZ '2013-12-02 05:00:00.9991+00', "
      "false, NULL, 99.5)) v(i, f, s, d, m, b, st, n)"));
  EXPECT_EQ(*snapshot("t")->files().at(0)->stats,
            R"({"numRecords":2,"minValues":{"i":1,"s":"abc","d":"2013-12-01",)"
            R"("m":"2013-12-01T05:00:00.123Z","st":{"x":5,"y":"q"},"n":1.25},)"
            R"("maxValues":{"i":1,"s":"zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz{","d":"2013-12-01",)"
            R"("m":"2013-12-02T05:00:01.000Z","st":{"x":5,"y":"q"},"n":99.50},)"
            R"("nullCount":{"i":1,"f":0,"s":0,"d":1,"m":0,"b":0,"st":{"x":1,"y":1},"n":0}})");
}

TEST_F(WriteTest, PredicatesLeaveFilesOut) {
  for (int i = 0; i < 4; ++i) {
    good(write("t", "SELECT range + " + std::to_string(i * 10) + " AS a FROM range(10)"));
  }
  const SnapshotPtr all = snapshot("t");
  EXPECT_EQ(good(all->scan({{"a", Comparison::Equal, "25"}})).files.size(), 1U);
  EXPECT_EQ(good(all->scan({{"A", Comparison::GreaterOrEqual, "25"}})).files.size(), 2U);
  EXPECT_EQ(good(all->scan({{"a", Comparison::Less, "10"}})).files.size(), 1U);
  EXPECT_EQ(good(all->scan({{"a", Comparison::IsNull, ""}})).files.size(), 0U);
  EXPECT_EQ(good(all->scan({{"a", Comparison::NotEqual, "1"}})).files.size(), 4U);
  good(write("u", "SELECT 0.1::FLOAT AS f"));
  EXPECT_EQ(good(snapshot("u")->scan({{"f", Comparison::Equal, "0.1"}})).files.size(), 1U);
  EXPECT_HAS(said(all->scan({{"a", Comparison::Equal, "x"}})), "'x' is no BIGINT");
  EXPECT_HAS(said(all->scan({{"aa", Comparison::Equal, "1"}})), "did you mean 'a'?");
}

TEST_F(WriteTest, TablesThatWouldHarmEachOtherAreRefused) {
  good(write("raw.flights", "SELECT 1 AS a"));
  good(write("weather", "SELECT 1 AS a"));
  struct Case {
    std::string why;
    std::string name;
    std::string said;
  };
  const std::vector<Case> cases = {
      {"another case", "RAW.flights", "there is a table raw.flights already"},
      {"another case, no schema", "Weather", "there is a table weather already"},
      {"around a table", "raw", "its folder raw would lie around or inside that of table raw.fl"},
      {"around it, in another case", "RAW", "that of table raw.flights"},
      {"inside a table", "weather.hourly", "inside that of table weather"},
      {"beside them", "raw.flights2", "ok"},
      {"beside them, too", "weather2.flights", "ok"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    EXPECT_HAS(said(write(c.name, "SELECT 2 AS a")), c.said);
    if (c.said == "ok") continue;
    EXPECT_HAS(
        said(lake_->create(table(c.name),
                           columnar::Schema({{"a", columnar::simple(columnar::Kind::Int32)}}))),
        c.said);
    EXPECT_EQ(good(store_->list(table(c.name).folder() + "/_delta_log/")).size(), 0U);
  }
  for (const char* name : {"raw._delta_log", "_Delta_Log", "_delta_log.t"}) {
    EXPECT_HAS(said(TableName::parse(name)), "keeps its history") << name;
  }
  EXPECT_EQ(rows("raw.flights"), "1");
}

TEST_F(WriteTest, FilesThatNoVersionRemembersAreFound) {
  good(write("t", "SELECT 1 AS a, 'x y' AS p", {.partition_by = {"p"}}));
  good(write("t", "SELECT 2 AS a, 'x y' AS p", {.mode = WriteMode::Overwrite}));
  EXPECT_TRUE(good(lake_->loose_files(*snapshot("t"))).empty());
  good(store_->put("t/p=x%20y/part-killed.parquet", "half"));
  const auto loose = good(lake_->loose_files(*snapshot("t")));
  ASSERT_EQ(loose.size(), 1U);
  EXPECT_EQ(loose[0].key, "t/p=x%20y/part-killed.parquet");
}

TEST_F(WriteTest, TablesAreFound) {
  good(write("raw.flights", "SELECT 1 AS a"));
  good(write("weather", "SELECT 1 AS a"));
  good(store_->put("other-folder/_delta_log/00000000000000000000.json", "{}"));
  std::vector<std::string> names;
  for (const TableName& name : good(lake_->tables())) names.push_back(name.text());
  EXPECT_EQ(names, (std::vector<std::string>{"raw.flights", "weather"}));
}

}  // namespace
}  // namespace millrace::lake
