#include "base/utf8.h"

#include <vector>

#include <gtest/gtest.h>

namespace millrace {
namespace {

struct Case {
  const char* why;
  std::string text;
  std::string mended;  // equal to text when it is UTF-8
};

TEST(Utf8, TellsCharactersFromOtherBytes) {
  const std::string bad = "\xEF\xBF\xBD";
  const std::vector<Case> cases = {
      {"empty", "", ""},
      {"ASCII with a NUL", std::string("a\0b", 3), std::string("a\0b", 3)},
      {"two, three and four bytes", "ä€😀", "ä€😀"},
      {"the ends of the ranges", "\xC2\x80\xED\x9F\xBF\xEE\x80\x80\xF4\x8F\xBF\xBF",
       "\xC2\x80\xED\x9F\xBF\xEE\x80\x80\xF4\x8F\xBF\xBF"},
      {"Latin-1", "caf\xE9!", "caf" + bad + "!"},
      {"a continuation alone", "\x80", bad},
      {"cut short", "\xE2\x82", bad + bad},
      {"overlong '/'", "\xC0\xAF", bad + bad},
      {"overlong in three bytes", "\xE0\x80\xAF", bad + bad + bad},
      {"overlong in four bytes", "\xF0\x80\x80\xAF", bad + bad + bad + bad},
      {"a surrogate", "\xED\xA0\x80", bad + bad + bad},
      {"beyond U+10FFFF", "\xF4\x90\x80\x80", bad + bad + bad + bad},
      {"a byte that never occurs", "\xFF", bad},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    EXPECT_EQ(is_utf8(c.text), c.text == c.mended);
    EXPECT_EQ(to_utf8(c.text), c.mended);
    EXPECT_TRUE(is_utf8(to_utf8(c.text)));
  }
}

TEST(Utf8, IsCutBetweenCharacters) {
  EXPECT_EQ(cut_utf8("abc", 3), "abc");
  EXPECT_EQ(cut_utf8("abc", 2), "ab");
  EXPECT_EQ(cut_utf8("a\u00e9b", 3), "a\u00e9");
  EXPECT_EQ(cut_utf8("a\u00e9b", 2), "a");
  EXPECT_EQ(cut_utf8("\u65e5", 2), "");
  EXPECT_EQ(cut_utf8("", 0), "");
}

}  // namespace
}  // namespace millrace
