#include "base/json.h"

#include <cmath>

#include <gtest/gtest.h>

namespace millrace {
namespace {

TEST(Json, WritesMembersInTheOrderOfWritingAndCanonicallyByName) {
  Json json = Json::object({{"b", 1}, {"a", Json::Array{true, nullptr, 2.5, "x\n"}}});
  EXPECT_EQ(json.dump(), R"({"b":1,"a":[true,null,2.5,"x\n"]})");
  EXPECT_EQ(json.dump_canonical(), R"({"a":[true,null,2.5,"x\n"],"b":1})");
}

TEST(Json, ReadsBackWhatItWrote) {
  Json json = Json::object();
  json.set("integer", std::int64_t{9'007'199'254'740'993});
  json.set("double", 0.1);
  json.set("whole_double", 3.0);
  json.set("text", "ü \"quoted\" \x01");
  json.set("empty", Json::array());
  const Result<Json> back = Json::parse(json.dump_pretty());
  ASSERT_TRUE(back.ok()) << back.error().message();
  EXPECT_EQ(*back, json);
}

TEST(Json, RefusesWithLineAndColumn) {
  const Result<Json> json = Json::parse("{\n  \"a\": 1,\n  \"b\" 2\n}");
  ASSERT_FALSE(json.ok());
  EXPECT_EQ(json.error().code(), ErrorCode::Invalid);
  EXPECT_NE(json.error().message().find("line 3"), std::string::npos) << json.error().message();
}

TEST(Json, RefusesTrailingTextAndBottomlessNesting) {
  EXPECT_FALSE(Json::parse("{} x").ok());
  EXPECT_FALSE(Json::parse("").ok());
  EXPECT_FALSE(Json::parse(std::string(100'000, '[')).ok());
  EXPECT_TRUE(Json::parse(" {} \n").ok());
}

TEST(Json, NamesTheMemberThatHasTheWrongType) {
  const Json json = *Json::parse(R"({"rows": "many"})");
  EXPECT_EQ(json.integer_at("rows").error().message(), "'rows' is a string; expected an integer");
  EXPECT_EQ(json.integer_at("files").error().message(), "'files' is missing; expected an integer");
  EXPECT_EQ(json.integer_or("rows", 7), 7);
}

TEST(Json, WritesNoNumberThatJsonCannotHold) {
  EXPECT_EQ(Json(std::nan("")).dump(), "null");
  EXPECT_EQ(Json(1.0 / 0.0).dump(), "null");
}

}  // namespace
}  // namespace millrace
