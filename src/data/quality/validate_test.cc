#include "quality/validate.h"

#include <cmath>
#include <set>

#include <gtest/gtest.h>

namespace millrace::quality {
namespace {

class Validate : public ::testing::Test {
 protected:
  void SetUp() override {
    auto engine = engine::open_duckdb({});
    ASSERT_TRUE(engine.ok()) << engine.error().message();
    engine_ = *std::move(engine);
    auto session = engine_->open_session();
    ASSERT_TRUE(session.ok()) << session.error().message();
    session_ = *std::move(session);
  }

  void run(const std::string& sql) {
    const auto done = session_->execute(sql);
    ASSERT_TRUE(done.ok()) << done.error().message();
  }

  /// Thirty rows: ages 10, 20, 30, null, -5 six times.
  void make_people() {
    run("CREATE TABLE people AS SELECT i + 1 AS id, [10, 20, 30, NULL, -5][i % 5 + 1]::DOUBLE AS "
        "age, chr(97 + (i % 7)::INTEGER) AS letter, DATE '2024-01-01' + (i % 10)::INTEGER AS day "
        "FROM "
        "range(30) AS t(i)");
  }

  SuiteVerdict verdicts(const std::string& expectations, const ValidateOptions& options = {},
                        const std::string& relation = "people") {
    const auto json = Json::parse(R"({"name": "s", "expectations": [)" + expectations + "]}");
    EXPECT_TRUE(json.ok()) << expectations;
    const auto suite = read_suite(*json);
    EXPECT_TRUE(suite.ok()) << suite.error().message();
    auto verdict = validate(*session_, {relation, ""}, *suite, options);
    EXPECT_TRUE(verdict.ok()) << verdict.error().message();
    return *std::move(verdict);
  }
  Verdict one(const std::string& members, const ValidateOptions& options = {},
              const std::string& relation = "people") {
    return verdicts("{" + members + "}", options, relation).results.front();
  }

