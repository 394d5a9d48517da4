#include "quality/validate_fixture.h"

namespace millrace::quality {
namespace {

TEST_F(Validate, BetweenGivesWhatGreatExpectationsGives) {
  make_people();
  const Verdict verdict =
      one(R"("type": "expect_column_values_to_be_between", "column": "age", "min_value": 0,
             "max_value": 25, "mostly": 0.9)",
          {.order_by = {"id"}, .index_columns = {"id"}});
  EXPECT_FALSE(verdict.success);
  const Json result = to_json(verdict, ResultFormat::Basic)["result"];
  EXPECT_EQ(
      result.dump(),
      R"({"element_count":30,"unexpected_count":12,"unexpected_percent":50.0,)"
      R"("partial_unexpected_list":[30.0,-5.0,30.0,-5.0,30.0,-5.0,30.0,-5.0,30.0,-5.0,30.0,-5.0],)"
      R"("missing_count":6,"missing_percent":20.0,"unexpected_percent_total":40.0,)"
      R"("unexpected_percent_nonmissing":50.0})");
  EXPECT_EQ(verdict.samples.front().index.dump(), R"({"age":30.0,"id":3})");
}

struct Told {
  const char* why;
  const char* members;
  bool success;
};

TEST_F(Validate, TellsWhatHoldsFromWhatDoesNot) {
  make_people();
  const std::vector<Told> cases = {
      {"no id is missing", R"("type": "expect_column_values_to_not_be_null", "column": "id")",
       true},
      {"a fifth of the ages is missing",
       R"("type": "expect_column_values_to_not_be_null", "column": "age", "mostly": 0.8)", true},
      {"and not less",
       R"("type": "expect_column_values_to_not_be_null", "column": "age", "mostly": 0.81)", false},
      {"a fifth is null",
       R"("type": "expect_column_values_to_be_null", "column": "age", "mostly": 0.2)", true},
      {"a strict end leaves itself out",
       R"("type": "expect_column_values_to_be_between", "column": "age", "max_value": 30,
          "strict_max": true)",
       false},
      {"days compare with texts of days",
       R"("type": "expect_column_values_to_be_between", "column": "day", "min_value": "2024-01-01",
          "max_value": "2024-01-10")",
       true},
      {"letters are in the set",
       R"("type": "expect_column_values_to_be_in_set", "column": "letter",
          "value_set": ["a","b","c","d","e","f","g", null])",
       true},
      {"a is not forbidden in vain",
       R"("type": "expect_column_values_to_not_be_in_set", "column": "letter", "value_set": ["a"])",
       false},
      {"nothing is in an empty set",
       R"("type": "expect_column_values_to_be_in_set", "column": "letter", "value_set": [])",
       false},
      {"and everything outside of it",
       R"("type": "expect_column_values_to_not_be_in_set", "column": "letter", "value_set": [])",
       true},
      {"a pattern is found anywhere",
       R"("type": "expect_column_values_to_match_regex", "column": "letter", "regex": "[a-g]")",
       true},
      {"a forbidden pattern",
       R"("type": "expect_column_values_to_not_match_regex", "column": "letter", "regex": "^g$")",
       false},
      {"one letter each",
       R"("type": "expect_column_value_lengths_to_be_between", "column": "letter", "min_value": 1,
          "max_value": 1)",
       true},
      {"ids are unique", R"("type": "expect_column_values_to_be_unique", "column": "id")", true},
      {"letters are not", R"("type": "expect_column_values_to_be_unique", "column": "letter")",
       false},
      {"letter and id together are",
       R"("type": "expect_compound_columns_to_be_unique", "column_list": ["letter", "id"])", true},
      {"mean", R"("type": "expect_column_mean_to_be_between", "column": "age", "min_value": 13.75,
          "max_value": 13.75)",
       true},
      {"least", R"("type": "expect_column_min_to_be_between", "column": "age", "min_value": -5)",
       true},
      {"greatest day",
       R"("type": "expect_column_max_to_be_between", "column": "day", "max_value": "2024-01-09")",
       false},
      {"sum", R"("type": "expect_column_sum_to_be_between", "column": "id", "min_value": 465,
          "max_value": 465)",
       true},
      {"median of an even count lies between two",
       R"("type": "expect_column_median_to_be_between", "column": "age", "min_value": 15,
          "max_value": 15)",
       true},
      {"deviation of a sample",
       R"("type": "expect_column_stdev_to_be_between", "column": "age", "min_value": 13.2081,
          "max_value": 13.2083)",
       true},
      {"values counted",
       R"("type": "expect_column_unique_value_count_to_be_between", "column": "letter",
          "min_value": 7, "max_value": 7)",
       true},
      {"share of distinct values",
       R"("type": "expect_column_proportion_of_unique_values_to_be_between", "column": "id",
          "min_value": 1)",
       true},
      {"the set of values",
       R"("type": "expect_column_distinct_values_to_equal_set", "column": "age",
          "value_set": [10, 20, 30, -5])",
       true},
      {"rows", R"("type": "expect_table_row_count_to_equal", "value": 30)", true},
      {"rows between", R"("type": "expect_table_row_count_to_be_between", "max_value": 29)", false},
      {"columns as a set",
       R"("type": "expect_table_columns_to_match_set", "column_set": ["day", "id", "age", "letter"])",
       true},
      {"columns in order",
       R"("type": "expect_table_columns_to_match_ordered_list",
          "column_list": ["id", "age", "day", "letter"])",
       false},
      {"a column is there",
       R"("type": "expect_column_to_exist", "column": "age", "column_index": 1)", true},
      {"its type by SQL's name",
       R"("type": "expect_column_values_to_be_of_type", "column": "age", "type_": "DOUBLE")", true},
      {"its type by Python's",
       R"("type": "expect_column_values_to_be_in_type_list", "column": "id", "type_list": ["int"])",
       true},
      {"an id is above an age, or the age is missing",
       R"("type": "expect_column_pair_values_a_to_be_greater_than_b", "column_A": "id",
          "column_B": "age", "ignore_row_if": "either_value_is_missing")",
       false},
      {"like", R"("type": "expect_column_values_to_match_like_pattern", "column": "letter",
          "like_pattern": "_")",
       true},
  };
  for (const Told& c : cases) {
    SCOPED_TRACE(c.why);
    const Verdict verdict = one(c.members, {.order_by = {"id"}, .samples_of = SamplesOf::All});
    EXPECT_EQ(verdict.exception, "");
    EXPECT_EQ(verdict.success, c.success) << describe(verdict);
    EXPECT_EQ(verdict.rows && verdict.rows->unexpected > 0, !verdict.samples.empty());
  }
}

