#include "project/yaml.h"

#include <gtest/gtest.h>

namespace millrace::project {
namespace {

Node parsed(std::string_view text) {
  Problems problems;
  Result<Node> node = parse_yaml(text, "a.yml", problems);
  EXPECT_TRUE(node.ok()) << node.error().message();
  return node.ok() ? *std::move(node) : Node();
}

std::string first_problem(std::string_view text) {
  Problems problems;
  const Result<Node> node = parse_yaml(text, "a.yml", problems);
  EXPECT_FALSE(node.ok());
  return problems.empty() ? "" : problems[0].str();
}

TEST(Yaml, ScalarsHaveTheTypesOfTheCoreSchema) {
  const Json json = parsed(
                        "a: 1\nb: -2.5\nc: true\nd: ~\ne: '1'\nf: 1h\ng: 0 0 * * 0\nh: 1e3\ni: "
                        ".\nk: 2013-01-01")
                        .to_json();
  EXPECT_EQ(
      json.dump(),
      R"({"a":1,"b":-2.5,"c":true,"d":null,"e":"1","f":"1h","g":"0 0 * * 0","h":1000.0,"i":".",)"
      R"("k":"2013-01-01"})");
}

TEST(Yaml, EveryValueKnowsItsPlace) {
  const Node node = parsed("tasks:\n  - id: a\n    kind: land\n");
  EXPECT_EQ(node.find("tasks")->elements()[0].find("kind")->place().str(), "a.yml:3:11");
}

TEST(Yaml, AnEmptyFileIsAnEmptyMapping) {
  EXPECT_EQ(parsed("").to_json().dump(), "{}");
  EXPECT_EQ(parsed("# only a comment\n").to_json().dump(), "{}");
}

TEST(Yaml, MistakesNameFileLineAndColumn) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"a: 1\n b: 2\n", "a.yml:2:"},
      {"a: [1, 2\n", "a.yml:"},
      {"a: 1\na: 2\n", "a.yml:2:1: 'a' stands twice in this mapping"},
      {"a: &x 1\nb: *x\n", "a.yml:1:"},
      {"? [1]\n: 2\n", "a.yml:1:3: a key must be text"},
      {"a: 1\n---\nb: 2\n", "a.yml: holds more than one document"},
      {"a:\n\t- b\n", "a.yml:2:"},
  };
  for (const auto& [text, expected] : cases) {
    SCOPED_TRACE(text);
    EXPECT_EQ(first_problem(text).substr(0, expected.size()), expected) << first_problem(text);
  }
}

TEST(Yaml, SyntaxErrorsSayWhatWasExpected) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"a: b: c\n",
       "a.yml:1:5: not YAML: illegal map value; a line holds one 'key: value', indented by spaces "
       "as "
       "the lines beside it; text with ': ' in it needs quotes"},
      {"a: [1, 2\nb: 3\n",
       "a.yml:2:2: not YAML: end of sequence flow not found; a ']', or a ',' between two values, "
       "is "
       "missing before this place"},
      {"a: {x: 1\nb: 2\n", "a '}', or a ',' between two values, is missing"},
      {"a: {x: 1]\n", "'{' needs '}', and '[' needs ']'"},
      {"l:\n  - a\n  b\n", "a line 'key: value' is expected, indented as the ones above"},
      {"l:\n- a: x\n b: y\n",
       "a line that begins with '- ' is expected, indented as the ones above"},
      {"a: - b\n", "'- ' begins a line"},
      {"a: @x\n", "begins with such a character needs quotes"},
      {"a: \"\\d\"\n", "write '\\\\' for a backslash in double quotes, or use single ones"},
      {"pattern: *.csv\n", "text that begins with '*' needs quotes"},
  };
  for (const auto& [text, expected] : cases)
    EXPECT_NE(first_problem(text).find(expected), std::string::npos) << first_problem(text);
}

TEST(Yaml, ATabThatIndentsIsNamed) {
  const std::string told =
      ": not YAML: the line is indented by a tab, which YAML forbids; write spaces";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"a:\n\tb: 1\n", "a.yml:2:1"},
      {"a:\n  b: 1\n\tc: 2\n", "a.yml:3:1"},
      {"a:\n  b: 1\n  \tc: 2\n", "a.yml:3:3"},
      {"tables:\n  - name: x\n\n\t  pattern: y\n    z: 1\n", "a.yml:4:1"},
      {"l:\n\t- a\n\t- b\n", "a.yml:2:1"},
  };
  for (const auto& [text, place] : cases) EXPECT_EQ(first_problem(text), place + told) << text;
  EXPECT_NE(first_problem("sql: |\n  select\n  \t1\nb: [1\nc: d\ne: f\n").find("']'"),
            std::string::npos)
      << "a tab inside of text is none of YAML's";
}

TEST(Yaml, IsUtf8) {
  Problems problems;
  EXPECT_FALSE(parse_yaml("description: caf\xe9\n", "f.yml", problems).ok());
  ASSERT_EQ(problems.size(), 1U);
  EXPECT_EQ(problems[0].str(), "f.yml: not UTF-8 text; save it in this encoding");
}

TEST(Yaml, IsBounded) {
  std::string many = "[";
  for (int i = 0; i < 100'001; ++i) many += "1,";
  EXPECT_NE(first_problem(many + "1]").find("more than 100000 values"), std::string::npos);
  EXPECT_NE(first_problem(std::string(5U << 20U, ' ')).find("larger than 4 MiB"),
            std::string::npos);
  Problems problems;
  EXPECT_FALSE(parse_yaml(std::string(100'000, '['), "deep.yml", problems).ok());
}

TEST(Fields, ReportsAllMistakesOfAMappingAndReadsOn) {
  const Node node =
      parsed("id: 7\nretries: many\nretry_dely: 5m\ntimeout: 5 parsecs\nupstream: [a, 3]\n");
  Problems problems;
  Fields fields(node, "task", problems);
  EXPECT_EQ(fields.text("id"), "");
  EXPECT_EQ(fields.text("kind"), "");
  EXPECT_EQ(fields.integer("retries", 2), 2);
  EXPECT_EQ(fields.duration_us("retry_delay", 60), 60);
  EXPECT_EQ(fields.duration_us("timeout", 1), 1);
  EXPECT_EQ(fields.texts("upstream"), std::vector<std::string>{"a"});
  fields.refuse_unknown();
  std::vector<std::string> messages;
  for (const Problem& problem : problems) messages.push_back(problem.str());
  const std::vector<std::string> expected = {
      "a.yml:1:5: 'id' of a task is text (put it in quotes); found the value 7",
      "a.yml:1:1: a task needs 'kind'",
      "a.yml:2:10: 'retries' of a task is an integer; found the text 'many'",
      ("a.yml:4:10: 'timeout': '5 parsecs' is not a duration; write a number and ms, s, m, h, d or "
       "w, such as 30s, 5m, 2h or 1h30m"),
      "a.yml:5:11: 'upstream' of a task is text or a list of texts; found a list",
      "a.yml:3:1: a task has no 'retry_dely'; did you mean 'retry_delay'?"};
  EXPECT_EQ(messages, expected);
}

}  // namespace
}  // namespace millrace::project