  std::unique_ptr<engine::Engine> engine_;
  std::unique_ptr<engine::Session> session_;
};

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
    const Verdict verdict = one(c.members, {.order_by = {"id"}});
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

TEST_F(Validate, SumsOfDoublesAreExactAndTheSameOnEveryRun) {
  run("CREATE TABLE people AS SELECT (hash(i) % 100000) / 7.0::DOUBLE * pow(10, (i % 13)::INTEGER "
      "- 6) "
      "AS x FROM range(300000) AS t(i)");
  std::set<double> means;
  for (const char* order : {"", " ORDER BY x", " ORDER BY hash(x)"}) {
    run(std::string("CREATE OR REPLACE TABLE shuffled AS SELECT * FROM people") + order);
    for (int i = 0; i < 3; ++i)
      means.insert(
          one(R"("type": "expect_column_mean_to_be_between", "column": "x", "min_value": 0)", {},
              "shuffled")
              .observed->as_double());
  }
  EXPECT_EQ(means.size(), 1U);
  const auto exact = session_->scalar("SELECT fsum(x) / count(x) FROM people");
  ASSERT_TRUE(exact.ok());
  EXPECT_NEAR(*means.begin() / exact->as_double(), 1, 1e-14);
}

TEST_F(Validate, SumsKeepSmallHugeAndCancellingNumbers) {
  struct Case {
    const char* why;
    const char* values;
    double sum;
  };
  const std::vector<Case> cases = {
      {"tiny", "(1e-300), (2e-300)", 3e-300},
      {"huge", "(1e300), (-1e300), (1e290)", 1e290},
      {"beyond 2^62", "(1e19), (2e19)", 3e19},
      {"what a running sum loses", "(1e16), (1.0), (-1e16), (1.0)", 2},
      {"halves below zero", "(-0.5), (-0.25)", -0.75},
      {"nothing but zeros", "(0.0), (0.0)", 0},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    run(std::string("CREATE OR REPLACE TABLE people AS SELECT x::DOUBLE AS x FROM (VALUES ") +
        c.values + ") AS t(x)");
    const Verdict verdict =
        one(R"("type": "expect_column_sum_to_be_between", "column": "x", "min_value": -1e308)");
    EXPECT_EQ(verdict.exception, "");
    EXPECT_DOUBLE_EQ(verdict.observed->as_double(), c.sum);
  }
}

TEST_F(Validate, ADeviationSurvivesALargeMean) {
  run("CREATE TABLE people AS SELECT 1e12 + (i % 2) AS x FROM range(1000) AS t(i)");
  const Verdict verdict =
      one(R"("type": "expect_column_stdev_to_be_between", "column": "x", "min_value": 0)");
  EXPECT_NEAR(verdict.observed->as_double(), std::sqrt(0.25 * 1000 / 999), 1e-12);
}

TEST_F(Validate, ADeviationIsRightWhereSquaresLeaveTheRangeOfNumbers) {
  struct Case {
    const char* why;
    const char* values;
    double deviation;
  };
  const std::vector<Case> cases = {
      {"squares that overflow", "(1e155), (-1e155), (1e200), (-1e200)", 1e200 * std::sqrt(2. / 3)},
      {"the greatest numbers", "(1.5e308), (-1.5e308)", 1.5e308 * std::sqrt(2.)},
      {"squares that vanish", "(1e-200), (3e-200)", std::sqrt(2.) * 1e-200},
      {"no distance", "(1e200), (1e200)", 0},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    run(std::string("CREATE OR REPLACE TABLE people AS SELECT x::DOUBLE AS x FROM (VALUES ") +
        c.values + ") AS t(x)");
    const Verdict verdict =
        one(R"("type": "expect_column_stdev_to_be_between", "column": "x", "min_value": 0,
               "max_value": 1)");
    EXPECT_EQ(verdict.exception, "");
    EXPECT_DOUBLE_EQ(verdict.observed->as_double(), c.deviation);
    EXPECT_EQ(verdict.success, c.deviation <= 1);
  }
}

TEST_F(Validate, WhatIsNoNumberHasNoMean) {
  run("CREATE TABLE people AS SELECT x::DOUBLE AS x FROM (VALUES ('1.0'), ('nan'), ('inf')) AS "
      "t(x)");
  const Verdict verdict =
      one(R"("type": "expect_column_mean_to_be_between", "column": "x", "min_value": 0)");
  EXPECT_FALSE(verdict.success);
  EXPECT_NE(verdict.exception.find("2 values are NaN or infinite"), std::string::npos);
}

TEST_F(Validate, NanLiesWithinNothing) {
  run("CREATE TABLE people AS SELECT x::DOUBLE AS x FROM (VALUES ('1.0'), ('nan'), (NULL)) AS "
      "t(x)");
  const Verdict between =
      one(R"("type": "expect_column_values_to_be_between", "column": "x", "min_value": 0)");
  EXPECT_EQ(between.rows->unexpected, 1) << "the engine would order it above every number";
  EXPECT_FALSE(
      one(R"("type": "expect_column_max_to_be_between", "column": "x", "min_value": 0)").success);
  EXPECT_TRUE(
      one(R"("type": "expect_column_min_to_be_between", "column": "x", "min_value": 0)").success);
}

TEST_F(Validate, AValueThatCannotStandInTheColumnMatchesNothing) {
  make_people();
  const std::string type = R"("type": "expect_column_values_to_not_be_in_set", "column": "id", )";
  EXPECT_EQ(one(type + R"("value_set": ["a", 3])").rows->unexpected, 1);
  for (const char* set : {R"("value_set": ["a"])", R"("value_set": ["a", null])"})
    EXPECT_NE(one(type + set).exception, "") << "a set about something else is no set at all";
}

TEST_F(Validate, UniquenessIsExactForCloseAndFarNumbersDaysAndTexts) {
  const std::vector<std::string> expressions = {
      "i",                               // close: counted in bits
      "i * 1000000007",                  // far: grouped
      "-9223372036854775807 + i",        // at the end of the range
      "DATE '2000-01-01' + i::INTEGER",  // days
      "'k' || i",                        // texts
      "(i * 0.5)::DECIMAL(18, 1)",
  };
  for (const std::string& expression : expressions) {
    SCOPED_TRACE(expression);
    run("CREATE OR REPLACE TABLE people AS SELECT " + expression +
        " AS x FROM (SELECT CASE WHEN i IN (17, 18, 500) THEN 16 WHEN i % 100 = 99 THEN NULL ELSE "
        "i "
        "END AS i FROM range(1000) AS t(i))");
    const Verdict unique = one(R"("type": "expect_column_values_to_be_unique", "column": "x")");
    EXPECT_EQ(unique.exception, "");
    EXPECT_EQ(unique.rows->unexpected, 4);
    EXPECT_EQ(unique.rows->missing, 10);
    EXPECT_EQ(unique.samples.size(), 4U);
    const Verdict count = one(
        R"("type": "expect_column_unique_value_count_to_be_between", "column": "x", "min_value": 0)");
    EXPECT_EQ(*count.observed, Json(987));
  }
}

TEST_F(Validate, NullsInACompoundKeyAreEqual) {
  run("CREATE TABLE people AS SELECT * FROM (VALUES (1, NULL), (1, NULL), (2, NULL), (NULL, NULL), "
      "(NULL, NULL)) AS t(a, b)");
  const Verdict all =
      one(R"("type": "expect_compound_columns_to_be_unique", "column_list": ["a", "b"])");
  EXPECT_EQ(all.rows->unexpected, 2) << "rows without any part are ignored";
  ASSERT_EQ(all.samples.size(), 2U);
  EXPECT_EQ(all.samples[0].value.dump(), R"({"a":1,"b":null})");
  const Verdict any = one(
      R"("type": "expect_compound_columns_to_be_unique", "column_list": ["a", "b"],
         "ignore_row_if": "any_value_is_missing")");
  EXPECT_EQ(any.rows->unexpected, 0);
  const Verdict never = one(
      R"("type": "expect_compound_columns_to_be_unique", "column_list": ["a", "b"],
         "ignore_row_if": "never")");
  EXPECT_EQ(never.rows->unexpected, 4);
}

/// A session that counts the statements that it is asked, and passes them on.
class CountingSession final : public engine::Session {
 public:
  explicit CountingSession(engine::Session& session) : session_(session) {}
  const std::vector<std::string>& statements() const { return statements_; }

