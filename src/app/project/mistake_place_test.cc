#include "project/mistake_place.h"

#include <gtest/gtest.h>

namespace millrace::project {
namespace {

Node node_of(const std::string& text) {
  Problems problems;
  auto node = parse_yaml(text, "f.yml", problems);
  return node.ok() ? *std::move(node) : Node();
}

std::string place_in(const std::string& text, const std::string& message) {
  return place_of_mistake(node_of(text), message).str();
}

constexpr const char* kViews = R"(feature_views:
  - name: planes
    source: planes
  - name: weather
    ttl: soon
    tll: 3h
    entities: [plane, airfield]
)";

constexpr const char* kDag = R"(max_active_runs: 0
tasks:
  - {id: a, kind: land, retries: -1}
  - id: b
    resources: {threads: 0}
    upstream: [a, a]
)";

TEST(MistakePlace, FollowsTheWayThatTheMessageBeginsWith) {
  EXPECT_EQ(place_in(kViews, "feature_views 2 (weather): ttl: expected a duration"), "f.yml:5:10");
  EXPECT_EQ(place_in(kViews, "feature_views 1 (planes): the member 'features' is missing"),
            "f.yml:2:5");
  EXPECT_EQ(place_in("expectations:\n  - {type: a}\n  - {type: b}\n",
                     "expectation 2 (b): there is no expectation of this name"),
            "f.yml:3:5");
  EXPECT_EQ(place_in("columns:\n  - {name: id}\n  - {name: 'a b'}\n",
                     "column \"a b\": a table has no ' ' in a column's name"),
            "f.yml:3:5");
}

TEST(MistakePlace, EndsAtTheKeyOrElseAtTheValueThatIsNamed) {
  EXPECT_EQ(
      place_in(kViews, "feature_views 2 (weather): unknown member 'tll'; did you mean 'ttl'?"),
      "f.yml:6:5");
  EXPECT_EQ(place_in(kViews, "feature_views 2 (weather): no entity 'airfield'"), "f.yml:7:23");
}

TEST(MistakePlace, FindsTheMistakesOfADag) {
  EXPECT_EQ(place_in(kDag, "max_active_runs must be at least 1"), "f.yml:1:18");
  EXPECT_EQ(place_in(kDag, "task 'a': retries must be 0 to 1000"), "f.yml:3:34");
  EXPECT_EQ(place_in(kDag, "task 'b': resources.threads must be 1 to 4096"), "f.yml:5:26");
  EXPECT_EQ(place_in(kDag, "task 'b' names its upstream task 'a' twice"), "f.yml:6:16");
}

TEST(MistakePlace, IsTheDocumentWhereNoWayIsGiven) {
  EXPECT_EQ(place_in(kViews, "more than is allowed"), "f.yml:1:1");
  EXPECT_EQ(place_in(kViews, "feature_views 7 (x): ttl: no"), "f.yml:2:3");
  EXPECT_EQ(place_in(kViews, ""), "f.yml:1:1");
  EXPECT_EQ(place_in(kViews, "an 'open quote"), "f.yml:1:1");
}

TEST(MistakePlace, OfAnotherRoomIsTakenApart) {
  for (const std::string& message :
       {std::string("models/a.sql:3:7: no"), std::string("models/a.sql:3: no"),
        std::string("models/a.sql: no"), std::string("models/a:b.sql: no")}) {
    const Problem problem = problem_with_place("models/", message);
    EXPECT_EQ(problem.message, "no");
    EXPECT_EQ(problem.str(), message);
  }
  EXPECT_EQ(problem_with_place("models/", "models/a.sql:3: no").place.line, 3);
  EXPECT_EQ(problem_with_place("models/", "the source a: no").place.file, "");
}

TEST(MistakePlace, IsInTheDefinitionThatTheMessageBeginsWith) {
  const NamedNodes definitions = {{"feature view weather", node_of("name: weather\nttl: soon\n")}};
  EXPECT_EQ(place_in_definition(definitions, "feature view weather: ttl: no", {"features"}).str(),
            "f.yml:2:6");
  EXPECT_EQ(place_in_definition(definitions, "feature view rain: ttl: no", {"features"}).str(),
            "features");
}

}  // namespace
}  // namespace millrace::project
