#include "quality/suite.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace millrace::quality {
namespace {

Result<Suite> read(std::string_view text, const Parameters& parameters = {}) {
  const auto json = Json::parse(text);
  EXPECT_TRUE(json.ok()) << text;
  return read_suite(*json, parameters);
}

/// A suite of one expectation, written as a project's YAML gives it.
Result<Suite> read_one(const std::string& members) {
  return read(R"({"name": "s", "expectations": [{)" + members + "}]}");
}

TEST(Suite, ReadsTheOneXForm) {
  const auto suite = read(R"({"name": "s", "id": "b2e1", "expectations": [
      {"type": "expect_column_values_to_be_between",
       "kwargs": {"column": "age", "mostly": 0.9, "min_value": 0.0, "max_value": 25.0},
       "meta": {"k": 1}, "notes": "n", "id": "b7e7", "severity": "warning"}],
      "meta": {"great_expectations_version": "1.24.1"}, "notes": null})");
  ASSERT_TRUE(suite.ok()) << suite.error().message();
  ASSERT_EQ(suite->expectations.size(), 1U);
  const Expectation& one = suite->expectations.front();
  EXPECT_EQ(one.severity, Severity::Warning);
  EXPECT_EQ(one.mostly, 0.9);
  EXPECT_EQ(one.id, "b7e7");
  const auto& values = std::get<ColumnValues>(one.check);
  EXPECT_EQ(values.column, "age");
  EXPECT_EQ(std::get<Between>(values.rule).bounds.max.as_double(), 25.0);
}

TEST(Suite, ReadsTheOldFormToo) {
  const auto suite = read(R"({"expectation_suite_name": "old", "data_asset_type": null,
      "ge_cloud_id": null, "expectations": [
      {"expectation_type": "expect_column_values_to_be_in_set", "meta": {},
       "kwargs": {"column": "c", "value_set": ["a", "b"], "result_format": "BASIC"}}],
      "meta": {"great_expectations_version": "0.18.22"}})");
  ASSERT_TRUE(suite.ok()) << suite.error().message();
  EXPECT_EQ(suite->name, "old");
  EXPECT_FALSE(suite->expectations[0].kwargs.contains("result_format"));
}

TEST(Suite, ReadsArgumentsBesideTheType) {
  const auto suite = read_one(R"("type": "expect_column_values_to_be_not_null", "column": "id")");
  ASSERT_TRUE(suite.ok()) << suite.error().message();
  const Expectation& one = suite->expectations.front();
  EXPECT_EQ(one.type, "expect_column_values_to_not_be_null") << "the other spelling is the same";
  EXPECT_TRUE(std::holds_alternative<NotNull>(std::get<ColumnValues>(one.check).rule));
  EXPECT_EQ(one.severity, Severity::Critical);
}

TEST(Suite, WritesWhatItReadsBack) {
  const auto suite = read_one(
      R"("type": "expect_compound_columns_to_be_unique", "column_list": ["a", "b"],
         "ignore_row_if": "any_value_is_missing", "severity": "info", "meta": {"owner": "x"})");
  ASSERT_TRUE(suite.ok()) << suite.error().message();
  const auto again = read_suite(to_json(*suite));
  ASSERT_TRUE(again.ok()) << again.error().message();
  EXPECT_EQ(to_json(*again), to_json(*suite));
}

TEST(Suite, FillsInParameters) {
  const auto suite = read(R"({"name": "s", "expectations": [
      {"type": "expect_table_row_count_to_equal", "kwargs": {"value": {"$PARAMETER": "rows"}}}]})",
                          {{"rows", Json(7)}});
  ASSERT_TRUE(suite.ok()) << suite.error().message();
  EXPECT_EQ(std::get<RowCount>(suite->expectations[0].check).bounds.max, Json(7));
}

TEST(Suite, EveryWordIsKnownOnce) {
  const auto words = known_expectations();
  EXPECT_TRUE(std::is_sorted(words.begin(), words.end()));
  EXPECT_EQ(std::adjacent_find(words.begin(), words.end()), words.end());
  EXPECT_GE(words.size(), 36U);
}

