#include "metadata/sql_script.h"

#include <gtest/gtest.h>

namespace millrace::metadata {
namespace {

struct Case {
  const char* why;
  const char* script;
  std::vector<std::string> expected;
};

TEST(SqlScript, SplitsAtSemicolonsOutsideQuotesAndComments) {
  const std::vector<Case> cases = {
      {"nothing", " \n ; ;-- only\n", {}},
      {"the last ';' may be missing", "a; b", {"a", "b"}},
      {"white space folds", "  CREATE\n\tTABLE   t ", {"CREATE TABLE t"}},
      {"comments are white space", "a--x;\nb/* ; */c", {"a b c"}},
      {"quoted text stays", "'a;  --b', \"c; d\"", {"'a;  --b', \"c; d\""}},
      {"a doubled quote", "'it''s; fine'; x", {"'it''s; fine'", "x"}},
      {"an open quote ends with the script", "a 'b; c", {"a 'b; c"}},
      {"an open comment ends with the script", "a /* b; c", {"a"}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    EXPECT_EQ(split_statements(c.script), c.expected);
  }
}

}  // namespace
}  // namespace millrace::metadata
