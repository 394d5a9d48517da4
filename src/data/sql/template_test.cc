#include "sql/template.h"

#include <gtest/gtest.h>

namespace millrace::sql {
namespace {

Template::Resolver example() {
  return {.ref = [](const Template::Ref& ref) -> Result<std::string> {
            if (ref.model == "missing") return Error(ErrorCode::NotFound, "no model 'missing'");
            return "models." + ref.model;
          },
          .source = [](const Template::Source& source) -> Result<std::string> {
            return source.schema + "." + source.table;
          },
          .var = [](const Template::Var& var) -> Result<std::optional<Json>> {
            if (var.name == "score_at") return std::optional<Json>("departure");
            if (var.name == "days") return std::optional<Json>(30);
            return std::optional<Json>();
          }};
}

std::string rendered(const std::string& text) {
  const auto made = Template::parse(text, "m.sql");
  if (!made.ok()) return "error: " + made.error().message();
  const auto out = made->render(example());
  return out.ok() ? *out : "error: " + out.error().message();
}

TEST(Template, ReplacesItsWordsAndKeepsTheRest) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"select 1", "select 1"},
      {"from {{ ref('a') }} join {{source(\"s\",'t')}}", "from models.a join s.t"},
      {"'{{ var('score_at') }}' {{ var('days') }}", "'departure' 30"},
      {"{{ var('other', 7) }} {{ var('other', 'x') }} {{ var('other', true) }}", "7 x True"},
      {"{{ var('other', 'a\\nb\\t\\\\ \\' \\\"') }}", "a\nb\t\\ ' \""},
      {"a {# {{ ref('x') }} #} b", "a  b"},
      {"a  {{- ref('b') -}}  c", "amodels.bc"},
      {"a {#- x -#} b", "ab"},
      {"{{ config(materialized='table') }}\nselect 1", "\nselect 1"},
      {"{{ config(materialized='table') -}}\nselect 1", "select 1"},
      {"select {'a': 1} as s, '{' as t", "select {'a': 1} as s, '{' as t"},
      {"{{ ref('it\\'s') }}", "models.it's"},
      {"", ""},
  };
  for (const auto& [text, expected] : cases) EXPECT_EQ(rendered(text), expected) << text;
}

TEST(Template, ConfigIsRead) {
  const auto made = Template::parse(
      "{{ config(materialized='incremental', partition_by=['a', 'b'], enabled=true, n=-1.5, "
      "m={'k': none},) }}",
      "m.sql");
  ASSERT_TRUE(made.ok()) << made.error().message();
  EXPECT_EQ(
      made->config().dump(),
      R"({"materialized":"incremental","partition_by":["a","b"],"enabled":true,"n":-1.5,"m":{"k":null}})");
}

TEST(Template, ListsWhatItNeedsWithPlaces) {
  const Template made =
      *Template::parse("select\n  * from {{ ref('a') }}, {{ ref('b') }}", "m.sql");
  ASSERT_EQ(made.refs().size(), 2U);
  EXPECT_EQ(made.refs()[1].model, "b");
  EXPECT_EQ(made.refs()[0].place.line, 2);
  EXPECT_EQ(made.refs()[0].place.column, 13);
  EXPECT_FALSE(made.is_plain());
}

TEST(Template, MistakesNameTheirPlace) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"{% if x %}", "error: m.sql:1:1: the template statement '{% if %}' is not supported yet"},
      {"a\n {{ ref('x') | upper }}", "error: m.sql:2:14: filters ('|') are not supported yet"},
      {"{{ reff('x') }}",
       "error: m.sql:1:4: 'reff' is not supported in a template yet; did you mean 'ref'?"},
      {"{{ is_incremental() }}",
       "error: m.sql:1:4: 'is_incremental' is not supported in a template yet"},
      {"{{ ref('p', 'x') }}", "error: m.sql:1:4: ref('package', 'model') is not supported yet"},
      {"{{ ref() }}", "error: m.sql:1:4: ref() takes the name of one model"},
      {"{{ ref(x) }}", "error: m.sql:1:8: 'x' is no value; text stands in quotes: 'x'"},
      {"{{ ref(name='x') }}", "error: m.sql:1:4: ref() takes no argument named 'name'"},
      {"{{ source('a') }}", "error: m.sql:1:4: source() takes two names"},
      {"{{ config('table') }}", "error: m.sql:1:4: config() takes named arguments"},
      {"{{ config(a=1) }}{{ config(b=1) }}", "error: m.sql:1:21: config() stands twice"},
      {"{{ ref('x'", "error: m.sql:1:11: expected ',' or ')'"},
      {"{{ ref('x) }}", "error: m.sql:1:8: the text that begins here has no end"},
      {"{{ ref('x') }", "error: m.sql:1:13: expected '}}' to close the '{{' at line 1"},
      {"{{ }}", "error: m.sql:1:4: expected ref, source, var or config"},
      {"{# x", "error: m.sql:1:1: the comment '{#' has no end"},
      {"{{ ref('missing') }}", "error: m.sql:1:4: no model 'missing'"},
      {"{{ var('a', [1]) }}", "error: m.sql:1:4: the variable 'a' is a list, which cannot stand"},
      {"{{ var('a', {}) }}", "error: m.sql:1:4: the variable 'a' is a mapping"},
      {"{{ var('a', none) }}", "error: m.sql:1:4: the variable 'a' is none"},
      {"{{ var('a', -inf) }}", "error: m.sql:1:13: expected a number"},
      {"{{ var('a', '\\x41') }}", "error: m.sql:1:14: after a backslash there may be n, t,"},
      {"{{ var('nope') }}", "error: m.sql:1:4: the variable 'nope' is not set"},
  };
  for (const auto& [text, expected] : cases)
    EXPECT_EQ(rendered(text).substr(0, expected.size()), expected) << text;
}