TEST_F(Validate, WhatCannotBeEvaluatedFailsAloneAndSaysWhy) {
  make_people();
  const SuiteVerdict suite = verdicts(R"(
      {"type": "expect_column_values_to_not_be_null", "column": "agee"},
      {"type": "expect_column_values_to_be_between", "column": "letter", "min_value": 1},
      {"type": "expect_column_mean_to_be_between", "column": "letter", "min_value": 1},
      {"type": "expect_column_pair_values_a_to_be_greater_than_b", "column_A": "day", "column_B": "id"},
      {"type": "expect_column_values_to_not_be_null", "column": "id"})");
  EXPECT_FALSE(suite.success);
  EXPECT_EQ(suite.successful(), 1U);
  EXPECT_NE(suite.results[0].exception.find("did you mean 'age'?"), std::string::npos);
  EXPECT_NE(suite.results[1].exception.find("VARCHAR"), std::string::npos);
  EXPECT_NE(suite.results[2].exception.find("needs a numeric column"), std::string::npos);
  EXPECT_NE(suite.results[3].exception, "") << "found by the engine: the others are asked alone";
  EXPECT_TRUE(suite.results[4].success);
  const Json json = to_json(suite);
  EXPECT_EQ(json["results"].as_array()[0]["exception_info"]["raised_exception"], Json(true));
}

TEST_F(Validate, ATableThatIsNotThereIsAnError) {
  const auto suite = read_suite(*Json::parse(R"({"name": "s", "expectations": []})"));
  EXPECT_FALSE(validate(*session_, {"nowhere", ""}, *suite).ok());
  EXPECT_FALSE(validate(*session_, {"", ""}, *suite).ok());
  EXPECT_FALSE(validate(*session_, {"", "SELECT 1; SELECT 2"}, *suite).ok());
  make_people();
  EXPECT_FALSE(validate(*session_, {"people", ""}, *suite, {.order_by = {"nothing"}}).ok());
  EXPECT_TRUE(validate(*session_, {"", "SELECT * FROM people -- all"}, *suite).ok());
}

