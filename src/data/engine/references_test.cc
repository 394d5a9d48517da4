// What statements read and write, from the plans that the engine really makes.

#include "sql/references.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "engine/engine.h"

namespace millrace::engine {
namespace {

using columnar::Kind;
using columnar::Schema;
using sql::References;

std::string joined(const std::set<sql::SourceColumn>& columns) {
  std::string text;
  for (const auto& column : columns) {
    text += (text.empty() ? "" : " ") + column.table + "." + column.column;
  }
  return text;
}

std::string joined(const std::set<std::string>& names) {
  std::string text;
  for (const auto& name : names) text += (text.empty() ? "" : " ") + name;
  return text;
}

class ReferencesTest : public testing::Test {
 protected:
  void SetUp() override {
    engine_ = *open_duckdb({.threads = 1});
    session_ = *engine_->open_session();
    auto type = [](Kind kind) { return columnar::simple(kind); };
    define("raw.orders", {{"id", type(Kind::Int64)},
                          {"cust", type(Kind::Int64)},
                          {"ts", type(Kind::TimestampNtz)},
                          {"status", type(Kind::String)}});
    define("pay", {{"order_id", type(Kind::Int64)},
                   {"method", type(Kind::String)},
                   {"amount", type(Kind::Float64)}});
    define(
        "cust",
        {{"id", type(Kind::Int64)}, {"first", type(Kind::String)}, {"last", type(Kind::String)}});
    define("nested",
           {{"id", type(Kind::Int64)},
            {"st", columnar::struct_of({{"a", type(Kind::Int64)}, {"b", type(Kind::String)}})},
            {"l", columnar::list_of(type(Kind::Int64))}});
    run("create table tgt (id bigint primary key, status varchar, n bigint default 5)");
    ASSERT_TRUE(
        session_->define_view("vo", "select id as i, cust as c2 from raw.orders where status = 'x'")
            .ok());
  }

  void define(const std::string& name, std::vector<columnar::Field> fields) {
    ASSERT_TRUE(session_->define_scan(name, {Schema(std::move(fields)), {}}).ok());
  }

  void run(std::string_view sql) {
    Status done = session_->execute(sql);
    ASSERT_TRUE(done.ok()) << done.error().message();
  }

  References references(std::string_view sql) {
    auto bound = session_->bind(sql);
    EXPECT_TRUE(bound.ok()) << bound.error().message();
    if (!bound.ok()) return {};
    auto found = sql::find_references(bound->plan, bound->result);
    EXPECT_TRUE(found.ok()) << found.error().message();
    return *std::move(found);
  }

