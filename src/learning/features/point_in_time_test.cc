#include "features/point_in_time.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

namespace millrace::features {
namespace {

class PointInTime : public ::testing::Test {
 protected:
  void SetUp() override {
    auto engine = engine::open_duckdb({.threads = 2});
    ASSERT_TRUE(engine.ok()) << engine.error().message();
    engine_ = *std::move(engine);
    session_ = *engine_->open_session();
  }

  void run(const std::string& sql) {
    const auto done = session_->execute(sql);
    ASSERT_TRUE(done.ok()) << done.error().message() << "\n" << sql;
  }

  std::string select_of(const TrainingSet& set, const std::vector<FeatureView>& views) {
    const auto join = PointInTimeJoin::bind(*session_, set, views);
    EXPECT_TRUE(join.ok()) << join.error().message();
    return join.ok() ? join->select() : "";
  }

  /// The answer, one line for each row.
  std::string rows(const std::string& sql) {
    const auto batches = session_->collect(sql);
    EXPECT_TRUE(batches.ok()) << batches.error().message() << "\n" << sql;
    std::string text;
    if (!batches.ok()) return text;
    for (const auto& batch : *batches)
      for (std::size_t row = 0; row < batch.row_count(); ++row) {
        for (std::size_t i = 0; i < batch.schema().size(); ++i)
          text += (i == 0 ? "" : "|") +
                  (batch.column(i).is_null(row) ? "-" : batch.column(i).to_string(row));
        text += "\n";
      }
    return text;
  }