TEST(Template, EveryTruncationOfATemplateIsReadOrRefused) {
  const std::string whole =
      "{{ config(a=['b', {'c': 1}]) }} select {{ var('x', -1) }} {# c #} from {{- ref('y') -}} z";
  for (std::size_t length = 0; length <= whole.size(); ++length) rendered(whole.substr(0, length));
  std::string deep = "{{ var('x', ";
  for (int i = 0; i < 1'000; ++i) deep += "[";
  EXPECT_NE(rendered(deep).find("nested too deeply"), std::string::npos);
  EXPECT_NE(rendered(std::string((1U << 20U) + 1, ' ')).find("larger than 1024 KiB"),
            std::string::npos);
}

TEST(Template, AMebibyteOfWordsIsReadInOnePass) {
  std::string text;
  std::string expected;
  while (text.size() < (1U << 20U) - 32) {
    text += "\n{{ ref('x') }}";
    expected += "\nmodels.x";
  }
  const Template made = *Template::parse(text, "m.sql");
  EXPECT_EQ(made.refs().size(), expected.size() / 9);
  EXPECT_EQ(made.refs().back().place.line, static_cast<int>(made.refs().size()) + 1);
  EXPECT_EQ(*made.render(example()), expected);
  for (const std::string piece :
       {"{", "{{", "{{ ", "{#", "{{ ref(", "{{ ref('", "{{ var('x', [", "}}"}) {
    std::string repeated;
    while (repeated.size() < (1U << 20U) - piece.size()) repeated += piece;
    rendered(repeated);
  }
}

TEST(Template, AnySequenceOfItsPiecesIsReadOrRefused) {
  const std::vector<std::string> pieces = {"{{",
                                           "}}",
                                           "{%",
                                           "%}",
                                           "{#",
                                           "#}",
                                           "-",
                                           "ref",
                                           "(",
                                           ")",
                                           "'a'",
                                           "\"b\"",
                                           "var",
                                           "config",
                                           "x=",
                                           ",",
                                           "[",
                                           "]",
                                           "{",
                                           "}",
                                           ":",
                                           "none",
                                           "1.5",
                                           "-2",
                                           "|",
                                           "\\",
                                           "\n",
                                           "'",
                                           " ",
                                           "\xC3",
                                           std::string(1, '\0'),
                                           "select",
                                           "is_incremental()"};
  std::uint64_t state = 20131201;  // Knuth's MMIX generator
  for (int round = 0; round < 20'000; ++round) {
    std::string text;
    for (int i = 0; i < 12; ++i) {
      state = state * 6364136223846793005ULL + 1442695040888963407ULL;
      text += pieces[(state >> 33U) % pieces.size()];
    }
    rendered(text);
  }
}

TEST(RenderSetting, KnowsOnlyVariables) {
  const auto var = [](const std::string& name) -> std::optional<Json> {
    return name == "score_at" ? std::optional<Json>("leaky") : std::nullopt;
  };
  EXPECT_EQ(*render_setting("flight_{{ var('score_at') }}", "p.yml:3:5", var), "flight_leaky");
  EXPECT_EQ(*render_setting("plain", "p.yml:3:5", var), "plain");
  EXPECT_FALSE(render_setting("{{ ref('x') }}", "p.yml:3:5", var).ok());
  EXPECT_FALSE(render_setting("{{ var('y') }}", "p.yml:3:5", var).ok());
}

}  // namespace
}  // namespace millrace::sql