  Status execute(std::string_view sql) override {
    statements_.emplace_back(sql);
    return session_.execute(sql);
  }
  Result<std::unique_ptr<columnar::BatchReader>> query(std::string_view sql,
                                                       std::span<const Json> parameters) override {
    statements_.emplace_back(sql);
    return session_.query(sql, parameters);
  }
  Result<std::vector<engine::WrittenFile>> write_parquet(
      std::string_view select, const engine::ParquetWrite& write) override {
    statements_.emplace_back(select);
    return session_.write_parquet(select, write);
  }
  Status define_scan(const engine::RelationName& name, const engine::TableScan& scan) override {
    return session_.define_scan(name, scan);
  }
  Status define_view(const engine::RelationName& name, std::string_view select) override {
    return session_.define_view(name, select);
  }
  Result<std::int64_t> load(const engine::RelationName& name,
                            columnar::BatchReader& rows) override {
    return session_.load(name, rows);
  }
  Status drop(const engine::RelationName& name) override { return session_.drop(name); }
  Result<engine::BoundStatement> bind(std::string_view sql) override { return session_.bind(sql); }
  Result<Json> parse(std::string_view select) override { return session_.parse(select); }
  Result<std::string> unparse(const Json& tree) override { return session_.unparse(tree); }
  Result<std::string> explain(std::string_view sql, bool analyze) override {
    return session_.explain(sql, analyze);
  }
  std::optional<double> progress() const override { return session_.progress(); }
  void cancel() override { session_.cancel(); }