TEST_F(Validate, ColumnsWithHostileNamesAndValues) {
  run(R"(CREATE TABLE people AS SELECT 'it''s "x"' AS "a ""b"" ; --")");
  const Verdict verdict =
      one(R"("type": "expect_column_values_to_be_in_set", "column": "a \"b\" ; --",
             "value_set": ["it's \"x\"", "'); DROP TABLE people; --"])");
  EXPECT_EQ(verdict.exception, "");
  EXPECT_TRUE(verdict.success);
  const Verdict pattern =
      one(R"("type": "expect_column_values_to_match_regex", "column": "a \"b\" ; --",
             "regex": "^it's")");
  EXPECT_TRUE(pattern.success) << pattern.exception;
}

TEST_F(Validate, AnEmptyTableHoldsNothingUnexpected) {
  run("CREATE TABLE people (id BIGINT, x DOUBLE)");
  const SuiteVerdict suite = verdicts(R"(
      {"type": "expect_column_values_to_not_be_null", "column": "id"},
      {"type": "expect_column_values_to_be_unique", "column": "id"},
      {"type": "expect_column_mean_to_be_between", "column": "x", "min_value": 0},
      {"type": "expect_column_stdev_to_be_between", "column": "x", "min_value": 0},
      {"type": "expect_column_median_to_be_between", "column": "x", "min_value": 0},
      {"type": "expect_column_max_to_be_between", "column": "x", "min_value": 0},
      {"type": "expect_column_unique_value_count_to_be_between", "column": "x", "max_value": 0})");
  EXPECT_TRUE(suite.results[0].success);
  EXPECT_TRUE(suite.results[1].success);
  for (std::size_t i = 2; i < 6; ++i) {
    EXPECT_FALSE(suite.results[i].success) << i << ": nothing observed is not within bounds";
    EXPECT_TRUE(suite.results[i].observed->is_null());
  }
  EXPECT_TRUE(suite.results[6].success);
}

TEST_F(Validate, AValueThatCannotStandInTheColumnMatchesNothing) {
  make_people();
  const std::string type = R"("type": "expect_column_values_to_not_be_in_set", "column": "id", )";
  EXPECT_EQ(one(type + R"("value_set": ["a", 3])").rows->unexpected, 1);
  for (const char* set : {R"("value_set": ["a"])", R"("value_set": ["a", null])"})
    EXPECT_NE(one(type + set).exception, "") << "a set about something else is no set at all";
}

TEST_F(Validate, SetsOfDistinctValuesAreComparedAsSets) {
  make_people();
  struct Case {
    const char* why;
    const char* word;
    const char* set;
    bool success;
    const char* observed;
  };
  const char* all = R"(["a","b","c","d","e","f","g"])";
  const std::vector<Case> cases = {
      {"a part of them is contained", "to_contain_set", R"(["a", "b", "b"])", true, all},
      {"one that is not there", "to_contain_set", R"(["a", "x"])", false, all},
      {"nothing is always contained", "to_contain_set", "[]", true, all},
      {"a value of another kind is not there", "to_contain_set", R"(["a", 1.5])", false, all},
      {"others are there too", "to_be_in_set", R"(["a", "b"])", false, all},
      {"more is allowed than there is", "to_be_in_set",
       R"(["g", "f", "e", "d", "c", "b", "a", "x"])", true, all},
      {"nothing is allowed", "to_be_in_set", "[]", false, all},
      {"less than all", "to_equal_set", R"(["a"])", false, all},
      {"more than all", "to_equal_set", R"(["a","b","c","d","e","f","g","x"])", false, all},
      {"all, some twice", "to_equal_set", R"(["a","b","c","d","e","f","g","a", null])", true, all},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    const Verdict verdict = one(std::string(R"("type": "expect_column_distinct_values_)") + c.word +
                                R"(", "column": "letter", "value_set": )" + c.set);
    EXPECT_EQ(verdict.exception, "");
    EXPECT_EQ(verdict.success, c.success);
    EXPECT_EQ(verdict.observed->dump(), c.observed);
  }
}

TEST_F(Validate, MostlyDividesAsGreatExpectationsDoes) {
  run("CREATE TABLE people AS SELECT i AS x FROM range(100) AS t(i)");
  const std::string members =
      R"("type": "expect_column_values_to_be_between", "column": "x", "min_value": 1, "mostly": )";
  EXPECT_TRUE(one(members + "0.99").success) << "99 of 100 are exactly 0.99";
  EXPECT_FALSE(one(members + "0.9900000001").success);
}

}  // namespace
}  // namespace millrace::quality
