#include "serve/scoring.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

namespace millrace::serve {
namespace {

using model::FeatureKind;

const model::FeatureEncoder& encoder() {
  static const model::FeatureEncoder made = *model::FeatureEncoder::make({
      {.name = "delay", .kind = FeatureKind::Number, .type = "DOUBLE", .categories = {}},
      {.name = "carrier",
       .kind = FeatureKind::Category,
       .type = "VARCHAR",
       .categories = {"AA", "B,\"6\n", "DL"}},
      {.name = "weekend", .kind = FeatureKind::Number, .type = "BOOLEAN", .categories = {}},
  });
  return made;
}

constexpr float kMissing = std::numeric_limits<float>::quiet_NaN();

void expect_rows(const Result<model::FeatureRows>& rows, const std::vector<float>& expected) {
  ASSERT_TRUE(rows) << rows.error().message();
  ASSERT_EQ(rows->values.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const float value = rows->values[i];
    EXPECT_TRUE(value == expected[i] || (std::isnan(value) && std::isnan(expected[i])))
        << "value " << i << " is " << value;
  }
}

TEST(ReadCsv, TakesRowsInEverySpelling) {
  struct Case {
    const char* why;
    std::string body;
    std::vector<float> expected;
  };
  const std::vector<Case> cases = {
      {"one row", "1.5,DL,1", {1.5F, 2, 1}},
      {"two rows, ended", "1.5,DL,1\n-2e1,AA,0\n", {1.5F, 2, 1, -20, 0, 0}},
      {"carriage returns", "1.5,DL,1\r\n2,AA,0\r\n", {1.5F, 2, 1, 2, 0, 0}},
      {"empty fields are missing", ",,\n", {kMissing, kMissing, kMissing}},
      {"a category never seen is missing", "1,ZZ,0", {1, kMissing, 0}},
      {"quotes", "\"1.5\",\"B,\"\"6\n\",true", {1.5F, 1, 1}},
      {"an empty quoted field", "1,\"\",0", {1, kMissing, 0}},
      {"a header", "delay,carrier,weekend\n1.5,DL,1\n", {1.5F, 2, 1}},
      {"a header in another order", "Weekend,delay,CARRIER\n1,1.5,DL\n", {1.5F, 2, 1}},
      {"a header alone", "delay,carrier,weekend\n", {}},
      {"a byte order mark",
       "\xEF\xBB\xBF"
       "1.5,DL,1",
       {1.5F, 2, 1}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    expect_rows(read_csv(encoder(), c.body), c.expected);
  }
}

struct Refused {
  const char* why;
  std::string body;
  ErrorCode code;
  const char* says;
};

void expect_refused(const std::vector<Refused>& cases,
                    Result<model::FeatureRows> (*read)(const model::FeatureEncoder&,
                                                       std::string_view)) {
  for (const Refused& c : cases) {
    SCOPED_TRACE(c.why);
    const Result<model::FeatureRows> refused = read(encoder(), c.body);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), c.code) << refused.error().message();
    EXPECT_NE(refused.error().message().find(c.says), std::string::npos)
        << refused.error().message();
  }
}

TEST(ReadCsv, NamesRowAndColumn) {
  expect_refused(
      {
          {"too few values", "1,DL,1\n1,DL\n", ErrorCode::Invalid,
           "row 2 has 2 values; the model takes 3: delay, carrier, weekend"},
          {"too many", "1,DL,1,2", ErrorCode::Invalid, "row 1 has 4 values"},
          {"a blank line", "1,DL,1\n\n1,DL,1\n", ErrorCode::Invalid, "row 2 has 1 values"},
          {"text for a number", "1,DL,1\nlate,DL,1", ErrorCode::Invalid,
           "row 2, feature 'delay': 'late' is no number"},
          {"NaN", "nan,DL,1", ErrorCode::Invalid, "not finite"},
          {"infinity", "1,DL,-inf", ErrorCode::Invalid, "row 1, feature 'weekend'"},
          {"too large", "1e999,DL,1", ErrorCode::Invalid, "row 1, feature 'delay'"},
          {"a row's number does not count the header", "delay,carrier,weekend\n1,DL,1\nx,DL,1",
           ErrorCode::Invalid, "row 2, feature 'delay'"},
          {"a slip in the header", "dealy,carrier,weekend\n1,DL,1", ErrorCode::NotFound,
           "did you mean 'delay'"},
          {"a header that lacks one", "delay,carrier\n1,DL", ErrorCode::NotFound,
           "'weekend' is not given"},
          {"a header that names one twice", "delay,delay,carrier,weekend\n", ErrorCode::Invalid,
           "given twice"},
          {"no UTF-8", "1,\xff,1\n", ErrorCode::Invalid, "not UTF-8"},
          {"an open quote", "1,\"DL,1", ErrorCode::Invalid, "line 1 is no CSV"},
          {"text behind a quote", "1,\"DL\"x,1", ErrorCode::Invalid, "closing quote"},
          {"a quote inside", "1,D\"L,1", ErrorCode::Invalid, "not quoted"},
      },
      read_csv);
}

TEST(ReadJson, TakesEveryForm) {
  struct Case {
    const char* why;
    std::string body;
    std::vector<float> expected;
  };
  const std::vector<Case> cases = {
      {"by position",
       R"({"instances":[[1.5,"DL",true],[null,null,0]]})",
       {1.5F, 2, 1, kMissing, kMissing, 0}},
      {"by name", R"({"instances":[{"weekend":1,"CARRIER":"AA","delay":2}]})", {2, 0, 1}},
      {"both ways",
       R"({"instances":[[1,"AA",0],{"weekend":1,"carrier":"ZZ","delay":2}]})",
       {1, 0, 0, 2, kMissing, 1}},
      {"split",
       R"({"dataframe_split":{"columns":["carrier","delay","weekend"],"index":[0],"data":[["DL",3,1]]}})",
       {3, 2, 1}},
      {"records",
       R"({"dataframe_records":[{"delay":1,"carrier":"AA","weekend":false}]})",
       {1, 0, 0}},
      {"no rows", R"({"instances":[]})", {}},
      {"escapes", "{\"instances\":[[1,\"B,\\\"6\\n\",1]]}", {1, 1, 1}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    expect_rows(read_json(encoder(), c.body), c.expected);
  }
}

TEST(ReadJson, NamesRowAndColumn) {
  expect_refused(
      {
          {"no JSON", "{\"instances\":[[1,", ErrorCode::Invalid, "not JSON at line 1"},
          {"too deep", std::string(1000, '['), ErrorCode::Invalid, "not JSON"},
          {"a member twice",
           R"({"instances":[{"delay":1,"carrier":"AA","weekend":0,"delay":500}]})",
           ErrorCode::Invalid, "the member 'delay' stands twice in one object"},
          {"a bare array", "[[1,2,3]]", ErrorCode::Invalid, "expected an object"},
          {"a slip", R"({"instancs":[]})", ErrorCode::Invalid, "did you mean 'instances'"},
          {"two forms", R"({"instances":[],"dataframe_records":[]})", ErrorCode::Invalid,
           "one member"},
          {"no rows", R"({"instances":{"delay":1}})", ErrorCode::Invalid,
           "'instances' must be an array of rows, found object"},
          {"a row that is none", R"({"instances":[[1,"AA",0],7]})", ErrorCode::Invalid,
           "row 2: expected an array of values, found integer"},
          {"too few values", R"({"instances":[[1]]})", ErrorCode::Invalid, "row 1 has 1 values"},
          {"text for a number", R"({"instances":[["1","AA",0]]})", ErrorCode::Invalid,
           "row 1, feature 'delay': expected a number or null, found string"},
          {"NaN", R"({"instances":[[NaN,"AA",0]]})", ErrorCode::Invalid,
           "JSON has no NaN and no Infinity: send null"},
          {"infinity", R"({"instances":[[-Infinity,"AA",0]]})", ErrorCode::Invalid,
           "not JSON at line 1, column 17: syntax error; JSON has no NaN and no Infinity"},
          {"a number beyond 32 bits", R"({"instances":[[1e39,"AA",0]]})", ErrorCode::Invalid,
           "row 1, feature 'delay': 1e+39 does not fit into a 32-bit float"},
          {"a row that is no record", R"({"dataframe_records":[[1,"AA",0]]})", ErrorCode::Invalid,
           "row 1: expected an object of features, found array"},
          {"a feature twice, spelt otherwise",
           R"({"instances":[{"delay":1,"DELAY":2,"carrier":"AA","weekend":0}]})",
           ErrorCode::Invalid, "row 1: the feature 'delay' is given twice"},
          {"a split's row that is too long",
           R"({"dataframe_split":{"columns":["delay","carrier","weekend"],"data":[[1,"AA",0,5]]}})",
           ErrorCode::Invalid, "row 1 has 4 values; the model takes 3: delay, carrier, weekend"},
          {"a split's column that is no feature",
           R"({"dataframe_split":{"columns":["dealy","carrier","weekend"],"data":[]}})",
           ErrorCode::NotFound, "'columns': the model has no feature 'dealy'; did you mean"},
          {"an infinite number", R"({"instances":[[1e999,"AA",0]]})", ErrorCode::Invalid,
           "not finite"},
          {"a feature not named", R"({"instances":[{"delay":1,"carrier":"AA"}]})",
           ErrorCode::NotFound, "row 1: the feature 'weekend' is not given"},
          {"a feature that there is not",
           R"({"dataframe_records":[{"delay":1,"carier":"AA","weekend":0}]})", ErrorCode::NotFound,
           "row 1: the model has no feature 'carier'; did you mean 'carrier'"},
          {"a split without columns", R"({"dataframe_split":{"data":[]}})", ErrorCode::Invalid,
           "'columns' must be an array"},
          {"a column that is no name", R"({"dataframe_split":{"columns":[1],"data":[]}})",
           ErrorCode::Invalid, "a column's name"},
          {"a split that is none", R"({"dataframe_split":[]})", ErrorCode::Invalid, "'columns'"},
      },
      read_json);
}

TEST(ReadBodies, HostileBytesEndInAnAnswer) {
  const std::string csv = "delay,carrier,weekend\r\n1.5,\"B,\"\"6\",1\n";
  const std::string json =
      R"({"dataframe_split":{"columns":["carrier","delay"],"data":[[1,"x"]]}})";
  std::uint64_t random = 5;
  for (int i = 0; i < 4000; ++i) {
    random = random * 6364136223846793005ULL + 1442695040888963407ULL;
    std::string body = i % 2 == 0 ? csv : json;
    body[(random >> 33U) % body.size()] = static_cast<char>(random >> 20U);
    (void)read_csv(encoder(), body).ok();
    (void)read_json(encoder(), body).ok();
  }
}

TEST(Formats, AreFoundInHeaders) {
  EXPECT_EQ(format_of("text/csv"), Format::Csv);
  EXPECT_EQ(format_of("Text/CSV; charset=utf-8"), Format::Csv);
  EXPECT_EQ(format_of(" application/json ;charset=utf-8"), Format::Json);
  EXPECT_EQ(format_of("text/csv; header=absent; charset=\"US-ASCII\""), Format::Csv);
  EXPECT_EQ(format_of("text/csv; charset=utf-16"), std::nullopt);
  EXPECT_EQ(format_of("text/csv; charset"), std::nullopt);
  EXPECT_EQ(format_of("application/x-recordio-protobuf"), std::nullopt);
  EXPECT_EQ(format_of(""), std::nullopt);
  EXPECT_EQ(accepted_format("", Format::Csv), Format::Csv);
  EXPECT_EQ(accepted_format("*/*", Format::Json), Format::Json);
  EXPECT_EQ(accepted_format("text/csv", Format::Json), Format::Csv);
  EXPECT_EQ(accepted_format("text/html, application/json;q=0.9", Format::Csv), Format::Json);
  EXPECT_EQ(accepted_format("text/*", Format::Json), Format::Csv);
  EXPECT_EQ(accepted_format("application/*", Format::Csv), Format::Json);
  EXPECT_EQ(accepted_format("text/html,image/*", Format::Csv), std::nullopt);
  EXPECT_EQ(accepted_format(",,", Format::Csv), std::nullopt);
}

TEST(Answers, ReadBackAsTheSameFloats) {
  const std::vector<float> scores = {0.1F, 1.0F, 0.75370002F, 1e-9F};
  const Json json = *Json::parse(write_json(scores));
  const std::string csv = write_csv(scores);
  std::size_t at = 0;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    EXPECT_EQ(static_cast<float>(json["predictions"].as_array()[i]["score"].as_double()),
              scores[i]);
    EXPECT_EQ(std::stof(csv.substr(at)), scores[i]);
    at = csv.find('\n', at) + 1;
  }
  EXPECT_EQ(at, csv.size());
  EXPECT_EQ(write_json(std::vector<float>{HUGE_VALF}), R"({"predictions":[{"score":null}]})");
  EXPECT_EQ(write_json({}), R"({"predictions":[]})");
}

}  // namespace
}  // namespace millrace::serve