 private:
  engine::Session& session_;
  std::vector<std::string> statements_;
};

TEST_F(Validate, TheSuiteOfATrainingSetIsOneScanAndOneForUniqueness) {
  // The kinds of expectations of examples/weekly_retraining/expectations.
  make_people();
  const auto suite = read_suite(*Json::parse(R"({"name": "s", "expectations": [
      {"type": "expect_table_row_count_to_be_between", "min_value": 30, "max_value": 30},
      {"type": "expect_table_columns_to_match_set", "column_set": ["id", "age"],
       "exact_match": false},
      {"type": "expect_column_values_to_be_unique", "column": "id"},
      {"type": "expect_column_values_to_match_regex", "column": "letter", "regex": "^[a-g]$"},
      {"type": "expect_column_values_to_not_be_null", "column": "age", "mostly": 0.8},
      {"type": "expect_column_values_to_be_of_type", "column": "day", "type_": "DATE"},
      {"type": "expect_column_values_to_be_in_set", "column": "age",
       "value_set": [10, 20, 30, -5]},
      {"type": "expect_column_mean_to_be_between", "column": "age", "min_value": 13,
       "max_value": 14},
      {"type": "expect_column_mean_to_be_between", "column": "id", "min_value": 15,
       "max_value": 16},
      {"type": "expect_column_min_to_be_between", "column": "day", "min_value": "2024-01-01"},
      {"type": "expect_column_sum_to_be_between", "column": "age", "min_value": 0},
      {"type": "expect_column_distinct_values_to_contain_set", "column": "letter",
       "value_set": ["a", "b", "c", "d", "e", "f", "g"]},
      {"type": "expect_column_distinct_values_to_equal_set", "column": "age",
       "value_set": [10, 20, 30, -5]},
      {"type": "expect_column_distinct_values_to_be_in_set", "column": "letter",
       "value_set": ["a", "b", "c", "d", "e", "f", "g", "h"]},
      {"type": "expect_column_values_to_be_between", "column": "age", "max_value": 30}]})"));
  ASSERT_TRUE(suite.ok()) << suite.error().message();
  CountingSession session(*session_);
  // Samples of what `mostly` lets pass would take one more.
  const auto verdict = validate(session, {"people", ""}, *suite, {.samples = 0});
  ASSERT_TRUE(verdict.ok()) << verdict.error().message();
  for (const Verdict& one : verdict->results) EXPECT_TRUE(one.success) << describe(one);
  EXPECT_EQ(session.statements().size(), 2U)
      << "the scan, and the ids in bits; also: " << session.statements().back();
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

TEST_F(Validate, SamplesComeFromOnePassAndStopEarly) {
  run("CREATE TABLE people AS SELECT i AS id, -i AS x FROM range(100000) AS t(i)");
  std::vector<std::string> passes;
  const SuiteVerdict suite = verdicts(
      R"({"type": "expect_column_values_to_be_between", "column": "x", "min_value": 1},
         {"type": "expect_column_values_to_be_between", "column": "id", "max_value": 10})",
      {.order_by = {"id"},
       .samples = 3,
       .progress = [&](std::string_view pass, std::size_t, std::size_t) {
         passes.emplace_back(pass);
       }});
  EXPECT_EQ(passes, (std::vector<std::string>{"counting", "fetching samples"}));
  EXPECT_EQ(suite.results[0].samples.size(), 3U);
  EXPECT_EQ(suite.results[0].samples[0].value, Json(0));
  EXPECT_EQ(suite.results[1].samples[0].value, Json(11));
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
