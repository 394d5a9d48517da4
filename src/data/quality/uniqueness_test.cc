// What counts as the same value, or the same key.

#include "quality/validate_fixture.h"

namespace millrace::quality {
namespace {

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

}  // namespace
}  // namespace millrace::quality
