#include "model/manifest.h"

#include <gtest/gtest.h>

#include "model/sample_model_fixture.h"

namespace millrace::model {
namespace {

Manifest example() {
  Manifest manifest;
  manifest.model = "late_flights";
  manifest.features = {
      {.name = "delay", .kind = FeatureKind::Number, .type = "DOUBLE", .categories = {}},
      {.name = "carrier",
       .kind = FeatureKind::Category,
       .type = "VARCHAR",
       .categories = {"AA", "B6", "Ü \"x\""}},
  };
  manifest.label = "late";
  manifest.objective = "binary:logistic";
  manifest.parameters = {{"eta", "0.1"}, {"max_depth", "6"}};
  manifest.seed = 4'294'967'295U;
  manifest.rounds = 40;
  manifest.best_iteration = 39;
  manifest.data = {
      .table = "features.training", .version = 7, .content_hash = "ab", .rows = 27'000};
  manifest.code_hash = "cd";
  manifest.metrics = {{"auc", 0.9123456789012345}};
  manifest.golden_rows = {{.inputs = {1.5, "AA"}, .score = 0.25},
                          {.inputs = {nullptr, nullptr}, .score = 0.123456789}};
  manifest.library = "xgboost 3.2.0";
  manifest.artefact_sha256 = "ef";
  manifest.run_id = "scheduled__2013-12-01";
  manifest.generation = 2;
  manifest.logical_date = *parse_instant("2013-12-01T05:00:00.25Z");
  return manifest;
}

TEST(Manifest, WhatIsWrittenIsReadBackEqual) {
  Manifest manifest = example();
  for (const bool early_stopping : {true, false}) {
    if (!early_stopping) manifest.best_iteration.reset();
    const Result<Manifest> read = read_manifest(write_manifest(manifest));
    ASSERT_TRUE(read) << read.error().message();
    EXPECT_EQ(*read, manifest);
  }
}

TEST(Manifest, VersionStandsFirst) {
  EXPECT_TRUE(write_manifest(example()).starts_with("{\n  \"millrace_model_manifest\": 1,"));
}

TEST(Manifest, EveryMemberIsNeeded) {
  const Json whole = *Json::parse(write_manifest(example()));
  for (const auto& [name, value] : whole.as_object()) {
    if (name == "best_iteration") continue;
    SCOPED_TRACE(name);
    Json without = Json::object();
    for (const auto& [other, kept] : whole.as_object()) {
      if (other != name) without.set(other, kept);
    }
    const Result<Manifest> refused = read_manifest(without.dump());
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), ErrorCode::Corruption);
    EXPECT_NE(refused.error().message().find("'" + name + "'"), std::string::npos)
        << refused.error().message();
  }
}

TEST(Manifest, WrongMembersAreRefusedByName) {
  struct Case {
    const char* member;
    Json value;
    const char* says;
  };
  const Json feature = Json::object({{"name", "a"}, {"kind", "number"}, {"type", "DOUBLE"}});
  const std::vector<Case> cases = {
      {"model", 3, "'model'"},
      {"seed", -1, "'seed' is -1"},
      {"seed", 4'294'967'296, "'seed'"},
      {"rounds", 0, "'rounds' is 0"},
      {"logical_date", "yesterday", "yesterday"},
      {"features", Json::array(), "1 to"},
      {"features", Json(Json::Array{feature, feature}), "named twice"},
      {"features", Json(Json::Array{Json::object({{"name", "a"}, {"kind", "x"}, {"type", "y"}})}),
       "'number' or 'category'"},
      {"golden_rows", Json::array(), "no golden rows"},
      {"golden_rows", Json(Json::Array{Json::object({{"inputs", Json::array()}, {"score", 1}})}),
       "golden row 1"},
      {"golden_rows", "none", "'golden_rows' must be an array"},
      {"metrics", Json::object({{"auc", "high"}}), "metric 'auc'"},
      {"parameters", Json::object({{"eta", 0.1}}), "parameter 'eta'"},
      {"data", Json::object({{"table", "t"}, {"version", -1}}), "'version' is -1"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.says);
    Json json = *Json::parse(write_manifest(example()));
    json.set(c.member, c.value);
    const Result<Manifest> refused = read_manifest(json.dump());
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), ErrorCode::Corruption);
    EXPECT_NE(refused.error().message().find(c.says), std::string::npos)
        << refused.error().message();
  }
}

TEST(Manifest, UnsortedCategoriesAreRefused) {
  Manifest manifest = example();
  manifest.features[1].categories = {"B6", "AA"};
  EXPECT_EQ(read_manifest(write_manifest(manifest)).error().code(), ErrorCode::Corruption);
}

TEST(Manifest, NewerVersionIsUnsupported) {
  Json json = *Json::parse(write_manifest(example()));
  json.set("millrace_model_manifest", 2);
  EXPECT_EQ(read_manifest(json.dump()).error().code(), ErrorCode::Unsupported);
}

TEST(Manifest, TruncatedTextIsRefused) {
  const std::string whole = write_manifest(example());
  for (std::size_t size = 0; size + 2 < whole.size(); size += 13) {
    EXPECT_FALSE(read_manifest(whole.substr(0, size)));
  }
}

}  // namespace
}  // namespace millrace::model
