#include "model/feature_encoder.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "model/sample_model_fixture.h"

namespace millrace::model {
namespace {

using columnar::Kind;

FeatureEncoder encoder() {
  return *FeatureEncoder::make({
      {.name = "delay", .kind = FeatureKind::Number, .type = "DOUBLE", .categories = {}},
      {.name = "carrier",
       .kind = FeatureKind::Category,
       .type = "VARCHAR",
       .categories = {"1", "AA", "B6", "true"}},
  });
}

columnar::RecordBatch batch_of(const std::vector<columnar::Field>& fields,
                               const std::function<void(columnar::BatchBuilder&)>& fill) {
  columnar::BatchBuilder builder(std::make_shared<const columnar::Schema>(fields));
  fill(builder);
  return builder.finish();
}

TEST(FeatureEncoder, JsonValuesBecomeNumbersAndCodes) {
  struct Case {
    const char* why;
    std::size_t feature;
    Json value;
    float expected;  // NaN: missing
  };
  const float missing = std::numeric_limits<float>::quiet_NaN();
  const std::vector<Case> cases = {
      {"a number", 0, 1.5, 1.5F},
      {"an integer", 0, 7, 7.0F},
      {"a boolean is 0 or 1", 0, true, 1.0F},
      {"null is missing", 0, nullptr, missing},
      {"a category is its position", 1, "B6", 2.0F},
      {"an integer category is its digits", 1, 1, 0.0F},
      {"a boolean category is its word", 1, true, 3.0F},
      {"a category never seen is missing", 1, "ZZ", missing},
      {"null category", 1, nullptr, missing},
      {"case matters", 1, "aa", missing},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    const Result<float> value = encoder().encode(c.feature, c.value, 1);
    ASSERT_TRUE(value) << value.error().message();
    EXPECT_TRUE(*value == c.expected || (std::isnan(*value) && std::isnan(c.expected))) << *value;
  }
}

TEST(FeatureEncoder, WrongValuesNameRowAndFeature) {
  struct Case {
    const char* why;
    std::size_t feature;
    Json value;
    const char* says;
  };
  const std::vector<Case> cases = {
      {"text for a number", 0, "12", "expected a number or null, found string \"12\""},
      {"a list", 0, Json::array(), "found array"},
      {"NaN", 0, std::nan(""), "not finite"},
      {"infinity", 0, -HUGE_VAL, "not finite"},
      {"beyond a float", 0, 1e39, "does not fit into a 32-bit float"},
      {"a fraction as category", 1, 1.5, "expected a category or null"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    const Result<float> refused = encoder().encode(c.feature, c.value, 3);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), ErrorCode::Invalid);
    EXPECT_TRUE(refused.error().message().starts_with("row 3, feature '"))
        << refused.error().message();
    EXPECT_NE(refused.error().message().find(c.says), std::string::npos)
        << refused.error().message();
  }
}

TEST(FeatureEncoder, CsvFieldsBecomeTheSameNumbers) {
  const FeatureEncoder features = encoder();
  EXPECT_EQ(*features.encode_text(0, "1.5", 1), 1.5F);
  EXPECT_EQ(*features.encode_text(0, "+1e2", 1), 100.0F);
  EXPECT_EQ(*features.encode_text(0, "true", 1), 1.0F);
  EXPECT_TRUE(std::isnan(*features.encode_text(0, "", 1)));
  EXPECT_EQ(*features.encode_text(1, "AA", 1), 1.0F);
  EXPECT_TRUE(std::isnan(*features.encode_text(1, "ZZ", 1)));
  for (const char* field : {"nan", "inf", "-Infinity", "1e999", "1e39", "12x", " 1", "+-1", "+"}) {
    EXPECT_EQ(features.encode_text(0, field, 2).error().code(), ErrorCode::Invalid) << field;
  }
}

TEST(FeatureEncoder, BatchColumnsAreFoundByNameInAnyOrder) {
  const auto rows = encoder().encode(batch_of({{"other", columnar::simple(Kind::Binary), true},
                                               {"CARRIER", columnar::simple(Kind::String), true},
                                               {"delay", columnar::simple(Kind::Float32), true}},
                                              [](columnar::BatchBuilder& builder) {
                                                builder.append_null(0);
                                                builder.append_text(1, "B6");
                                                builder.append_number(2, 2.5);
                                                builder.append_null(0);
                                                builder.append_text(1, "never seen");
                                                builder.append_null(2);
                                              }));
  ASSERT_TRUE(rows) << rows.error().message();
  ASSERT_EQ(rows->values.size(), 4U);
  EXPECT_EQ(rows->values[0], 2.5F);
  EXPECT_EQ(rows->values[1], 2.0F);
  EXPECT_TRUE(std::isnan(rows->values[2]) && std::isnan(rows->values[3]));
}

TEST(FeatureEncoder, WrongBatchesAreRefused) {
  const auto delay_of = [](Kind kind, const std::function<void(columnar::BatchBuilder&)>& fill) {
    return encoder().encode(batch_of({{"delay", columnar::simple(kind), true},
                                      {"carrier", columnar::simple(Kind::String), true}},
                                     fill));
  };
  const auto text = delay_of(Kind::String, [](columnar::BatchBuilder& builder) {
    builder.append_text(0, "12");
    builder.append_null(1);
  });
  EXPECT_EQ(text.error().code(), ErrorCode::Invalid);
  EXPECT_NE(text.error().message().find("the column is VARCHAR"), std::string::npos);
  const auto nan = delay_of(Kind::Float64, [](columnar::BatchBuilder& builder) {
    builder.append_number(0, 1);
    builder.append_null(1);
    builder.append_number(0, std::nan(""));
    builder.append_null(1);
  });
  EXPECT_TRUE(nan.error().message().starts_with("row 2, feature 'delay'")) << nan.error().message();
  const auto missing =
      encoder().encode(batch_of({{"delya", columnar::simple(Kind::Float64), true}},
                                [](columnar::BatchBuilder& builder) { builder.append_null(0); }));
  EXPECT_EQ(missing.error().code(), ErrorCode::NotFound);
  EXPECT_NE(missing.error().message().find("'delay'"), std::string::npos);
}

TEST(FeatureEncoder, UnknownNameComesWithASuggestion) {
  EXPECT_EQ(*encoder().index_of("Carrier"), 1U);
  const Result<std::size_t> unknown = encoder().index_of("carier");
  EXPECT_EQ(unknown.error().code(), ErrorCode::NotFound);
  EXPECT_NE(unknown.error().message().find("did you mean 'carrier'"), std::string::npos);
}

TEST(FeatureEncoder, DecodeGivesWhatEncodesToTheSame) {
  const FeatureEncoder features = encoder();
  for (const float value : {0.0F, -0.0F, 3.0F, 0.1F, 1e30F}) {
    EXPECT_EQ(*features.encode(0, features.decode(0, value), 1), value);
  }
  EXPECT_EQ(features.decode(0, 3.0F), Json(3));
  EXPECT_EQ(features.decode(1, 2.0F), Json("B6"));
  EXPECT_TRUE(features.decode(1, std::nanf("")).is_null());
}

TEST(FeaturesOf, ColumnsDecideTheirKind) {
  const columnar::Schema schema = sample_flights(1, 1).schema();
  const auto features = features_of(schema, {"delay", "carrier", "weekend", "flight"}, {"flight"});
  ASSERT_TRUE(features) << features.error().message();
  EXPECT_EQ((*features)[0].kind, FeatureKind::Number);
  EXPECT_EQ((*features)[1].kind, FeatureKind::Category);
  EXPECT_EQ((*features)[2].kind, FeatureKind::Number);
  EXPECT_EQ((*features)[3].kind, FeatureKind::Category);
  EXPECT_EQ((*features)[3].type, "BIGINT");
}

TEST(FeaturesOf, WhatCannotBeAFeatureIsRefused) {
  const columnar::Schema schema = sample_flights(1, 1).schema();
  EXPECT_EQ(features_of(schema, {"dealy"}, {}).error().code(), ErrorCode::NotFound);
  EXPECT_EQ(features_of(schema, {"at"}, {}).error().code(), ErrorCode::Unsupported);
  EXPECT_EQ(features_of(schema, {"delay"}, {"delay"}).error().code(), ErrorCode::Unsupported);
  EXPECT_EQ(features_of(schema, {"delay"}, {"carrier"}).error().code(), ErrorCode::NotFound);
  EXPECT_EQ(features_of(schema, {"delay", "DELAY"}, {}).error().code(), ErrorCode::Invalid);
  EXPECT_EQ(features_of(schema, {}, {}).error().code(), ErrorCode::Invalid);
}

FeatureLearner learner() {
  const columnar::Schema schema = sample_flights(1, 1).schema();
  return *FeatureLearner::make(*features_of(schema, {"delay", "carrier"}, {}));
}

TEST(FeatureLearner, ResultDoesNotDependOnTheBatches) {
  FeatureLearner one = learner();
  FeatureLearner many = learner();
  ASSERT_TRUE(one.append(sample_flights(90, 3)));
  for (const std::size_t first : {0U, 30U, 60U}) {
    ASSERT_TRUE(many.append(sample_flights(30, 3, first)));
  }
  const std::vector<bool> all(90, true);
  const auto a = std::move(one).finish(all);
  const auto b = std::move(many).finish(all);
  ASSERT_TRUE(a && b);
  EXPECT_EQ(a->encoder.features(), b->encoder.features());
  ASSERT_EQ(a->rows.values.size(), b->rows.values.size());
  for (std::size_t i = 0; i < a->rows.values.size(); ++i) {
    const float x = a->rows.values[i];
    EXPECT_TRUE(x == b->rows.values[i] || (std::isnan(x) && std::isnan(b->rows.values[i])));
  }
}

TEST(FeatureLearner, LearnedRowsEqualWhatTheEncoderGives) {
  FeatureLearner features = learner();
  ASSERT_TRUE(features.append(sample_flights(60, 3)));
  std::vector<bool> first_half(60, false);
  std::fill(first_half.begin(), first_half.begin() + 5, true);
  const auto learned = std::move(features).finish(first_half);
  ASSERT_TRUE(learned) << learned.error().message();
  EXPECT_LT(learned->encoder.features()[1].categories.size(), 5U);  // of the first five rows only
  const auto encoded = learned->encoder.encode(sample_flights(60, 3));
  ASSERT_TRUE(encoded) << encoded.error().message();
  for (std::size_t i = 0; i < encoded->values.size(); ++i) {
    const float x = encoded->values[i];
    const float y = learned->rows.values[i];
    EXPECT_TRUE(x == y || (std::isnan(x) && std::isnan(y))) << i;
  }
}

TEST(FeatureLearner, TooManyCategoriesAreNamed) {
  FeatureLearner features =
      *FeatureLearner::make(*features_of(sample_flights(1, 1).schema(), {"flight"}, {"flight"}));
  ASSERT_TRUE(features.append(sample_flights(kMaxCategories, 3)));
  const Status refused = features.append(sample_flights(1, 3, kMaxCategories));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::Exhausted);
  EXPECT_NE(refused.error().message().find("'flight'"), std::string::npos);
  EXPECT_EQ(features.row_count(), kMaxCategories);
}

}  // namespace
}  // namespace millrace::model
