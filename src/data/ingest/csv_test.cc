// CSV deliveries: what a row and a header may be, and what is said of those that may not.

#include <gtest/gtest.h>

#include "ingest/file_source_fixture.h"

namespace millrace::ingest {
namespace {

TEST(Csv, IsReadByTheRulesOfRfc4180) {
  const ReadBack back = Folder().read_csv(
      "carrier,id,\"delay\"\r\n\"U\"\"A, \nb\",1,-5\r\n\r\n,2,\r\n\"\",3,7\nlast,4,1");
  EXPECT_EQ(back.error, "");
  EXPECT_EQ(back.rejected, std::vector<std::string>{});
  EXPECT_EQ(back.rows, (std::vector<std::string>{row("1|-5|U\"A, \nb", 2), row("2|-|-", 5),
                                                 row("3|7|", 6), row("4|1|last", 7)}));
  EXPECT_EQ(Folder().read_csv("\xEF\xBB\xBFid,delay,carrier\n1,2,\"x\"\r").rows,
            std::vector<std::string>{row("1|2|x", 2)});
  EXPECT_EQ(Folder().read_csv("id,delay,carrier\n").rows.size(), 0U);
}

TEST(Csv, RejectsABadRowWithItsReasonAndReadsOn) {
  struct Case {
    const char* why;
    std::string line;
    std::string reason;
  };
  const std::vector<Case> cases = {
      {"an integer became text", "x12,1,UA", R"(column "id" is INTEGER, found "x12")"},
      {"too few fields", "1,2", "has 2 fields, the header has 3"},
      {"too many fields", "1,2,UA,4", "has 4 fields, the header has 3"},
      {"out of range", "1,-32769,UA",
       R"(column "delay" is SMALLINT, -32769 is out of its range -32768 to 32767)"},
      {"required", ",2,UA", R"(column "id" is required and is null)"},
      {"invalid UTF-8", "1,2,\xc3\x28", "is not valid UTF-8"},
      {"a NUL byte", std::string("1,2,a\0b", 7), "holds a NUL byte"},
      {"text after a quote", "1,2,\"a\"b", "is not valid CSV: text after a closing quote"},
      {"a quote in the middle", "1,2,a\"b",
       "is not valid CSV: a quote inside of a field that does not begin with one"},
      {"a quote never closed", "1,2,\"a", "is not valid CSV: a quote is opened and never closed"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    const ReadBack back = Folder().read_csv("id,delay,carrier\n7,,\n" + c.line + "\n8,,\n");
    EXPECT_EQ(back.error, "");
    EXPECT_EQ(back.rows, (std::vector<std::string>{row("7|-|-", 2), row("8|-|-", 4)}));
    EXPECT_EQ(back.rejected, std::vector<std::string>{"3: " + c.reason});
  }
}

TEST(Csv, RefusesAFileByItsHeader) {
  EXPECT_EQ(Folder().read_csv("").error,
            "in/flights-2013-01-05.x is empty: it holds not even a header; deliver it again with "
            "its rows");
  const ReadBack back = Folder().read_csv("id,dely,id\n1,2,3\n");
  EXPECT_EQ(back.code, ErrorCode::DataQuality);
  EXPECT_EQ(back.error,
            "in/flights-2013-01-05.x:1: wrong header: \"dely\" is not a declared column; did you "
            "mean 'delay'?; "
            "\"id\" stands twice");
}

TEST(Csv, AColumnThatTheHeaderLacksIsNullIfItMayBe) {
  const ReadBack back = Folder().read_csv("carrier,id\nUA,1\n,2\n");
  EXPECT_EQ(back.error, "");
  EXPECT_EQ(back.rows, (std::vector<std::string>{row("1|-|UA", 2), row("2|-|-", 3)}));
  EXPECT_EQ(Folder().read_csv("carrier,delay\nUA,1\n").error,
            "in/flights-2013-01-05.x:1: wrong header: column \"id\" is missing");
}

TEST(Csv, SaysWhatAHeaderLooksLikeInstead) {
  struct Case {
    const char* why;
    const char* text;
    const char* message;
  };
  const std::vector<Case> cases = {
      {"another delimiter", "id;\"delay\";carrier\n1;2;AA\n",
       "its names are separated by ';', not by ','; say 'delimiter: \";\"' of the source's table"},
      {"tabs and a column too many", "id\tdelay\tcarrier\tgate\n",
       "its names are separated by '\\t', not by ','; say 'delimiter: \"\\t\"' of the source's "
       "table"},
      {"no header", "1,2,AA\n3,-4,UA\n",
       "the first line looks like data; put a line with the names of the columns before it: "
       "id,delay,carrier"},
      {"names of which none is near", "number,late,airline\n1,2,AA\n",
       "column \"id\" is missing; \"number\" is not a declared column; declare it in 'columns', or "
       "have "
       "it left out (declared, and not in the header: \"delay\"; \"carrier\"); \"late\" is not a "
       "declared column; \"airline\" is not "
       "a declared column"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    EXPECT_EQ(Folder().read_csv(c.text).error,
              std::string("in/flights-2013-01-05.x:1: wrong header: ") + c.message);
  }
}

TEST(Csv, NamesTheFirstFaultsOfAWideHeader) {
  std::string header = "id,delay,carrier";
  for (int i = 0; i < 100'000; ++i) header += ",u" + std::to_string(i);
  const std::string error = Folder().read_csv(header + "\n1,2,AA\n").error;
  EXPECT_LT(error.size(), 2'000U);
  EXPECT_NE(error.find("\"u9\" is not a declared column"), std::string::npos) << error;
  EXPECT_TRUE(error.ends_with("; and 99990 more")) << error;
}

}  // namespace
}  // namespace millrace::ingest
