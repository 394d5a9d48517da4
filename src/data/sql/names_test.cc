#include "sql/names.h"

#include <gtest/gtest.h>

#include "sql/statement_text.h"

namespace millrace::sql {
namespace {

TEST(Names, QuotingKeepsEveryCharacter) {
  EXPECT_EQ(quote_identifier("plain"), "\"plain\"");
  EXPECT_EQ(quote_identifier("a\"b'c"), "\"a\"\"b'c\"");
  EXPECT_EQ(quote_identifier(""), "\"\"");
  EXPECT_EQ(quote_literal("it's \"x\""), "'it''s \"x\"'");
  EXPECT_EQ(quote_literal("''"), "''''''");
  EXPECT_EQ(quote_literal(std::string_view("a\0'", 3)), "('a' || chr(0) || '''')");
}

TEST(Names, ATableNameIsANameOrASchemaAndAName) {
  EXPECT_EQ(parse_table_name("flights")->quoted(), "\"flights\"");
  TableName name = *parse_table_name("raw.Flights_2013");
  EXPECT_EQ(name, (TableName{"raw", "Flights_2013"}));
  EXPECT_EQ(name.text(), "raw.Flights_2013");
  EXPECT_EQ(name.quoted(), "\"raw\".\"Flights_2013\"");
}

TEST(Names, OtherTableNamesAreRefusedWithTheReason) {
  struct Case {
    std::string text;
    std::string why;
  };
  const std::vector<Case> cases = {
      {"", "a part is empty"},
      {".x", "a part is empty"},
      {"x.", "a part is empty"},
      {"a.b.c", "'.' is not allowed"},
      {"raw.my table", "a space is not allowed"},
      {"x\"; drop table y; --", "'\"' is not allowed"},
      {"caf\xC3\xA9", "the byte 0xC3 is not allowed"},
      {std::string("a\0b", 3), "the byte 0x00 is not allowed"},
      {"2013_flights", "starts with a digit"},
      {"../etc/passwd", "a part is empty"},
      {std::string(129, 'x'), "longer than 128"},
      {"Main.x", "the engine keeps the schema 'Main'"},
      {"temp.x", "the engine keeps the schema"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.text);
    Result<TableName> name = parse_table_name(c.text);
    ASSERT_FALSE(name.ok());
    EXPECT_EQ(name.error().code(), ErrorCode::Invalid);
    EXPECT_NE(name.error().message().find(c.why), std::string::npos) << name.error().message();
  }
}

TEST(StatementText, WhatFollowsAStatementIsLeftOff) {
  struct Case {
    std::string sql;
    std::string statement;
  };
  const std::vector<Case> cases = {
      {"select 1", "select 1"},
      {"  select 1 ;; \n-- the end\n", "select 1"},
      {"-- first\nselect 1 /* a /* nested */ one */;", "select 1"},
      {"select ';', \";\", $$;$$, $a$;$$;$a$, E'\\';' -- ;",
       "select ';', \";\", $$;$$, $a$;$$;$a$, E'\\';'"},
      {"select $1, 'it''s;' || x", "select $1, 'it''s;' || x"},
      {"select 1 - -1", "select 1 - -1"},
      {"select 4 /2", "select 4 /2"},
      {"select type'a\\'", "select type'a\\'"},
      {";;select 1", "select 1"},
      {"select '' ", "select ''"},
      {"select 1 -- a comment ends here\r+ 1", "select 1 -- a comment ends here\r+ 1"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.sql);
    Result<std::string_view> statement = single_statement(c.sql);
    ASSERT_TRUE(statement.ok()) << statement.error().message();
    EXPECT_EQ(*statement, c.statement);
  }
}

TEST(StatementText, WhatIsNotOneStatementIsRefused) {
  struct Case {
    std::string sql;
    std::string why;
  };
  const std::vector<Case> cases = {
      {"", "is empty"},
      {" ; -- nothing\n;", "is empty"},
      {"select 1; drop table x", "a second one begins with 'drop table x'"},
      {"select 1) ; select (2", "a second one begins"},
      {"select 1 -- \r; select 2", "a second one begins"},
      {std::string("select 1\0 as x", 13), "NUL"},
      {"select 'abc", "ends inside a string"},
      {"select '''", "ends inside a string"},
      {"select E'abc\\'", "ends inside a string"},
      {"select \"abc", "ends inside a quoted name"},
      {"select $$abc$", "ends inside a string"},
      {"select 1 /* /* */", "ends inside a comment"},
      {"select 1 /*/", "ends inside a comment"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.sql);
    Result<std::string_view> statement = single_statement(c.sql);
    ASSERT_FALSE(statement.ok()) << *statement;
    EXPECT_EQ(statement.error().code(), ErrorCode::Invalid);
    EXPECT_NE(statement.error().message().find(c.why), std::string::npos)
        << statement.error().message();
  }
}

}  // namespace
}  // namespace millrace::sql
