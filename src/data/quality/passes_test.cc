// How often the table is read.

#include "quality/validate_fixture.h"

namespace millrace::quality {
namespace {

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
  Result<std::string> explain(std::string_view sql, engine::Plan plan) override {
    return session_.explain(sql, plan);
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

TEST_F(Validate, WhatIsMetInSpiteOfSomeRowsGetsSamplesOnlyOnDemand) {
  run("CREATE TABLE people AS SELECT i AS x FROM range(100) AS t(i)");
  int passes = 0;
  ValidateOptions options{
      .progress = [&](std::string_view, std::size_t, std::size_t) { ++passes; }};
  const char* met =
      R"({"type": "expect_column_values_to_be_between", "column": "x", "max_value": 97,
                        "mostly": 0.9})";
  const SuiteVerdict quick = verdicts(met, options);
  EXPECT_TRUE(quick.results[0].success);
  EXPECT_TRUE(quick.results[0].samples.empty());
  EXPECT_EQ(std::exchange(passes, 0), 1);
  options.samples_of = SamplesOf::All;
  EXPECT_EQ(verdicts(met, options).results[0].samples.size(), 2U);
  EXPECT_EQ(passes, 2);
}

}  // namespace
}  // namespace millrace::quality
