#include "base/json.h"

#include <cmath>
#include <cstring>
#include <limits>

#include <gtest/gtest.h>

#include "base/json_unique_members.h"

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

TEST(Json, EveryNumberReadsBackTheSame) {
  std::uint64_t bits = 1;
  for (int i = 0; i < 20'000; ++i) {
    bits = bits * 6364136223846793005ULL + 1442695040888963407ULL;
    double number = 0;
    static_assert(sizeof number == sizeof bits);
    std::memcpy(&number, &bits, sizeof number);
    if (!std::isfinite(number)) continue;
    const Result<Json> back = Json::parse(Json(number).dump());
    ASSERT_TRUE(back.ok()) << Json(number).dump();
    ASSERT_EQ(back->as_double(), number) << Json(number).dump();
  }
}

TEST(Json, ReadsNumbersAtTheEdges) {
  struct Case {
    const char* text;
    Json expected;
  };
  const std::vector<Case> cases = {
      {"0.9123456789012345", 0.9123456789012345},
      {"9223372036854775807", std::numeric_limits<std::int64_t>::max()},
      {"-9223372036854775808", std::numeric_limits<std::int64_t>::min()},
      {"18446744073709551615", 18446744073709551615.0},
      {"123456789012345678901234567890", 123456789012345678901234567890.0},
      {"1E5", 1e5},
      {"1e-400", 0.0},
      {"1e400", std::numeric_limits<double>::infinity()},
  };
  for (const Case& c : cases) {
    const Result<Json> json = Json::parse(c.text);
    ASSERT_TRUE(json.ok()) << c.text << ": " << json.error().message();
    EXPECT_EQ(*json, c.expected) << c.text << " became " << json->dump();
  }
  for (const char* text : {"01", "1.", ".5", "+1", "1e", "nan", "-", "0x1"})
    EXPECT_FALSE(Json::parse(text).ok()) << text;
}

TEST(Json, LastOfEqualNamesCounts) {
  const std::string text = R"([{"a":1,"b":{"c":2},"a":[3]}])";
  EXPECT_EQ(Json::parse(text)->dump(), R"([{"b":{"c":2},"a":[3]}])");
  const Result<Json> refused = parse_json_with_unique_members(text);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().message(), "the member 'a' stands twice in one object; give it once");
  EXPECT_TRUE(parse_json_with_unique_members(R"([{"a":1},{"a":1}])").ok());
}

TEST(Json, ReadsEscapesAndLongText) {
  const std::string text = std::string(5000, 'x') + "\\u00fc\\n\\ud83d\\ude00";
  EXPECT_EQ(Json::parse("{\"" + text + "\":\"" + text + "\"}")->as_object().front(),
            Json::Member(std::string(5000, 'x') + "ü\n😀", std::string(5000, 'x') + "ü\n😀"));
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

TEST(Json, WritesWhatItReadsBackWhateverTheBytes) {
  const Json json = Json::object({{"a\xff", "\xc3"}, {"plain", "\xc3\xa4"}});
  const Result<Json> back = Json::parse(json.dump());
  ASSERT_TRUE(back.ok()) << json.dump();
  EXPECT_EQ(back->string_at("a\xef\xbf\xbd").value_or(""), "\xef\xbf\xbd");
  EXPECT_EQ(back->string_at("plain").value_or(""), "\xc3\xa4");
}

TEST(Json, AnIntegerBeyondItsRangeIsTheNearestDouble) {
  EXPECT_EQ(Json(std::numeric_limits<std::uint64_t>::max()).as_double(), 18446744073709551616.0);
  EXPECT_EQ(Json(std::uint64_t{9'223'372'036'854'775'807U}).as_integer(),
            9'223'372'036'854'775'807);
}

}  // namespace
}  // namespace millrace