struct Refused {
  const char* why;
  const char* members;
  const char* says;
};

TEST(Suite, RefusesWhatCannotBeMeant) {
  const std::vector<Refused> cases = {
      {"a slip in the word", R"("type": "expect_column_value_to_be_between", "column": "x")",
       "did you mean 'expect_column_values_to_be_between'?"},
      {"a slip in an argument",
       R"("type": "expect_column_values_to_be_between", "column": "x", "min_vale": 1)",
       "unknown argument 'min_vale'; did you mean 'min_value'?"},
      {"a missing argument", R"("type": "expect_column_values_to_match_regex", "column": "x")",
       "the argument 'regex' is missing"},
      {"no column", R"("type": "expect_column_values_to_be_unique")",
       "the argument 'column' is missing"},
      {"no end on either side", R"("type": "expect_column_values_to_be_between", "column": "x")",
       "cannot both be missing"},
      {"bounds in the wrong order",
       R"("type": "expect_column_mean_to_be_between", "column": "x", "min_value": 2, "max_value": 1)",
       "min_value 2 is above max_value 1"},
      {"a share above one",
       R"("type": "expect_column_values_to_be_unique", "column": "x", "mostly": 1.1)",
       "less than or equal to 1"},
      {"a share of what has none",
       R"("type": "expect_table_row_count_to_equal", "value": 3, "mostly": 0.5)",
       "unknown argument 'mostly'"},
      {"a text as a count", R"("type": "expect_table_row_count_to_equal", "value": "many")",
       "not a valid integer; found 'many'"},
      {"a set that is no list",
       R"("type": "expect_column_values_to_be_in_set", "column": "x", "value_set": "ab")",
       "value_set: expected a list"},
      {"a pattern with a lookahead",
       R"("type": "expect_column_values_to_match_regex", "column": "x", "regex": "(?=b)a")",
       "is not a regular expression of RE2"},
      {"no type of ours",
       R"("type": "expect_column_values_to_be_of_type", "column": "x", "type_": "INTEGR")",
       "not the name of a type"},
      {"a condition on rows",
       R"("type": "expect_column_values_to_be_unique", "column": "x", "row_condition": "a > 1")",
       "'row_condition' is not supported"},
      {"a severity of its own",
       R"("type": "expect_column_values_to_be_unique", "column": "x", "severity": "warn")",
       "severity: expected info, warning or critical"},
      {"an argument twice",
       R"("type": "expect_column_to_exist", "column": "x", "kwargs": {"column": "y"})",
       "stands there twice"},
      {"a word of theirs that is not here",
       R"("type": "expect_multicolumn_sum_to_equal", "column_list": ["x"], "sum_total": 1)",
       "is not here yet"},
      {"a parameter that nobody gave",
       R"("type": "expect_table_row_count_to_equal", "value": {"$PARAMETER": "n"})",
       "no parameter 'n' was given"},
      {"no type at all", R"("column": "x")", "'type' is missing"},
  };
  for (const Refused& c : cases) {
    SCOPED_TRACE(c.why);
    const auto suite = read_one(c.members);
    ASSERT_FALSE(suite.ok());
    EXPECT_NE(suite.error().message().find(c.says), std::string::npos) << suite.error().message();
    EXPECT_TRUE(suite.error().message().starts_with("expectation 1 (")) << suite.error().message();
  }
}

TEST(Suite, RefusesWhatIsNoSuite) {
  EXPECT_FALSE(read("[]").ok());
  EXPECT_FALSE(read(R"({"name": "s"})").ok());
  EXPECT_FALSE(read(R"({"name": "s", "expectations": ["x"]})").ok());
  const auto slip = read(R"({"name": "s", "expectation": []})");
  ASSERT_FALSE(slip.ok());
  EXPECT_NE(slip.error().message().find("did you mean 'expectations'?"), std::string::npos);
}

}  // namespace
}  // namespace millrace::quality
