#include "transform/compile.h"

#include <gtest/gtest.h>

#include "transform/error_place.h"

namespace millrace::transform {
namespace {

using columnar::Kind;
using columnar::Schema;
using columnar::simple;

SqlModel sql_model(const std::string& name, const std::string& text) {
  auto made = read_sql_model(name, "models/" + name + ".sql", text);
  EXPECT_TRUE(made.ok()) << made.error().message();
  return *std::move(made);
}

ModelGraph graph_of(std::vector<SqlModel> models) {
  std::vector<Error> errors;
  ModelGraph graph = ModelGraph::make(std::move(models), {"raw.flights"}, errors);
  EXPECT_TRUE(errors.empty()) << errors[0].message();
  return graph;
}

const std::map<std::string, LandedSource> kSources = {
    {"raw.flights",
     {Schema({{"id", simple(Kind::Int64)}, {"delay", simple(Kind::Int32)}}), "landing.flights"}}};

class Compile : public testing::Test {
 protected:
  std::vector<std::string> mistakes(std::vector<SqlModel> models, const Variables& variables = {}) {
    const ModelGraph graph = graph_of(std::move(models));
    std::vector<Error> errors;
    check_models(*session_, graph, kSources, variables, errors);
    std::vector<std::string> messages;
    for (const Error& error : errors)
      messages.push_back(error.message().substr(0, error.message().find('\n')));
    return messages;
  }