  /// "column = direct ... | indirect ...", a line each.
  std::string lineage(std::string_view sql) {
    References found = references(sql);
    EXPECT_EQ(found.not_understood, std::vector<std::string>());
    std::string text;
    for (const auto& column : found.columns) {
      text += (text.empty() ? "" : "\n") + column.name + " = " + joined(column.direct);
      if (!column.indirect.empty()) text += " | " + joined(column.indirect);
    }
    return text;
  }

  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Session> session_;
};

TEST_F(ReferencesTest, ColumnsOfASelectComeFrom) {
  struct Case {
    std::string why;
    std::string sql;
    std::string expected;
  };
  const std::vector<Case> cases = {
      {"a star is its columns", "select * from pay",
       "order_id = pay.order_id\nmethod = pay.method\namount = pay.amount"},
      {"a filter decides for every column",
       "select id, upper(status) as s from raw.orders where cust = 1",
       "id = raw.orders.id | raw.orders.cust\ns = raw.orders.status | raw.orders.cust"},
      {"names without a table, exclude, replace",
       "select * exclude (ts, status) replace (cust + id as cust) from raw.orders",
       "id = raw.orders.id\ncust = raw.orders.cust raw.orders.id"},
      {"COLUMNS by pattern", "select columns('i.*') from raw.orders", "id = raw.orders.id"},
      {"a join's condition decides",
       "select p.amount, o.status from raw.orders o left join pay p on o.id = p.order_id",
       "amount = pay.amount | pay.order_id raw.orders.id\n"
       "status = raw.orders.status | pay.order_id raw.orders.id"},
      {"an arbitrary join condition",
       "select c.first from raw.orders o join cust c on o.cust < c.id or o.id = 3",
       "first = cust.first | cust.id raw.orders.cust raw.orders.id"},
      {"an ASOF join", "select p.amount from raw.orders o asof join pay p on o.id >= p.order_id",
       "amount = pay.amount | pay.order_id raw.orders.id"},
      {"a semi join adds no columns",
       "select first from cust semi join raw.orders o on cust.id = o.cust",
       "first = cust.first | cust.id raw.orders.cust"},
      {"a cross join", "select first, amount from cust, pay",
       "first = cust.first\namount = pay.amount"},
      {"a positional join", "select first, amount from cust positional join pay",
       "first = cust.first\namount = pay.amount"},
      {"groups decide, aggregates are made of their arguments",
       "select status, sum(cust) filter (where id > 3) as s, count(*) as n from raw.orders group "
       "by status",
       "status = raw.orders.status | raw.orders.status\n"
       "s = raw.orders.cust | raw.orders.id raw.orders.status\nn =  | raw.orders.status"},
      {"an ordered aggregate", "select string_agg(status, ',' order by ts) as a from raw.orders",
       "a = raw.orders.status | raw.orders.ts"},
      {"HAVING", "select cust from raw.orders group by cust having max(ts) is not null",
       "cust = raw.orders.cust | raw.orders.cust raw.orders.ts"},
      {"grouping sets",
       "select grouping(id) as g, count(*) as n from raw.orders group by rollup (id)",
       "g =  | raw.orders.id\nn =  | raw.orders.id"},
      {"a window's partition and order decide",
       "select id, row_number() over (partition by status order by ts) as rn, "
       "lag(cust, 1, id) over (order by ts) as before from raw.orders",
       "id = raw.orders.id\nrn =  | raw.orders.status raw.orders.ts\n"
       "before = raw.orders.cust raw.orders.id | raw.orders.ts"},
      {"QUALIFY",
       "select id from raw.orders qualify row_number() over (partition by cust order by ts) = 1",
       "id = raw.orders.id | raw.orders.cust raw.orders.ts"},
      {"the condition of a CASE decides",
       "select case when status = 'x' then cust else id end as k from raw.orders",
       "k = raw.orders.cust raw.orders.id | raw.orders.status"},
      {"DISTINCT ON and order",
       "select distinct on (status) id from raw.orders order by status, ts limit 3",
       "id = raw.orders.id | raw.orders.status raw.orders.ts"},
      {"a union merges by position",
       "select id as a from raw.orders union all select order_id from pay",
       "a = pay.order_id raw.orders.id"},
      {"what EXCEPT takes away decides",
       "select id from raw.orders except all select order_id from pay where amount > 1",
       "id = raw.orders.id | pay.amount pay.order_id"},
      {"a scalar subquery", "select id, (select max(amount) from pay) as m from raw.orders",
       "id = raw.orders.id\nm = pay.amount"},
      {"a dependent subquery",
       "select o.id, (select max(amount) from pay where order_id = o.id) as m from raw.orders o",
       "id = raw.orders.id | pay.order_id raw.orders.id\n"
       "m = pay.amount | pay.order_id raw.orders.id"},
      {"a dependent subquery inside another",
       "select (select (select max(p.amount) from pay p where p.order_id = c.id and p.method = "
       "o.status) "
       "from cust c where c.id = o.cust) as m from raw.orders o",
       "m = pay.amount | cust.id pay.method pay.order_id raw.orders.cust raw.orders.status"},
      {"IN and EXISTS decide",
       "select last from cust c where id in (select cust from raw.orders) and exists "
       "(select 1 from pay where order_id = c.id)",
       "last = cust.last | cust.id pay.order_id raw.orders.cust"},
      {"a lateral subquery",
       "select o.status, x.u from raw.orders o, lateral (select unnest([o.cust, o.id]) as u) x",
       "status = raw.orders.status | raw.orders.cust raw.orders.id\n"
       "u = raw.orders.cust raw.orders.id | raw.orders.cust raw.orders.id"},
      {"a lateral table function", "select j.value from raw.orders o, json_each(o.status) j",
       "value = raw.orders.status | raw.orders.status"},
      {"unnest", "select id, unnest(l) as x from nested", "id = nested.id\nx = nested.l"},
      {"struct fields and lambdas",
       "select st.a as a, list_transform(l, x -> x + id) as l2 from nested",
       "a = nested.st\nl2 = nested.id nested.l"},
      {"a view is its tables", "select c2 from vo", "c2 = raw.orders.cust | raw.orders.status"},
      {"WITH, used twice",
       "with c as materialized (select id, status as s from raw.orders) "
       "select a.id, b.s from c a join c b using (id)",
       "id = raw.orders.id | raw.orders.id\ns = raw.orders.status | raw.orders.id"},
      {"WITH inside a dependent subquery",
       "select (with q as (select max(first) as m from cust where cust.id = o.cust) select m from "
       "q) as m "
       "from raw.orders o",
       "m = cust.first | cust.id raw.orders.cust"},
      {"a recursive WITH that swaps its columns",
       "with recursive r(n, c) as (select id, status from raw.orders union all "
       "select n + 1, n::varchar || c from r where n < 5) select c from r",
       "c = raw.orders.id raw.orders.status | raw.orders.id"},
      {"a pivot with its values",
       "pivot pay on method in ('card', 'cash') using sum(amount) group by order_id",
       "order_id = pay.order_id | pay.order_id\ncard = pay.amount | pay.method pay.order_id\n"
       "cash = pay.amount | pay.method pay.order_id"},
      {"an unpivot", "unpivot pay on amount into name k value v",
       "order_id = pay.order_id | pay.amount\nmethod = pay.method | pay.amount\nk =  | pay.amount\n"
       "v = pay.amount | pay.amount"},
      {"constants come from nowhere", "select 1 as a, x from (values (1), (2)) t(x)", "a = \nx = "},
      {"range", "select i, status from range(5) t(i) join raw.orders on i = id",
       "i =  | raw.orders.id\nstatus = raw.orders.status | raw.orders.id"},
      {"a sample", "select id from raw.orders using sample 10%", "id = raw.orders.id"},
      {"a macro-like subquery alias", "select a.st.b from nested a", "b = nested.st"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why + ": " + c.sql);
    EXPECT_EQ(lineage(c.sql), c.expected);
  }
}

TEST_F(ReferencesTest, APivotOverManyValuesIsUnderstood) {
  std::string values;
  for (int i = 0; i < 40; ++i) values += (i == 0 ? "'m" : ", 'm") + std::to_string(i) + "'";
  References found =
      references("pivot pay on method in (" + values + ") using sum(amount) group by order_id");
  EXPECT_EQ(found.not_understood, std::vector<std::string>());
  ASSERT_EQ(found.columns.size(), 41U);
  EXPECT_EQ(joined(found.columns[0].direct), "pay.order_id");
  EXPECT_EQ(found.columns[40].name, "m39");
  EXPECT_TRUE(found.columns[40].direct.contains({"pay", "amount"}));
}

TEST_F(ReferencesTest, TablesAreNamedAlsoWhenNoColumnIsRead) {
  EXPECT_EQ(joined(references("select count(*) from raw.orders").reads), "raw.orders");
  EXPECT_EQ(joined(references("select exists(select 1 from pay) as e").reads), "pay");
  EXPECT_EQ(joined(references("select i from vo where c2 > (select count(*) from cust)").reads),
            "cust raw.orders");
  EXPECT_TRUE(references("select 1 as a").reads.empty());
}

TEST_F(ReferencesTest, WritesNameTheirTableAndItsColumns) {
  struct Case {
    std::string sql;
    std::string reads;
    std::string writes;
    std::string expected;
  };
  const std::vector<Case> cases = {
      {"create table x as select id, status as s2 from raw.orders where cust = 1", "raw.orders",
       "x", "id = raw.orders.id | raw.orders.cust\ns2 = raw.orders.status | raw.orders.cust"},
      {"create table x (a int)", "", "x", ""},
      {"insert into tgt select id, status, cust from raw.orders", "raw.orders", "tgt",
       "id = raw.orders.id\nstatus = raw.orders.status\nn = raw.orders.cust"},
      {"insert into tgt (status, id) select first, id from cust", "cust", "tgt",
       "id = cust.id\nstatus = cust.first\nn = "},
      {"insert into tgt by name select 'x' as status, id from cust returning n", "cust", "tgt",
       "id = cust.id\nstatus = \nn = "},
      {"insert into tgt (status, id) select status, id from raw.orders on conflict (id) do update "
       "set "
       "n = excluded.n + length(tgt.status) where excluded.id > 1",
       "raw.orders tgt", "tgt",
       "id = raw.orders.id | raw.orders.id tgt.id\n"
       "status = raw.orders.status | raw.orders.id tgt.id\n"
       "n = tgt.status | raw.orders.id tgt.id"},
      {"update tgt set status = (select first from cust where cust.id = tgt.id), n = n + 1 where "
       "id > 3",
       "cust tgt", "tgt", "status = cust.first | cust.id tgt.id\nn = tgt.n | cust.id tgt.id"},
      {"update tgt set n = o.cust from raw.orders o where o.id = tgt.id", "raw.orders tgt", "tgt",
       "n = raw.orders.cust | raw.orders.id tgt.id"},
      {"delete from tgt using raw.orders o where o.id = tgt.id", "raw.orders tgt", "tgt", ""},
      {"merge into tgt using (select id, status, cust from raw.orders) s on tgt.id = s.id "
       "when matched and s.cust > 1 then delete "
       "when not matched then insert (id, n) values (s.id, s.cust + 1)",
       "raw.orders tgt", "tgt",
       "id = raw.orders.id | raw.orders.id tgt.id\nn = raw.orders.cust | raw.orders.id tgt.id"},
      {"merge into tgt using cust c on tgt.id = c.id when matched then update set status = c.first "
       "returning merge_action",
       "cust tgt", "tgt",
       "id = tgt.id | cust.id tgt.id\nstatus = cust.first | cust.id tgt.id\nn = tgt.n | cust.id "
       "tgt.id"},
      {"drop table tgt", "", "tgt", ""},
      {"alter table tgt add column z int", "", "tgt", ""},
      {"copy (select id, cust + 1 as c from raw.orders) to '/tmp/never.parquet'", "raw.orders", "",
       "id = raw.orders.id\nc = raw.orders.cust"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.sql);
    References found = references(c.sql);
    EXPECT_EQ(joined(found.reads), c.reads);
    EXPECT_EQ(joined(found.writes), c.writes);
    EXPECT_EQ(lineage(c.sql), c.expected);
  }
  EXPECT_EQ(joined(references("delete from tgt where id = 3").indirect), "tgt.id");
  EXPECT_EQ(joined(references("copy pay to '/tmp/never.csv'").files_written), "/tmp/never.csv");
}

TEST_F(ReferencesTest, WhatIsNotUnderstoodIsSaid) {
  auto said = [&](std::string_view sql) {
    std::set<std::string> all;
    for (const std::string& what : references(sql).not_understood) all.insert(what);
    return joined(all);
  };
  EXPECT_NE(said("select * from duckdb_tables()").find("table function duckdb_tables"),
            std::string::npos);
  EXPECT_NE(said("create view v as select id from raw.orders").find("CREATE VIEW"),
            std::string::npos);
  EXPECT_EQ(joined(references("create view v as select id from raw.orders").writes), "v");
  EXPECT_NE(said("drop schema raw cascade").find("DROP of a SCHEMA_ENTRY"), std::string::npos);
}

TEST_F(ReferencesTest, FilesThatAreReadAreNamed) {
  TemporaryFolder folder = *TemporaryFolder::make();
  std::string file = folder.path() + "/x.parquet";
  run("copy (select 1 as a) to '" + file + "'");
  References found = references("select a from read_parquet('" + file + "')");
  EXPECT_EQ(joined(found.files_read), file);
  EXPECT_TRUE(found.not_understood.empty());
  EXPECT_TRUE(found.reads.empty());
}

TEST_F(ReferencesTest, PlansThatAreNoneAreRefused) {
  EXPECT_FALSE(sql::find_references(Json(3), {}).ok());
  EXPECT_FALSE(sql::find_references(Json(Json::Array{Json::object()}), {}).ok());
  auto odd = sql::find_references(Json::object({{"type", "LOGICAL_NEWER"}}), {});
  ASSERT_TRUE(odd.ok());
  EXPECT_EQ(odd->not_understood, std::vector<std::string>{"operator LOGICAL_NEWER"});
  auto bad = sql::find_references(
      *Json::parse(R"({"type":"LOGICAL_PROJECTION","children":[{"type":"LOGICAL_DELIM_GET",
        "chunk_types":[1]}],"expressions":[{"type":"BOUND_REF","index":7},{"type":"BOUND_COLUMN_REF"},
        {"type":"BOUND_REF","index":-1}, 5, null]})"),
      Schema());
  ASSERT_TRUE(bad.ok());
  EXPECT_EQ(bad->not_understood.size(), 4U);
}

}  // namespace
}  // namespace millrace::engine
