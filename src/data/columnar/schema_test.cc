#include "columnar/schema.h"

#include <gtest/gtest.h>

namespace millrace::columnar {
namespace {

TEST(Schema, ColumnsAreFoundWithoutRegardToCase) {
  Schema schema({{"Id", simple(Kind::Int64)}, {"name", simple(Kind::String)}});
  EXPECT_EQ(schema.index_of("iD"), 0U);
  EXPECT_EQ(schema.index_of("NAME"), 1U);
  EXPECT_EQ(schema.index_of("nam"), std::nullopt);
  EXPECT_EQ(schema.names(), (std::vector<std::string>{"Id", "name"}));
}

TEST(Schema, TypesAreEqualOnlyWithEqualChildrenAndDigits) {
  EXPECT_EQ(list_of(decimal(10, 2)), list_of(decimal(10, 2)));
  EXPECT_FALSE(list_of(decimal(10, 2)) == list_of(decimal(10, 3)));
  EXPECT_FALSE(struct_of({{"a", simple(Kind::Int8)}}) == struct_of({{"b", simple(Kind::Int8)}}));
}

TEST(TypeText, EveryTypeReadsBackFromItsText) {
  const std::vector<std::pair<std::string, DataType>> cases = {
      {"BOOLEAN", simple(Kind::Boolean)},
      {"TINYINT", simple(Kind::Int8)},
      {"SMALLINT", simple(Kind::Int16)},
      {"INTEGER", simple(Kind::Int32)},
      {"BIGINT", simple(Kind::Int64)},
      {"FLOAT", simple(Kind::Float32)},
      {"DOUBLE", simple(Kind::Float64)},
      {"DECIMAL(38,0)", decimal(38, 0)},
      {"DECIMAL(10,2)", decimal(10, 2)},
      {"VARCHAR", simple(Kind::String)},
      {"BLOB", simple(Kind::Binary)},
      {"DATE", simple(Kind::Date)},
      {"TIMESTAMP WITH TIME ZONE", simple(Kind::Timestamp)},
      {"TIMESTAMP", simple(Kind::TimestampNtz)},
      {"VARCHAR[]", list_of(simple(Kind::String))},
      {"TIMESTAMP WITH TIME ZONE[][]", list_of(list_of(simple(Kind::Timestamp)))},
      {"MAP(VARCHAR, DECIMAL(10,2)[])", map_of(simple(Kind::String), list_of(decimal(10, 2)))},
      {R"(STRUCT(a INTEGER, "b c" VARCHAR, "x""y" DATE, "select" BIGINT, "left" FLOAT, "" BLOB))",
       struct_of({{"a", simple(Kind::Int32)},
                  {"b c", simple(Kind::String)},
                  {"x\"y", simple(Kind::Date)},
                  {"select", simple(Kind::Int64)},
                  {"left", simple(Kind::Float32)},
                  {"", simple(Kind::Binary)}})},
      {R"(STRUCT("é" STRUCT("), (" MAP(DATE, BOOLEAN)[])[]))",
       struct_of({{"é", list_of(struct_of({{"), (", list_of(map_of(simple(Kind::Date),
                                                                   simple(Kind::Boolean)))}}))}})},
  };
  for (const auto& [text, type] : cases) {
    SCOPED_TRACE(text);
    EXPECT_EQ(to_sql(type), text);
    Result<DataType> parsed = parse_type(text);
    ASSERT_TRUE(parsed.ok()) << parsed.error().message();
    EXPECT_EQ(*parsed, type);
  }
}

TEST(TypeText, TheUsualOtherSpellingsAreTaken) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"int", "INTEGER"},
      {"Long", "BIGINT"},
      {"string", "VARCHAR"},
      {"text", "VARCHAR"},
      {" bool ", "BOOLEAN"},
      {"double precision", "DOUBLE"},
      {"timestamptz", "TIMESTAMP WITH TIME ZONE"},
      {"timestamp  with\ntime zone", "TIMESTAMP WITH TIME ZONE"},
      {"timestamp without time zone", "TIMESTAMP"},
      {"int8", "BIGINT"},
      {"varchar(20)", "VARCHAR"},
      {"numeric( 5 , 1 )[ ]", "DECIMAL(5,1)[]"},
      {"decimal(7)", "DECIMAL(7,0)"},
      {"decimal", "DECIMAL(18,3)"},
      {"struct(Tag int, date date)", "STRUCT(Tag INTEGER, date DATE)"},
  };
  for (const auto& [text, expected] : cases) {
    SCOPED_TRACE(text);
    Result<DataType> parsed = parse_type(text);
    ASSERT_TRUE(parsed.ok()) << parsed.error().message();
    EXPECT_EQ(to_sql(*parsed), expected);
  }
}

TEST(TypeText, WhatIsNoTypeIsRefusedWithItsPlace) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "expected the name of a type"},
      {"BIGNIT", "did you mean 'BIGINT'?"},
      {"INTEGER extra", "at character 9: expected the end"},
      {"DECIMAL(39,0)", "precision 1..38"},
      {"DECIMAL(3,4)", "scale 0..precision"},
      {"DECIMAL(-3)", "expected a number"},
      {"DECIMAL(99999999999)", "expected a number"},
      {"INTEGER[3]", "lists have no fixed length"},
      {"INTEGER[", "expected ']'"},
      {"STRUCT()", "expected a field's name"},
      {"STRUCT(a INTEGER", "expected ')'"},
      {"STRUCT(\"a INTEGER)", "has no end"},
      {"MAP(VARCHAR)", "expected ','"},
      {"HUGEINT", "no type of a table"},
      {"INTT", "did you mean 'INT'?"},
  };
  for (const auto& [text, expected] : cases) {
    SCOPED_TRACE(text);
    Result<DataType> parsed = parse_type(text);
    ASSERT_FALSE(parsed.ok());
    EXPECT_EQ(parsed.error().code(), ErrorCode::Invalid);
    EXPECT_NE(parsed.error().message().find(expected), std::string::npos)
        << parsed.error().message();
  }
}

TEST(TypeText, DepthIsBounded) {
  std::string deep = "INTEGER";
  for (int i = 0; i < 1000; ++i) deep += "[]";
  EXPECT_FALSE(parse_type(deep).ok());
  std::string nested;
  for (int i = 0; i < 100'000; ++i) nested += "STRUCT(a ";
  EXPECT_FALSE(parse_type(nested).ok());
}

}  // namespace
}  // namespace millrace::columnar