  std::unique_ptr<engine::Engine> engine_ = *engine::open_duckdb({.threads = 1});
  std::unique_ptr<engine::Session> session_ = *engine_->open_session();
};

TEST_F(Compile, PutsRelationsAndVariablesWhereTheWordsStand) {
  const ModelGraph graph = graph_of(
      {sql_model("flights", "select * from {{ source('raw', 'flights') }}"),
       sql_model("late",
                 "select * from {{ ref('flights') }} where delay > {{ var('minutes', 15) }}"),
       sql_model("other", "select 1")});
  const auto compiled = compile(graph, {"late"}, {{"minutes", Json(20)}});
  ASSERT_TRUE(compiled.ok()) << compiled.error().message();
  ASSERT_EQ(compiled->size(), 2U);
  EXPECT_EQ((*compiled)[0].select, "select * from \"raw\".\"flights\"");
  EXPECT_EQ((*compiled)[1].relation, "models.late");
  EXPECT_EQ((*compiled)[1].select, "select * from \"models\".\"flights\" where delay > 20");
  EXPECT_EQ(sources_of(*compiled), std::vector<std::string>{"raw.flights"});
}

TEST_F(Compile, NamesTheVariableThatHasNoValueWithItsPlace) {
  const ModelGraph graph = graph_of({sql_model("a", "select\n{{ var('days') }}")});
  const auto compiled = compile(graph, {"a"}, {});
  ASSERT_FALSE(compiled.ok());
  EXPECT_EQ(compiled.error().code(), ErrorCode::NotFound);
  EXPECT_TRUE(compiled.error().message().starts_with("models/a.sql:2:4: "))
      << compiled.error().message();
}

TEST_F(Compile, DefinesModelsOverSourcesThatAreCut) {
  ASSERT_TRUE(
      session_
          ->define_view("lake.flights",
                        "SELECT * FROM (VALUES (1, TIMESTAMPTZ '2013-01-05 23:59:59Z'), (2, "
                        "TIMESTAMPTZ '2013-01-06 00:00:00Z'), (3, NULL)) t(id, delivered_at)")
          .ok());
  ASSERT_TRUE(define_cut(*session_, "raw.flights", "lake.flights", "delivered_at",
                         *parse_instant("2013-01-06T00:00:00Z"))
                  .ok());
  const ModelGraph graph = graph_of(
      {sql_model("flights", "select * from {{ source('raw', 'flights') }}"),
       sql_model("counted", "select count(*) n, max(id) as latest from {{ ref('flights') }};")});
  const auto compiled = compile(graph, {"counted"}, {});
  ASSERT_TRUE(compiled.ok());
  const Status defined = define(*session_, *compiled);
  ASSERT_TRUE(defined.ok()) << defined.error().message();
  EXPECT_EQ(*session_->scalar("SELECT n * 10 + latest FROM models.counted"), Json(11));
}

TEST_F(Compile, HashesTheTextOfAModelAndAllThatItReads) {
  const auto hash = [](const std::string& ancestor, const std::string& text) {
    const ModelGraph graph = graph_of({sql_model("a", ancestor), sql_model("b", text)});
    return code_hash(*compile(graph, {"b"}, {}));
  };
  const std::string before = hash("select 1 x", "select x from {{ ref('a') }}");
  EXPECT_EQ(hash("select 1 x", "select x from {{ ref('a') }}"), before);
  EXPECT_NE(hash("select 2 x", "select x from {{ ref('a') }}"), before);
  EXPECT_NE(hash("select 1 x", "select x  from {{ ref('a') }}"), before);
  EXPECT_EQ(hash("select 1 x", "select 5"), hash("select 2 x", "select 5")) << "it reads no other";
}

TEST_F(Compile, ChecksEveryModelOverEmptySourcesAndNamesFileAndLine) {
  const std::vector<std::string> found = mistakes(
      {sql_model("good", "select id, delay from {{ source('raw', 'flights') }}"),
       sql_model("column",
                 "{{ config(materialized='table') }}\n{# two\nlines #}\n-- a comment\nselect "
                 "id,\n  delai\nfrom {{ ref('good') }}"),
       sql_model("first_line", "select idd from {{ ref('good') }}"),
       sql_model("reads_broken", "select nothing from {{ ref('column') }}"),
       sql_model("syntax", "select id\nfrom {{ ref('good') }}\nwhere where"),
       sql_model("no_value", "select {{ var('x') }}")});
  ASSERT_EQ(found.size(), 4U);
  EXPECT_EQ(found[0],
            "models/column.sql:6: Binder Error: Referenced column \"delai\" not found in FROM "
            "clause!");
  EXPECT_TRUE(found[1].starts_with("models/first_line.sql:1: Binder Error")) << found[1];
  EXPECT_TRUE(found[2].starts_with("models/no_value.sql:1:11: ")) << found[2];
  EXPECT_TRUE(found[3].starts_with("models/syntax.sql:3: Parser Error")) << found[3];
}

TEST_F(Compile, RefusesAModelThatReadsAFileByItself) {
  struct Case {
    const char* why;
    std::string text;
    std::string message;
  };
  const std::vector<Case> cases = {
      {"a function, though there is no such file",
       "select id\nfrom {{ source('raw', 'flights') }}\njoin read_csv('x.csv') using (id)",
       "models/m.sql:3: read_csv('x.csv') reads a file, which no run has landed; declare it as a "
       "source"},
      {"a table whose name is a path", "select * from 'in/x'",
       "models/m.sql:1: the table 'in/x' reads a file"},
      {"deep inside",
       "with a as (select 1 as x)\nselect x from a where x in\n(select y from 'Y.JSON')",
       "models/m.sql:3: the table 'Y.JSON' reads a file"},
      {"several files", "select * from read_parquet(['a', 'b'])",
       "models/m.sql:1: read_parquet('...') reads a file"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    const std::vector<std::string> found = mistakes({sql_model("m", c.text)});
    ASSERT_EQ(found.size(), 1U);
    EXPECT_TRUE(found[0].starts_with(c.message)) << found[0];
  }
  EXPECT_EQ(
      mistakes({sql_model("m", "with read_csv as (select 'x.csv' as a) select * from read_csv")}),
      std::vector<std::string>());
}

TEST_F(Compile, ATableThatATemplateShouldNameIsRefusedWithWhatToWrite) {
  struct Case {
    const char* why;
    std::string text;
    std::string message;
  };
  const std::vector<Case> cases = {
      {"a source by its table in the lake", "select id\nfrom landing.flights",
       "models/m.sql:2: landing.flights is named past the templates, so no run knows that this "
       "model reads it; write {{ source('raw', 'flights') }} instead"},
      {"a source by the name that it has in templates", "select id from Raw.Flights",
       "models/m.sql:1: Raw.Flights is named past the templates, so no run knows that this model "
       "reads it; write {{ source('raw', 'flights') }} instead"},
      {"a model that is defined before", "select id\nfrom models.a_model",
       "models/m.sql:2: models.a_model is named past the templates, so no run knows that this "
       "model reads it; write {{ ref('a_model') }} instead"},
      {"a model by its bare name", "select 1 as x\nfrom a_model",
       "models/m.sql:2: a_model is named past the templates, so no run knows that this model "
       "reads it; write {{ ref('a_model') }} instead"},
      {"a source by its bare name", "with a as (select * from flights) select * from a",
       "models/m.sql:1: flights is named past the templates, so no run knows that this model "
       "reads it; write {{ source('raw', 'flights') }} instead"},
      {"a table in a text", "select 1 as x\nfrom query('select * from landing.flights')",
       "models/m.sql:2: what query() reads is named past the templates, so no run knows that this "
       "model reads it; write {{ ref('...') }} or {{ source('...', '...') }} instead"},
  };
  const SqlModel a_model = sql_model("a_model", "select id from {{ source('raw', 'flights') }}");
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    EXPECT_EQ(mistakes({a_model, sql_model("m", c.text)}), std::vector<std::string>{c.message});
  }
}

TEST_F(Compile, AQueryOfAModelsOwnMayHaveTheNameOfATable) {
  EXPECT_EQ(mistakes({sql_model("m",
                                "with flights as (select * from {{ source('raw', 'flights') }})"
                                " select id from flights")}),
            std::vector<std::string>());
  const std::vector<std::string> unknown = mistakes({sql_model("m", "select 1 from nowhere.x")});
  ASSERT_EQ(unknown.size(), 1U);
  EXPECT_TRUE(unknown[0].starts_with("models/m.sql:1: Catalog Error")) << unknown[0];
}

TEST_F(Compile, RefusesAModelWithTwoColumnsOfOneName) {
  EXPECT_EQ(mistakes({sql_model("m", "select 1 as day, 2 as DAY"),
                      sql_model("joined",
                                "select * from {{ source('raw', 'flights') }} a join "
                                "{{ source('raw', 'flights') }} b using (id)")}),
            (std::vector<std::string>{
                "models/joined.sql: two columns are called 'delay'; rename one with AS",
                "models/m.sql: two columns are called 'DAY'; rename one with AS"}));
}

TEST(ErrorPlace, FindsTheLineAgainOrSaysNothing) {
  struct Case {
    const char* why;
    std::string raw;
    std::string compiled;
    std::string message;
    std::string place;
  };
  const std::vector<Case> cases = {
      {"no line in the message", "select 1", "select 1", "Out of memory", "m.sql"},
      {"the same line twice", "select a,\n  b,\n  b\nfrom t", "select a,\n  b,\n  b\nfrom t",
       "no b\n\nLINE 4:   b\n          ^", "m.sql:3"},
      {"a word in the line", "{{ config(schema='x') }}\nselect c\nfrom {{ ref('a') }} x",
       "\nselect c\nfrom \"models\".\"a\" x", "no c\n\nLINE 3: from \"models\".\"a\" x\n   ^",
       "m.sql:3"},
      {"a part of a long line", "select 1\n, abcdefghij", "select 1\n, abcdefghij",
       "no\n\nLINE 3: ...defg...\n   ^", "m.sql:2"},
      {"another text is spoken of", "select 1", "select 1", "no\n\nLINE 2: select 2\n  ^", "m.sql"},
      {"beyond the end", "select 1", "select 1", "no\n\nLINE 9: select 1\n  ^", "m.sql"},
      {"no number", "select 1", "select 1", "no\n\nLINE x: select 1\n  ^", "m.sql"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    EXPECT_EQ(error_place("m.sql", c.raw, c.compiled, c.message), c.place);
  }
}

TEST(ErrorPlace, LeavesTheTextAndItsMarkWithoutTheEnginesNumber) {
  EXPECT_EQ(without_line_number("no b\n\nLINE 12:   b, c\n            ^"), "no b\n\n  b, c\n   ^");
  for (const char* other : {"Out of memory", "no\n\nLINE x: select 1\n  ^", "no LINE 2: at all"})
    EXPECT_EQ(without_line_number(other), other);
  EXPECT_EQ(without_line_number("no\n\nLINE 2: b"), "no\n\nb");
}

}  // namespace
}  // namespace millrace::transform
