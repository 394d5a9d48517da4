// Versions of tables, from the trees that the engine really makes.

#include "sql/time_travel.h"

#include <gtest/gtest.h>

#include "engine/engine.h"

namespace millrace::engine {
namespace {

using sql::AtClause;
using sql::TableUse;

class TimeTravelTest : public testing::Test {
 protected:
  void SetUp() override {
    engine_ = *open_duckdb({.threads = 1});
    session_ = *engine_->open_session();
  }

  Json tree(std::string_view sql) {
    auto parsed = session_->parse(sql);
    EXPECT_TRUE(parsed.ok()) << parsed.error().message();
    return parsed.ok() ? *parsed : Json();
  }

  /// The tables of a statement, those with a version as "raw.clicks@3".
  std::string tables(std::string_view sql) {
    std::string text;
    const std::vector<TableUse> uses = *sql::find_tables(tree(sql));
    for (const TableUse& use : uses) {
      text += (text.empty() ? "" : " ") + use.text();
      if (!use.at) continue;
      auto question = session_->unparse(sql::select_expression(use.at->expression));
      EXPECT_TRUE(question.ok()) << question.error().message();
      auto value = session_->scalar(*question);
      EXPECT_TRUE(value.ok()) << value.error().message();
      text += use.at->unit == AtClause::Unit::Version ? "@" : "@time ";
      text += value->is_string() ? value->as_string() : value->dump();
    }
    return text;
  }

  std::string replaced(std::string_view sql) {
    Json changed = tree(sql);
    Status done =
        sql::replace_tables(changed, [](const TableUse& use) -> std::optional<std::string> {
          if (!use.at) return std::nullopt;
          return "old." + use.name;
        });
    EXPECT_TRUE(done.ok()) << done.error().message();
    return *session_->unparse(changed);
  }

  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Session> session_;
};

TEST_F(TimeTravelTest, TablesAndTheirVersionsAreFound) {
  struct Case {
    std::string sql;
    std::string expected;
  };
  const std::vector<Case> cases = {
      {"select 1", ""},
      {"select * from raw.clicks", "raw.clicks"},
      {"select * from raw.clicks at (version => 3)", "raw.clicks@3"},
      {"select * from raw.clicks as c at (version => 1 + 2), t", "raw.clicks@3 t"},
      {"select * from t at (timestamp => timestamp '2013-12-01 10:00:00' - interval 1 day)",
       "t@time 2013-11-30T10:00:00"},
      {"select * from t at (timestamp => '2013-12-01')", "t@time 2013-12-01"},
      {"from t at (version => 0) select a where b in (select c from u at (version => 2))",
       "t@0 u@2"},
      {"select (select max(x) from u) from t", "u t"},
      {"pivot t at (version => 3) on x in (1, 2) using sum(y)", "t@3"},
      {"select * from t union all select * from u at (version => 4)", "t u@4"},
      {"select * from t semi join u at (version => 2) on t.a = u.a", "t u@2"},
      {"with c as (select * from t at (version => 1)) select * from c, raw.c", "t@1 raw.c"},
      {"with c as (select * from c) select * from C", "c"},
      {"with a as (select * from b), b as (select * from a) select * from b", "b"},
      {"with recursive r as (select 1 as n union all select n + 1 from r, t) select * from r", "t"},
      {"select (with t as (select 1) select * from t) from t", "t"},
      {"with c as (select 1) select (with d as (select * from c) select * from d), e.* from e",
       "e"},
      {"select * from \"we.ird\".\"t\"\"q\"", "we.ird.t\"q"},
      {"select * from cat.raw.clicks", "cat.raw.clicks"},
      {"select * from range(3), (values (1)) v, read_csv('x')", ""},
      {"describe t", "t"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.sql);
    EXPECT_EQ(tables(c.sql), c.expected);
  }
}

TEST_F(TimeTravelTest, AVersionIsReplacedAndKeepsItsNames) {
  EXPECT_EQ(replaced("select clicks.a from raw.clicks at (version => 3)"),
            "SELECT clicks.a FROM \"old\".clicks AS clicks");
  EXPECT_EQ(replaced("select c.a from raw.clicks as c at (version => 3)"),
            "SELECT c.a FROM \"old\".clicks AS c");
  EXPECT_EQ(
      replaced(
          "select raw.clicks.a, other.clicks.b from raw.clicks at (version => 3), other.clicks"),
      "SELECT clicks.a, other.clicks.b FROM \"old\".clicks AS clicks , other.clicks");
  EXPECT_EQ(replaced("select * from t"), "SELECT * FROM t");
}

TEST_F(TimeTravelTest, AReplacedStatementRuns) {
  ASSERT_TRUE(session_
                  ->execute("create schema old; create schema raw; "
                            "create table old.clicks as select 1 as a; "
                            "create table raw.clicks as select 2 as a")
                  .ok());
  std::string sql = replaced(
      "with c as (select a + 10 as a from raw.clicks at (version => 3)) "
      "select c.a, now.a, (select max(raw.clicks.a) from raw.clicks at (version => 3)) as m "
      "from c, raw.clicks as now");
  auto rows = session_->collect(sql);
  ASSERT_TRUE(rows.ok()) << rows.error().message() << sql;
  EXPECT_EQ(rows->at(0).column(0).integer(0), 11);
  EXPECT_EQ(rows->at(0).column(1).integer(0), 2);
  EXPECT_EQ(rows->at(0).column(2).integer(0), 1);
}

TEST_F(TimeTravelTest, WhatCannotBeIsRefused) {
  EXPECT_FALSE(sql::find_tables(Json(3)).ok());
  EXPECT_FALSE(sql::find_tables(Json::object({{"statements", "x"}})).ok());
  Json changed = tree("select * from t");
  Status done = sql::replace_tables(changed, [](const TableUse&) { return "x; drop table y"; });
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().code(), ErrorCode::Invalid);
  EXPECT_FALSE(session_->parse("select * from t at (foo => 3)").ok());
}

}  // namespace
}  // namespace millrace::engine
