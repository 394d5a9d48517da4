#include "transform/sql_model.h"

#include <gtest/gtest.h>

namespace millrace::transform {
namespace {

SqlModel model(const std::string& name, const std::string& text) {
  auto made = read_sql_model(name, "models/" + name + ".sql", text);
  EXPECT_TRUE(made.ok()) << made.error().message();
  return *std::move(made);
}

std::string refusal(const std::string& config) {
  const auto made = read_sql_model("m", "models/m.sql", "{{ config(" + config + ") }} select 1");
  return made.ok() ? "accepted" : made.error().message();
}

TEST(SqlModel, IsAViewUnlessItSaysOtherwise) {
  EXPECT_EQ(model("a", "select 1").materialized, Materialized::View);
  const SqlModel table =
      model("a", "{{ config(materialized='table', schema='marts', partition_by='d') }} select 1");
  EXPECT_EQ(table.materialized, Materialized::Table);
  EXPECT_EQ(table.table(), "marts.a");
  EXPECT_EQ(table.partition_by, std::vector<std::string>{"d"});
}

TEST(SqlModel, RefusesWhatItDoesNotKnowByName) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"materialised='table'", "config() has no 'materialised'; did you mean 'materialized'?"},
      {"materialized='tabel'", "materialized='tabel' is unknown; did you mean 'table'?"},
      {"materialized='ephemeral'", "materialized='ephemeral' is not supported yet"},
      {"materialized=1", "materialized is text; found 1"},
      {"materialized='incremental'", "needs partition_by"},
      {"materialized='incremental', incremental_strategy='merge', partition_by='d'",
       "incremental_strategy='merge' is not supported yet"},
      {"partition_by=[1]", "partition_by is a column or a list of columns; found [1]"},
      {"schema='a b'", "schema"},
  };
  for (const auto& [config, expected] : cases)
    EXPECT_NE(refusal(config).find(expected), std::string::npos)
        << config << " -> " << refusal(config);
}

TEST(ModelGraph, PutsEachModelBehindWhatItReads) {
  std::vector<Error> errors;
  const ModelGraph graph =
      ModelGraph::make({model("a", "select * from {{ ref('c') }}"),
                        model("b", "select * from {{ ref('a') }}, {{ ref('c') }}"),
                        model("c", "select * from {{ source('s', 't') }}"), model("d", "select 1")},
                       {"s.t"}, errors);
  EXPECT_TRUE(errors.empty());
  std::vector<std::string> order;
  for (const SqlModel* each : graph.in_order()) order.push_back(each->name);
  EXPECT_EQ(order, (std::vector<std::string>{"c", "a", "b", "d"}));
  order.clear();
  const auto chosen = graph.with_ancestors({"a"});
  ASSERT_TRUE(chosen.ok());
  for (const SqlModel* each : *chosen) order.push_back(each->name);
  EXPECT_EQ(order, (std::vector<std::string>{"c", "a"}));
  EXPECT_EQ(graph.with_ancestors({"bb"}).error().message(),
            "there is no model 'bb'; did you mean 'b'?");
}

TEST(ModelGraph, ShowsEveryMistakeWithItsPlace) {
  std::vector<Error> errors;
  ModelGraph::make(
      {model("labels", "select\n* from {{ ref('flight') }}"),
       model("flights", "from {{ source('s', 'u') }}"), model("x", "{{ ref('y') }}"),
       model("y", "{{ ref('z') }}"), model("z", "{{ ref('x') }}"), model("X", "select 2")},
      {"s.t"}, errors);
  std::vector<std::string> messages;
  for (const Error& error : errors) messages.push_back(error.message());
  const std::vector<std::string> expected = {
      "models/X.sql: the model 'X' is also in models/x.sql; names are unique, in whatever case",
      "models/flights.sql:1:9: there is no source 's.u'; did you mean 's.t'?",
      "models/labels.sql:2:11: there is no model 'flight'; did you mean 'flights'?",
      "models/z.sql:1:4: the models read each other in a circle: x -> y -> z -> x"};
  EXPECT_EQ(messages, expected);
}

}  // namespace
}  // namespace millrace::transform
