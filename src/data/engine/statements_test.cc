// Statements that are looked at instead of run: bound, parsed, explained.

#include <gtest/gtest.h>

#include "base/result_fixture.h"
#include "engine/engine.h"
#include "engine/syntax_tree.h"
#include "sql/statement_text.h"

namespace millrace::engine {
namespace {

using columnar::Kind;
using columnar::Schema;

class StatementsTest : public testing::Test {
 protected:
  void SetUp() override {
    engine_ = *open_duckdb({.threads = 2});
    session_ = *engine_->open_session();
    TableScan scan{Schema({{"id", columnar::simple(Kind::Int64)},
                           {"day", columnar::simple(Kind::Date)},
                           {"delay", columnar::simple(Kind::Float64)}}),
                   {}};
    ASSERT_TRUE(session_->define_scan("raw.flights", scan).ok());
  }

  std::string bind_error(std::string_view sql) {
    auto bound = session_->bind(sql);
    return bound.ok()
               ? "ok"
               : std::string(to_string(bound.error().code())) + ": " + bound.error().message();
  }

  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Session> session_;
};

TEST_F(StatementsTest, BindGivesTheColumnsOfTheAnswer) {
  auto bound =
      session_->bind("select day, sum(id) as ids, count(*) n from raw.flights group by day;");
  ASSERT_TRUE(bound.ok()) << bound.error().message();
  EXPECT_EQ(bound->result, Schema({{"day", columnar::simple(Kind::Date)},
                                   {"ids", columnar::simple(Kind::Int64)},
                                   {"n", columnar::simple(Kind::Int64)}}));
  ASSERT_TRUE(bound->plan.is_array());
  EXPECT_EQ(bound->plan.as_array()[0]["type"].as_string(), "LOGICAL_PROJECTION");
  EXPECT_HAS(bound->plan.dump(), R"("table":"flights")");
  EXPECT_HAS(bound->plan.dump(), R"("schema":"raw")");
}

TEST_F(StatementsTest, StatementsThatChangeTablesGiveNoColumns) {
  ASSERT_TRUE(session_->execute("create table t (id bigint, v double)").ok());
  for (std::string_view sql :
       {"create table n as select * from raw.flights",
        "insert into t select id, delay from raw.flights", "update t set v = 1 where id = 2",
        "delete from t where id = 3",
        "merge into t using raw.flights f on t.id = f.id when matched then update set v = f.delay",
        "copy t to '/tmp/never.parquet'"}) {
    SCOPED_TRACE(sql);
    auto bound = session_->bind(sql);
    ASSERT_TRUE(bound.ok()) << bound.error().message();
    EXPECT_EQ(bound->result.size(), 0U);
    EXPECT_EQ(bound->plan.as_array().size(), 1U);
  }
  EXPECT_EQ(session_->bind("insert into t values (1, 2) returning id")->result.names(),
            std::vector<std::string>{"id"});
  EXPECT_EQ(session_->scalar("select count(*) from t")->as_integer(), 0) << "nothing was run";
}

TEST_F(StatementsTest, BindErrorsHaveTheirPlace) {
  EXPECT_HAS(bind_error("select nope from raw.flights"), "invalid: Binder Error");
  EXPECT_HAS(bind_error("select nope from raw.flights"), "LINE 1: select nope");
  EXPECT_HAS(bind_error("select *\nfrom raw.nix"), "LINE 2: from raw.nix");
  EXPECT_HAS(bind_error("select $1 from raw.flights"), "invalid: ");
  EXPECT_HAS(bind_error("select 1; select 2"), "second one");
  EXPECT_HAS(bind_error("selec"), "Parser Error");
  EXPECT_EQ(session_->scalar("select 1")->as_integer(), 1) << "the session works on";
}

TEST_F(StatementsTest, BindSeesViewsLoadedAndExecutedTables) {
  auto batches = *session_->collect("select 1 as a, 'x' as b");
  auto schema = batches[0].shared_schema();
  auto reader = columnar::read_batches(schema, std::move(batches));
  ASSERT_TRUE(session_->load("mem.loaded", *reader).ok());
  ASSERT_TRUE(session_->define_view("v", "select f.id, l.b from raw.flights f, mem.loaded l").ok());
  ASSERT_TRUE(session_->execute("create table own (c int)").ok());
  ASSERT_TRUE(session_->define_view("w", "select * from own, v").ok());
  auto bound = session_->bind("select * from w");
  ASSERT_TRUE(bound.ok()) << bound.error().message();
  EXPECT_EQ(bound->result.names(), (std::vector<std::string>{"c", "id", "b"}));
  for (std::string_view table : {"flights", "loaded", "own"}) {
    EXPECT_HAS(bound->plan.dump(), "\"table\":\"" + std::string(table) + "\"");
  }
  ASSERT_TRUE(session_->drop("v").ok());
  EXPECT_HAS(bind_error("select * from v"), "Catalog Error");
}

TEST_F(StatementsTest, ATreeBecomesItsTextAgain) {
  for (std::string_view sql :
       {"SELECT a, sum(b) FROM raw.clicks AT (VERSION => 3) GROUP BY a HAVING (sum(b) > "
        "18446744073709551615)",
        "SELECT 12345678901234567890.12345678901234567890, -9223372036854775808, 'it''s "
        "\\u0001uint64:7'",
        "WITH c AS (SELECT 1 AS x) SELECT * FROM c LEFT JOIN b AS y ON ((c.x = y.x)) ORDER BY 1"}) {
    SCOPED_TRACE(sql);
    auto tree = session_->parse(sql);
    ASSERT_TRUE(tree.ok()) << tree.error().message();
    auto text = session_->unparse(*tree);
    ASSERT_TRUE(text.ok()) << text.error().message();
    auto again = session_->unparse(*session_->parse(*text));
    EXPECT_EQ(*text, *again);
    EXPECT_EQ(*text, session_
                         ->scalar("select json_deserialize_sql(json_serialize_sql($q$" +
                                  std::string(sql) + "$q$))")
                         ->as_string());
  }
  auto tree = session_->parse("selec 1");
  ASSERT_FALSE(tree.ok());
  EXPECT_EQ(tree.error().code(), ErrorCode::Invalid);
  EXPECT_EQ(session_->parse("create table x (a int)").error().code(), ErrorCode::Unsupported);
  EXPECT_FALSE(session_->unparse(Json::object({{"a", 1}})).ok());
  EXPECT_FALSE(session_->unparse(Json("x")).ok());
}

TEST_F(StatementsTest, ParseErrorsShowTheLine) {
  auto tree = session_->parse("select a,\n       b c d\nfrom t");
  ASSERT_FALSE(tree.ok());
  EXPECT_HAS(tree.error().message(), "LINE 2:        b c d\n                   ^");
}

TEST_F(StatementsTest, WhatCountsAsOneStatementIsOneForDuckdbToo) {
  // A text that single_statement lets pass is put in brackets by define_view, write_parquet and
  // query: were it to end early there, a second statement could follow.
  const std::vector<std::string> pieces = {
      "select 1", ";",  ")",   "(",  "'",   "''",  "\"", "--", "\n", "/*",
      "*/",       "$$", "$a$", "E'", "\\",  "\\'", "e'", "$1", " ",  "-- '",
      "x",        "/",  "*",   "-",  "U&'", "\r",  "$",  "a$", "é",  "drop table t"};
  std::uint64_t state = 20131208;  // Knuth's MMIX generator
  int accepted = 0;
  for (int round = 0; round < 8000; ++round) {
    std::string sql = "select 1 ";
    for (int i = 0; i < 7; ++i) {
      state = state * 6364136223846793005ULL + 1442695040888963407ULL;
      sql += pieces[(state >> 33U) % pieces.size()];
    }
    auto statement = sql::single_statement(sql);
    if (!statement.ok()) continue;
    auto tree = session_->parse("select * from (\n" + std::string(*statement) + "\n) as q");
    if (!tree.ok()) continue;
    ++accepted;
    ASSERT_EQ((*tree)["statements"].as_array().size(), 1U) << sql;
  }
  EXPECT_GT(accepted, 50);
}

TEST(SyntaxTree, UnsignedNumbersAreMarkedAndBack) {
  const std::vector<std::string> unchanged = {
      R"({"a":1,"b":-9223372036854775808,"c":"18446744073709551615","d":1.8446744073709551615e19})",
      R"([9223372036854775807,"a\"18446744073709551615"])",
      "0",
      "",
      "\"",
      "12"};
  for (const std::string& json : unchanged) EXPECT_EQ(mark_unsigned(json), json);
  std::string json = R"({"x":18446744073709551615,"y":[9223372036854775808]})";
  EXPECT_NE(mark_unsigned(json), json);
  EXPECT_EQ(unmark_unsigned(Json::parse(mark_unsigned(json))->dump()), json);
}

