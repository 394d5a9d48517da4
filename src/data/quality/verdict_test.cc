#include "quality/verdict.h"

#include <gtest/gtest.h>

namespace millrace::quality {
namespace {

/// The verdict of facts that Great Expectations 1.24 gave for the same data: 30 rows, 6 missing, 12
/// unexpected.
Verdict failed_between() {
  const auto suite = read_suite(*Json::parse(R"({"name": "s", "expectations": [
      {"type": "expect_column_values_to_be_between", "column": "age", "min_value": 0,
       "max_value": 25, "mostly": 0.9, "severity": "warning"}]})"));
  Verdict verdict;
  verdict.expectation = suite->expectations.front();
  verdict.rows = RowCounts{30, 6, 12, true};
  for (int i = 0; i < 12; ++i)
    verdict.samples.push_back({i % 2 == 0 ? Json(30.0) : Json(-5.0), Json()});
  return verdict;
}

TEST(Verdict, BasicResultIsGreatExpectations) {
  const Json json = to_json(failed_between(), ResultFormat::Basic);
  EXPECT_EQ(
      json["result"].dump(),
      R"({"element_count":30,"unexpected_count":12,"unexpected_percent":50.0,)"
      R"("partial_unexpected_list":[30.0,-5.0,30.0,-5.0,30.0,-5.0,30.0,-5.0,30.0,-5.0,30.0,-5.0],)"
      R"("missing_count":6,"missing_percent":20.0,"unexpected_percent_total":40.0,)"
      R"("unexpected_percent_nonmissing":50.0})");
  EXPECT_EQ(json["exception_info"]["raised_exception"], Json(false));
  EXPECT_EQ(json["expectation_config"]["kwargs"]["column"], Json("age"));
}

TEST(Verdict, SummaryCountsTheSamples) {
  const Json json = to_json(failed_between());
  EXPECT_EQ(json["result"]["partial_unexpected_counts"].dump(),
            R"([{"value":30.0,"count":6},{"value":-5.0,"count":6}])");
  EXPECT_FALSE(json["result"].contains("unexpected_list"));
}

TEST(Verdict, CompleteListsAllOnlyWhenAllWereSampled) {
  Verdict verdict = failed_between();
  EXPECT_EQ(to_json(verdict, ResultFormat::Complete)["result"]["unexpected_list"].as_array().size(),
            12U);
  verdict.samples.pop_back();
  EXPECT_FALSE(to_json(verdict, ResultFormat::Complete)["result"].contains("unexpected_list"));
}

TEST(Verdict, PercentOfNothingIsNull) {
  Verdict verdict = failed_between();
  verdict.rows = RowCounts{4, 4, 0, true};
  const Json json = to_json(verdict, ResultFormat::Basic);
  EXPECT_TRUE(json["result"]["unexpected_percent"].is_null());
  EXPECT_EQ(json["result"]["missing_percent"], Json(100.0));
}

TEST(Verdict, ALineForPeopleNamesColumnCountAndValues) {
  EXPECT_EQ(
      describe(failed_between()),
      "expect_column_values_to_be_between of age (min_value 0, max_value 25, mostly 0.9): 12 of "
      "24 values are unexpected (50.00 %): 30.0, -5.0, 30.0, -5.0, 30.0, ...");
  Verdict verdict = failed_between();
  verdict.exception = "The column \"age\" does not exist";
  EXPECT_NE(describe(verdict).find("could not be evaluated: The column"), std::string::npos);
}

TEST(Verdict, NullsAreCountedAndNotListed) {
  const auto suite = read_suite(*Json::parse(R"({"name": "s", "expectations": [
      {"type": "expect_column_values_to_not_be_null", "column": "age"}]})"));
  Verdict verdict;
  verdict.expectation = suite->expectations.front();
  verdict.rows = RowCounts{8, 0, 2, false};
  verdict.samples = {{Json(), Json()}, {Json(), Json()}};
  EXPECT_EQ(describe(verdict),
            "expect_column_values_to_not_be_null of age: 2 of 8 values are null (25.00 %)");
}

TEST(Verdict, ATablesRowHasThePartsOfTheLine) {
  EXPECT_EQ(subject_of(failed_between()), "age (min_value 0, max_value 25, mostly 0.9)");
  EXPECT_EQ(finding_of(failed_between()),
            "12 of 24 values are unexpected (50.00 %): 30.0, -5.0, 30.0, -5.0, 30.0, ...");
  const auto suite = read_suite(*Json::parse(R"({"name": "s", "expectations": [
      {"type": "expect_table_row_count_to_be_between", "min_value": 1},
      {"type": "expect_column_to_exist", "column": "age"}]})"));
  Verdict verdict;
  verdict.expectation = suite->expectations[0];
  verdict.observed = Json(0);
  EXPECT_EQ(subject_of(verdict), "(min_value 1)");
  EXPECT_EQ(finding_of(verdict), "observed 0");
  verdict.expectation = suite->expectations[1];
  verdict.observed.reset();
  EXPECT_EQ(subject_of(verdict), "age");
  EXPECT_EQ(finding_of(verdict), "not met");
}

TEST(Verdict, LongValuesAreCutBetweenCharacters) {
  Verdict verdict = failed_between();
  std::string text = "a";
  while (text.size() < 200) text += "é";
  verdict.samples = {{Json(text), Json()}};
  const std::string line = describe(verdict);
  EXPECT_LT(line.size(), 250U);
  EXPECT_TRUE(Json::parse(Json(line).dump()).ok()) << "still UTF-8";
}

TEST(Verdict, TheWorstFailureDecidesTheGate) {
  SuiteVerdict suite;
  suite.results = {failed_between(), failed_between()};
  EXPECT_EQ(suite.worst_failure(), Severity::Warning);
  suite.results[1].expectation.severity = Severity::Critical;
  EXPECT_EQ(suite.worst_failure(), Severity::Critical);
  suite.results[0].success = suite.results[1].success = true;
  EXPECT_EQ(suite.worst_failure(), std::nullopt);
  EXPECT_EQ(to_json(suite)["statistics"].dump(),
            R"({"evaluated_expectations":2,"successful_expectations":2,)"
            R"("unsuccessful_expectations":0,"success_percent":100.0})");
}

}  // namespace
}  // namespace millrace::quality