  std::unique_ptr<engine::Engine> engine_;
  std::unique_ptr<engine::Session> session_;
};

FeatureView history() {
  FeatureView view;
  view.name = "history";
  view.entities = {"user"};
  view.join_keys = {"user_id"};
  view.source = "versions";
  view.timestamp_field = "happened";
  view.created_timestamp_column = "created";
  view.features = {{"v", std::nullopt}};
  return view;
}

TrainingSet labels_with_v() {
  TrainingSet set;
  set.name = "training";
  set.labels = "labels";
  set.key = {"id"};
  set.timestamp = "t";
  set.features = {{"history", "v", "v", {}}};
  return set;
}

/// The edge cases on which Feast's stores disagree.
TEST_F(PointInTime, EdgesComeOutAsWritten) {
  run(R"(CREATE TABLE versions AS SELECT user_id::BIGINT AS user_id, happened::TIMESTAMP AS happened,
      created::TIMESTAMP AS created, v FROM (VALUES
      (1, '2026-01-10', '2026-01-10', 10), (1, '2026-01-12', '2026-01-12', 12),
      (1, '2026-01-12', '2026-01-14', 120), (2, '2026-01-20', '2026-01-20', 20),
      (3, '2026-01-01', '2026-01-01', NULL), (4, '2026-01-11', '2026-01-11', 41),
      (4, '2026-01-11', '2026-01-11', 42), (6, '2026-01-11', NULL, 6),
      (NULL, '2026-01-01', '2026-01-01', 7)) AS t(user_id, happened, created, v))");
  run(R"(CREATE TABLE labels AS SELECT id, user_id, t::TIMESTAMP AS t, why FROM (VALUES
      (1, 1, '2026-01-12', 'equal time is seen'), (2, 1, '2026-01-13', 'corrected only later'),
      (3, 1, '2026-01-19', 'of exactly the ttl'), (4, 1, '2026-01-19 00:01', 'older than the ttl'),
      (5, 2, '2026-01-15', 'only the future'), (6, 5, '2026-01-15', 'no rows'),
      (7, 3, '2026-01-02', 'the newest is null'), (8, 1, '2026-01-13', 'a twin'),
      (8, 1, '2026-01-13', 'a twin'), (9, 4, '2026-01-12', 'a full tie'),
      (10, NULL, '2026-01-12', 'no key'), (11, 6, '2026-01-12', 'never created'),
      (12, 1, NULL, 'no scoring time')) AS t(id, user_id, t, why))");
  FeatureView view = history();
  view.ttl = std::chrono::days(7);
  TrainingSet set = labels_with_v();
  set.request_columns = {{"why", "t"}};
  const std::string select = "SELECT id, why, v FROM (" + select_of(set, {view}) + ")";
  EXPECT_EQ(rows(select),
            "1|equal time is seen|12\n2|corrected only later|12\n3|of exactly the ttl|120\n"
            "4|older than the ttl|-\n5|only the future|-\n6|no rows|-\n7|the newest is null|-\n"
            "8|a twin|12\n8|a twin|12\n9|a full tie|42\n10|no key|-\n11|never created|-\n"
            "12|no scoring time|-\n");
  view.mode = Mode::LatestEvent;
  EXPECT_EQ(
      rows("SELECT v FROM (" + select_of(set, {view}) + ") WHERE id IN (1, 2, 11) ORDER BY id"),
      "120\n120\n6\n");
}

TEST_F(PointInTime, OnlyDeclaredColumnsComeThrough) {
  run("CREATE TABLE versions AS SELECT 1 AS user_id, TIMESTAMP '2026-01-01' AS happened, TIMESTAMP "
      "'2026-01-01' AS created, 5 AS v");
  run("CREATE TABLE labels AS SELECT 1 AS id, 1 AS user_id, TIMESTAMP '2026-01-02' AS t, true AS "
      "late, 99 AS outcome, 'holdout' AS part");
  TrainingSet set = labels_with_v();
  set.label = "late";
  set.split = "part";
  const auto batches = session_->collect(select_of(set, {history()}));
  ASSERT_TRUE(batches.ok()) << batches.error().message();
  EXPECT_EQ(batches->front().schema().names(),
            (std::vector<std::string>{"id", "user_id", "t", "late", "part", "v"}));
}

/// The join that every template writes: all candidates, then the best one.
std::string naive(const FeatureView& view, const TrainingSet& set, bool deleted) {
  const bool created = !view.created_timestamp_column.empty();
  const std::string limit = fmt::format("l.t - to_microseconds({})", set.embargo.count());
  std::string on = "l.round = v.round AND l.user_id = v.user_id AND v.happened <= " + limit;
  if (created && view.mode == Mode::AsKnown) on += " AND v.created <= " + limit;
  if (view.ttl)
    on += fmt::format(" AND v.happened >= l.t - to_microseconds({})", view.ttl->count());
  return fmt::format(
      "SELECT l.round, l.id, l.user_id, l.t, m.a, m.b FROM numbered AS l LEFT JOIN (SELECT l.n, "
      "{0} "
      "AS a, {1} AS b FROM numbered AS l JOIN versions AS v ON {2} QUALIFY row_number() OVER "
      "(PARTITION BY l.n ORDER BY v.happened DESC{3}{4}, v.a DESC NULLS LAST, v.b DESC NULLS "
      "LAST) "
      "= 1) AS m USING (n) ORDER BY ALL",
      deleted ? "CASE WHEN v.gone IS NOT TRUE THEN v.a END" : "v.a",
      deleted ? "CASE WHEN v.gone IS NOT TRUE THEN v.b END" : "v.b", on,
      created ? ", v.created DESC NULLS LAST" : "",
      deleted ? ", coalesce(v.gone, false) DESC" : "");
}

/// Thousands of small tables at once, each a round of its own: few keys and few moments, so that
/// ties, late corrections, tombstones and edges of the ttl are common.
TEST_F(PointInTime, EqualsTheNaiveJoinOnThousandsOfSmallTables) {
  constexpr int rounds = 800;
  const auto pick = [](int salt, const char* from) {
    return fmt::format("([{}])[1 + (hash(i * 1000003 + {}) % len([{}])::UBIGINT)::INTEGER]", from,
                       salt, from);
  };
  const auto moment = [&](int salt) {
    return fmt::format("TIMESTAMP '2026-01-01' + to_hours({})",
                       pick(salt, "0, 1, 2, 3, 4, 5, 6, 7"));
  };
  run(fmt::format(
      "CREATE TABLE versions AS SELECT i // 9 AS round, {} AS user_id, CASE WHEN {} THEN "
      "NULL ELSE {} END AS happened, CASE WHEN {} THEN NULL ELSE {} END AS created, {} AS "
      "gone, {} AS a, {} AS b FROM range({}) AS t(i)",
      pick(1, "1, 2, NULL"), pick(2, "true, false, false, false, false"), moment(3),
      pick(4, "true, false, false, false, false"), moment(5), pick(6, "true, false, false, NULL"),
      pick(7, "1.5, 2.5, NULL"), pick(8, "'x', 'y', NULL"), rounds * 9));
  run(
      fmt::format("CREATE TABLE labels AS SELECT i // 6 AS round, {} AS id, {} AS user_id, {} AS t "
                  "FROM range({}) AS t(i)",
                  pick(11, "1, 2, 3"), pick(12, "1, 2, NULL"), moment(13), rounds * 6));
  run("CREATE TABLE numbered AS SELECT row_number() OVER () AS n, * FROM labels");
  TrainingSet set = labels_with_v();
  set.key = {"round", "id"};
  set.features = {{"history", "a", "a", {}}, {"history", "b", "b", {}}};
  int compared = 0;
  for (const bool created : {true, false})
    for (const Mode mode : {Mode::AsKnown, Mode::LatestEvent})
      for (const bool deleted : {true, false})
        for (const int ttl_hours : {0, 1, 3})
          for (const int embargo_hours : {0, 2}) {
            FeatureView view = history();
            view.join_keys = {"round", "user_id"};
            view.features = {{"a", std::nullopt}, {"b", std::nullopt}};
            view.mode = mode;
            if (!created) view.created_timestamp_column.clear();
            if (deleted) view.deleted_column = "gone";
            if (ttl_hours > 0) view.ttl = std::chrono::hours(ttl_hours);
            set.embargo = std::chrono::hours(embargo_hours);
            SCOPED_TRACE(fmt::format("created {} mode {} deleted {} ttl {} embargo {}", created,
                                     static_cast<int>(mode), deleted, ttl_hours, embargo_hours));
            const std::string ours = "SELECT round, id, user_id, t, a, b FROM (" +
                                     select_of(set, {view}) + ") ORDER BY ALL";
            const std::string theirs = naive(view, set, deleted);
            run("CREATE OR REPLACE TABLE ours AS " + ours);
            run("CREATE OR REPLACE TABLE theirs AS " + theirs);
            EXPECT_EQ(
                rows(
                    "SELECT (SELECT count(*) FROM ours), (SELECT count(*) FROM (FROM ours EXCEPT "
                    "ALL FROM theirs)), (SELECT count(*) FROM (FROM theirs EXCEPT ALL FROM ours))"),
                fmt::format("{}|0|0\n", rounds * 6));
            ++compared;
          }
  EXPECT_EQ(compared, 48);
  EXPECT_NE(rows("SELECT count(a) FROM ours"), "0\n");
}

TEST_F(PointInTime, TheBytesDoNotDependOnTheLayout) {
  run("CREATE TABLE original AS SELECT i % 50 AS user_id, TIMESTAMP '2026-01-01' + "
      "to_hours((hash(i) "
      "% 20)::INTEGER) AS happened, TIMESTAMP '2026-01-01' + to_hours((hash(i + 1) % 20)::INTEGER) "
      "AS "
      "created, (hash(i + 2) % 5)::INTEGER AS v FROM range(20000) AS t(i)");
  run("CREATE TABLE labels AS SELECT i AS id, i % 50 AS user_id, TIMESTAMP '2026-01-01' + "
      "to_hours((hash(i + 3) % 25)::INTEGER) AS t FROM range(2000) AS t(i)");
  std::vector<std::string> answers;
  for (const char* order : {"happened", "hash(v + user_id)", "v DESC, created"}) {
    run(fmt::format("CREATE OR REPLACE TABLE versions AS SELECT * FROM original ORDER BY {}",
                    order));
    answers.push_back(rows(select_of(labels_with_v(), {history()})));
  }
  EXPECT_EQ(answers[0], answers[1]);
  EXPECT_EQ(answers[0], answers[2]);
}

TEST_F(PointInTime, OneViewServesTwoColumnsOfTheLabel) {
  run("CREATE TABLE versions AS SELECT * FROM (VALUES ('JFK', TIMESTAMP '2026-01-01', 0.1), "
      "('LAX', "
      "TIMESTAMP '2026-01-01', 0.2)) AS t(airport, happened, v)");
  run("CREATE TABLE labels AS SELECT 1 AS id, 'JFK' AS origin, 'LAX' AS dest, TIMESTAMP "
      "'2026-01-02' "
      "AS t");
  FeatureView view = history();
  view.join_keys = {"airport"};
  view.created_timestamp_column.clear();
  TrainingSet set = labels_with_v();
  set.features = {{"history", "v", "dest_v", {{"airport", "dest"}}},
                  {"history", "v", "origin_v", {{"airport", "origin"}}}};
  EXPECT_EQ(rows("SELECT dest_v, origin_v FROM (" + select_of(set, {view}) + ")"), "0.2|0.1\n");
}

TEST_F(PointInTime, AViewWithoutTimeIsJoinedByItsKey) {
  run("CREATE TABLE versions AS SELECT * FROM (VALUES (1, 5), (2, 6), (2, 7), (NULL, 8)) AS "
      "t(user_id, "
      "v)");
  run("CREATE TABLE labels AS SELECT * FROM (VALUES (1, 1, TIMESTAMP '2026-01-01'), (2, 2, "
      "TIMESTAMP "
      "'2026-01-01'), (3, NULL, TIMESTAMP '2026-01-01')) AS t(id, user_id, t)");
  FeatureView view = history();
  view.timestamp_field.clear();
  view.created_timestamp_column.clear();
  const TrainingSet set = labels_with_v();
  EXPECT_EQ(rows("SELECT id, v FROM (" + select_of(set, {view}) + ")"), "1|5\n2|7\n3|-\n")
      << "every label row comes out once, whatever the dimension holds";
  const auto twice = check_dimensions(*session_, set, std::vector{view});
  ASSERT_FALSE(twice.ok());
  EXPECT_EQ(twice.error().code(), ErrorCode::DataQuality);
  EXPECT_NE(twice.error().message().find("1 keys have several rows"), std::string::npos)
      << twice.error().message();
  run("DELETE FROM versions WHERE v = 7");
  run("INSERT INTO versions VALUES (2, 6)");
  EXPECT_TRUE(check_dimensions(*session_, set, std::vector{view}).ok()) << "alike rows are one";
}

TEST_F(PointInTime, OfRowsThatAreTiedANullLosesWithATimeAndWithout) {
  run("CREATE TABLE versions AS SELECT 1 AS user_id, TIMESTAMP '2026-01-01' AS happened, TIMESTAMP "
      "'2026-01-01' AS created, v FROM (VALUES (NULL), (5), (NULL)) AS t(v)");
  run("CREATE TABLE labels AS SELECT 1 AS id, 1 AS user_id, TIMESTAMP '2026-01-02' AS t");
  FeatureView view = history();
  EXPECT_EQ(rows("SELECT v FROM (" + select_of(labels_with_v(), {view}) + ")"), "5\n");
  view.timestamp_field.clear();
  view.created_timestamp_column.clear();
  EXPECT_EQ(rows("SELECT v FROM (" + select_of(labels_with_v(), {view}) + ")"), "5\n");
}

TEST_F(PointInTime, KeysThatAreNoNumberMatchNothing) {
  run("CREATE TABLE versions AS SELECT k::DOUBLE AS user_id, TIMESTAMP '2026-01-01' AS happened, v "
      "FROM (VALUES ('nan', 1), ('2.5', 2)) AS t(k, v)");
  run("CREATE TABLE labels AS SELECT id, k::DOUBLE AS user_id, TIMESTAMP '2026-01-02' AS t FROM "
      "(VALUES (1, 'nan'), (2, '2.5')) AS t(id, k)");
  FeatureView view = history();
  view.created_timestamp_column.clear();
  EXPECT_EQ(rows("SELECT id, v FROM (" + select_of(labels_with_v(), {view}) + ")"), "1|-\n2|2\n");
}

TEST_F(PointInTime, TimesWithZoneAndWithoutAreOneTime) {
  run("CREATE TABLE versions AS SELECT 1 AS user_id, TIMESTAMPTZ '2026-01-01 12:00:00+00' AS "
      "happened, "
      "DATE '2026-01-01' AS created, 5 AS v");
  run("CREATE TABLE labels AS SELECT * FROM (VALUES (1, 1, TIMESTAMP '2026-01-01 11:59:59'), (2, "
      "1, "
      "TIMESTAMP '2026-01-01 12:00:00')) AS t(id, user_id, t)");
  EXPECT_EQ(rows("SELECT id, v FROM (" + select_of(labels_with_v(), {history()}) + ")"),
            "1|-\n2|5\n");
}

TEST_F(PointInTime, WhatDoesNotFitIsSaidBeforeAnythingRuns) {
  run("CREATE TABLE versions (user_id VARCHAR, happened TIMESTAMP, created TIMESTAMP, v INTEGER)");
  run("CREATE TABLE labels (id INTEGER, user_id VARCHAR, number INTEGER, t TIMESTAMP, day "
      "VARCHAR)");
  struct Case {
    const char* why;
    std::function<void(FeatureView&, TrainingSet&)> change;
    const char* says;
  };
  const std::vector<Case> cases = {
      {"a column that is not there", [](auto& view, auto&) { view.timestamp_field = "hapened"; },
       "versions has no column 'hapened'; did you mean 'happened'?"},
      {"a time that is none", [](auto&, auto& set) { set.timestamp = "day"; },
       "the column day is VARCHAR"},
      {"a label that is not there", [](auto&, auto& set) { set.label = "late"; },
       "training set training: labels has no column 'late'"},
      {"keys that cannot be equal",
       [](auto&, auto& set) { set.features[0].on = {{"user_id", "number"}}; },
       "the join key user_id is VARCHAR in versions, and number is INTEGER in the labels"},
      {"a type that the source has not",
       [](auto& view, auto&) { view.features[0].type = columnar::simple(columnar::Kind::Float64); },
       "declared DOUBLE and is INTEGER"},
      {"a deleted column that is no flag", [](auto& view, auto&) { view.deleted_column = "v"; },
       "deleted_column is BOOLEAN"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    FeatureView view = history();
    TrainingSet set = labels_with_v();
    c.change(view, set);
    const auto join = PointInTimeJoin::bind(*session_, set, std::vector{view});
    ASSERT_FALSE(join.ok());
    EXPECT_NE(join.error().message().find(c.says), std::string::npos) << join.error().message();
  }
}

TEST_F(PointInTime, AllThatIsWrongIsSaidAtOnceAndOnce) {
  run("CREATE TABLE versions(user_id VARCHAR, happened TIMESTAMP, created TIMESTAMP, v INTEGER)");
  run("CREATE TABLE labels(id INTEGER, user_id INTEGER, other INTEGER, t VARCHAR)");
  FeatureView view = history();
  view.timestamp_field = "hapened";
  TrainingSet set = labels_with_v();
  set.label = "late";
  set.split = "part";
  set.features.push_back({"history", "v", "w", {{"user_id", "other"}}});
  std::vector<std::string> said;
  for (const Error& error : PointInTimeJoin::check(*session_, set, std::vector{view}))
    said.push_back(error.message());
  const std::string set_says = "training set training: ";
  EXPECT_EQ(said,
            (std::vector<std::string>{
                set_says + "labels: the column t is VARCHAR; a time is a TIMESTAMP, a TIMESTAMP "
                           "WITH TIME ZONE or a DATE",
                set_says + "labels has no column 'late'; known: id, user_id, other, t",
                set_says + "labels has no column 'part'; known: id, user_id, other, t",
                "feature view history: versions has no column 'hapened'; did you mean 'happened'?",
                set_says + "feature history:v: the join key user_id is VARCHAR in versions, and "
                           "user_id is INTEGER in the labels; cast one in its SQL model",
                set_says + "feature history:v: the join key user_id is VARCHAR in versions, and "
                           "other is INTEGER in the labels; cast one in its SQL model"}));
}

}  // namespace
}  // namespace millrace::features