TEST_F(StatementsTest, ExplainShowsThePlanWithoutRunningIt) {
  auto text = session_->explain(
      "select day, sum(delay) from raw.flights join range(5) r(id) using (id) group by day",
      Plan::Bound);
  ASSERT_TRUE(text.ok()) << text.error().message();
  EXPECT_HAS(*text, "HASH_GROUP_BY");
  EXPECT_FALSE(session_->explain("select error('x')", Plan::Bound)->empty());
  EXPECT_HAS(session_->explain("selec", Plan::Bound).error().message(), "Parser Error");
}

TEST_F(StatementsTest, AnalyzeCountsRowsAndTime) {
  auto text =
      session_->explain("select sum(i) from range(100000) t(i) where i % 2 = 0", Plan::Measured);
  ASSERT_TRUE(text.ok()) << text.error().message();
  EXPECT_HAS(*text, "(50000 rows, ");
  EXPECT_HAS(*text, " s of processor time");
}

TEST_F(StatementsTest, AnExplanationIsShortHoweverLongTheConstants) {
  std::string list;
  for (int i = 0; i < 5000; ++i)
    list += (i == 0 ? "'" : ", '") + std::string("é") + std::to_string(i) + "'";
  auto text = session_->explain("select * from range(5) t(i) where ['' || i] <> [" + list + "]",
                                Plan::Bound);
  ASSERT_TRUE(text.ok()) << text.error().message();
  EXPECT_LT(text->size(), 2000U);
  EXPECT_HAS(*text, "bytes)");
}

TEST_F(StatementsTest, DeepPlansAreRead) {
  std::string sql = "select 1 as a";
  for (int i = 0; i < 60; ++i) sql = "select a + 1 as a from (" + sql + ") where a > 0";
  auto bound = session_->bind(sql);
  ASSERT_TRUE(bound.ok()) << bound.error().message();
  EXPECT_TRUE(session_->explain(sql, Plan::Bound).ok());
  auto tree = session_->parse(sql);
  ASSERT_TRUE(tree.ok()) << tree.error().message();
  EXPECT_TRUE(session_->unparse(*tree).ok());
}

}  // namespace
}  // namespace millrace::engine
