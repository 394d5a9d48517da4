#include "project/pipeline.h"

#include <gtest/gtest.h>

namespace millrace::project {
namespace {

std::vector<std::string> problems_of(std::string_view text) {
  Problems problems;
  const Result<Node> node = parse_yaml(text, "pipelines/p.yml", problems);
  if (node.ok()) read_pipeline(*node, "p", problems);
  std::vector<std::string> messages;
  for (const Problem& problem : problems) messages.push_back(problem.str());
  return messages;
}

constexpr std::string_view kWeekly = R"(
schedule: "0 0 * * 0"
timezone: America/New_York
start_date: 2013-02-10
params: {score_at: departure}
default_args: {retries: 2, retry_delay: 10s}
tasks:
  - id: land
    kind: land
    source: airline.flights
  - id: train
    kind: train
    upstream: [land]
    retries: 0
    resources: {threads: 2, memory: 2GB}
    xgboost: {max_depth: 6}
)";

TEST(Pipeline, ReadsADagAndLeavesTheRestToTheKinds) {
  Problems problems;
  const Pipeline pipeline =
      read_pipeline(*parse_yaml(kWeekly, "pipelines/weekly.yml", problems), "weekly", problems);
  ASSERT_TRUE(problems.empty()) << problems[0].str();
  EXPECT_EQ(pipeline.dag.id.str(), "weekly");
  EXPECT_EQ(format_instant(*pipeline.dag.start_date),
            "2013-02-10T05:00:00Z");  // midnight in New York
  ASSERT_EQ(pipeline.dag.tasks.size(), 2U);
  EXPECT_EQ(pipeline.dag.tasks[0].config.dump(), R"({"source":"airline.flights"})");
  EXPECT_EQ(pipeline.dag.tasks[0].retries, 2);
  const orchestration::TaskSpec& train = pipeline.dag.tasks[1];
  EXPECT_EQ(train.retries, 0);
  EXPECT_EQ(train.retry_delay, std::chrono::seconds(10));
  EXPECT_EQ(train.resources.memory_bytes, 2'000'000'000U);
  EXPECT_EQ(train.config.dump(), R"({"xgboost":{"max_depth":6}})");
}

TEST(Pipeline, ShowsEveryMistakeWithItsPlace) {
  const std::string text =
      "schedul: '@daily'\n"
      "timezone: Mars\n"
      "catchup: sometimes\n"
      "tasks:\n"
      "  - id: a\n"
      "    kind: land\n"
      "    retries: many\n"
      "    trigger_rule: one_success\n"
      "    resources: {memory: lots}\n"
      "  - kind: land\n"
      "    execution_timeout: 0s\n";
  const std::vector<std::string> found = problems_of(text);
  const std::vector<std::string> expected = {
      "pipelines/p.yml:2:11: ",
      "pipelines/p.yml:3:10: 'catchup' of a Dag is true or false; found the text 'sometimes'",
      "pipelines/p.yml:8:19: ",
      "pipelines/p.yml:7:14: 'retries' of a task is an integer; found the text 'many'",
      "pipelines/p.yml:9:25: 'lots' is not an amount of bytes",
      "pipelines/p.yml:10:5: a task needs 'id'",
      "pipelines/p.yml:11:24: 'execution_timeout' is more than 0; leave it out",
      "pipelines/p.yml:1:1: a Dag has no 'schedul'; did you mean 'schedule'?"};
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i)
    EXPECT_TRUE(found[i].starts_with(expected[i])) << found[i];
}

TEST(Pipeline, RefusesAGraphThatCannotRun) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"tasks:\n  - {id: a, kind: x, upstream: [b]}\n  - {id: b, kind: x, upstream: [a]}\n", "->"},
      {"tasks:\n  - {id: train, kind: x}\n  - {id: b, kind: x, upstream: [trian]}\n",
       "pipelines/p.yml:3:32: the task 'b' comes after 'trian', which this Dag does not have; did "
       "you mean 'train'?"},
      {"tasks:\n  - {id: a, kind: x}\n  - {id: a, kind: x}\n",
       "pipelines/p.yml:3:5: the task 'a' stands twice"},
      {"schedule: '61 * * * *'\nstart_date: 2013-01-01\ntasks:\n  - {id: a, kind: x}\n",
       "pipelines/p.yml:1:11: "},
      {"tasks: []\n", "a Dag needs a list of 'tasks'"},
      {"- a\n", "a Dag is a mapping; found a list"},
  };
  for (const auto& [text, expected] : cases) {
    const std::vector<std::string> found = problems_of(text);
    ASSERT_FALSE(found.empty()) << text;
    EXPECT_NE(found[0].find(expected), std::string::npos) << found[0];
  }
}

}  // namespace
}  // namespace millrace::project
