#include <filesystem>

#include "project/project_folder_fixture.h"

namespace millrace::project {
namespace {

class LoadProject : public ProjectFolder {
 protected:
  std::vector<std::string> problems(const std::string& target = "") {
    const auto loaded = load_project(root(), target);
    return loaded.ok() ? texts(loaded->problems) : std::vector{loaded.error().message()};
  }
};

constexpr const char* kSource = R"(
name: shop
timezone: Europe/Vienna
tables:
  - name: orders
    pattern: orders-{date}.csv
    format: csv
    event_time: ordered_at
    columns:
      - {name: id, type: BIGINT, not_null: true}
      - {name: ordered_at, type: TIMESTAMP WITH TIME ZONE}
)";

TEST_F(LoadProject, AWholeProjectHasNoProblems) {
  write("millrace.yml",
        "name: shop\ntargets:\n  dev: {endpoint: 127.0.0.1:9000, memory: 2GB}\nvars: {days: 7}\n");
  write("sources/shop.yml", kSource);
  write("models/labels.sql", "select * from {{ source('shop', 'orders') }}");
  write("expectations/orders.yml",
        "expectations:\n  - {type: expect_column_values_to_not_be_null, column: id}\n");
  write("pipelines/daily.yml", "tasks:\n  - {id: land, kind: land, source: shop.orders}\n");
  const auto loaded = load_project(root() + "/models", "");  // found from a folder below
  ASSERT_TRUE(loaded.ok()) << loaded.error().message();
  ASSERT_TRUE(loaded->problems.empty()) << loaded->problems[0].str();
  const Project& project = loaded->project;
  EXPECT_EQ(project.name, "shop");
  EXPECT_EQ(project.target.endpoint_port, 9000);
  EXPECT_EQ(project.target.memory_bytes, 2'000'000'000U);
  EXPECT_EQ(project.target.lake, project.root + "/.millrace/lake");
  EXPECT_EQ(project.sources.at("shop.orders").table, "raw.orders");
  EXPECT_EQ(project.suites.at("orders").suite.expectations.size(), 1U);
  EXPECT_EQ((*project.pipeline(""))->dag.id.str(), "daily");
  EXPECT_EQ(project.pipeline("dayly").error().message(),
            "there is no Dag 'dayly'; did you mean 'daily'?");
}

TEST_F(LoadProject, EveryMistakeIsShownWithItsPlace) {
  write("millrace.yml", "nmae: shop\ntargets:\n  prod: {engine: spark}\n");
  write("sources/shop.yml",
        "name: shop\ntables:\n  - name: orders\n    pattern: o.csv\n    format: xml\n    "
        "event_time: at\n"
        "    columns: [{name: id, type: BIGNIT}]\n");
  write("models/a.sql", "select * from {{ ref('b') }}");
  write("models/c.sql", "select {{ magic() }}");
  write("expectations/e.yml",
        "expectations:\n  - {type: expect_column_values_to_be_nul, column: id}\n");
  write("features/f.yml",
        "feature_views:\n  - name: planes\n    entities: [plane]\n    source: planes\n    ttl: "
        "soon\n");
  write("pipelines/p.yml", "tasks:\n - id: a\n  kind: x\n");
  const std::vector<std::string> found = problems();
  const std::vector<std::string> expected = {
      "millrace.yml:3:3: there is no target 'dev'",
      "millrace.yml:3:18: the engine 'spark' is not supported yet",
      "millrace.yml:1:1: a project has no 'nmae'; did you mean 'name'?",
      "sources/shop.yml:5:13: 'xml' is no format",
      "sources/shop.yml:6:17: 'event_time' names the column 'at'",
      "sources/shop.yml:7:32: ",
      "models/c.sql:1:11: 'magic' is not supported in a template yet",
      "models/a.sql:1:18: there is no model 'b'",
      "expectations/e.yml:2:5: expectation 1 (expect_column_values_to_be_nul)",
      "features/f.yml:5:10: feature_views 1 (planes): ttl: ",
      "pipelines/p.yml:3:",
  };
  for (const std::string& each : expected) {
    bool there = false;
    for (const std::string& message : found) there = there || message.starts_with(each);
    EXPECT_TRUE(there) << each << "\nin\n" << testing::PrintToString(found);
  }
}

TEST_F(LoadProject, AFeatureViewOfAModelThatIsNotThereHasAPlace) {
  write("millrace.yml", "name: shop\n");
  write("features/f.yml",
        "entities: [{name: plane, join_keys: [tailnum]}]\nfeature_views:\n  - name: planes\n"
        "    entities: [plane]\n    source: plans\n    features: [seats]\n");
  EXPECT_EQ(problems(),
            std::vector<std::string>{"features/f.yml:5:13: the feature view planes reads the model "
                                     "'plans', which does not exist"});
}

TEST_F(LoadProject, ADagsOwnMistakesStandWhereTheyAre) {
  write("millrace.yml", "name: shop\n");
  const auto problem_of = [&](const std::string& dag) {
    write("pipelines/d.yml", dag);
    const auto found = problems();
    return found.size() == 1 ? found[0] : testing::PrintToString(found);
  };
  EXPECT_EQ(
      problem_of(
          "tasks:\n  - {id: a, kind: x, upstream: [b]}\n  - {id: b, kind: x, upstream: [a]}\n"),
      "pipelines/d.yml:2:32: its tasks wait for each other: a -> b -> a; remove one of these");
  EXPECT_EQ(problem_of("tasks:\n  - {id: a, kind: x, retries: -1}\n"),
            "pipelines/d.yml:2:31: task 'a': retries must be 0 to 1000");
  EXPECT_EQ(problem_of("max_active_runs: 0\ntasks:\n  - {id: a, kind: x}\n"),
            "pipelines/d.yml:1:18: max_active_runs must be at least 1");
}

TEST_F(LoadProject, WhatIsWrongInConfigStandsThere) {
  write("millrace.yml", "name: shop\n");
  write("models/a.sql", "-- all of them\n{{ config(materialised='table') }} select 1 as one\n");
  EXPECT_EQ(problems(),
            std::vector<std::string>{
                "models/a.sql:2: config() has no 'materialised'; did you mean 'materialized'?"});
}

TEST_F(LoadProject, ASourceCannotHaveANameThatRunsUse) {
  write("millrace.yml", "name: shop\n");
  for (const std::string name :
       {"models", "Models", "datasets", "validated", "checked", "evaluate", "landed_shop"}) {
    write("sources/shop.yml",
          std::string(kSource).replace(std::string(kSource).find("shop"), 4, name));
    ASSERT_EQ(problems().size(), 1U) << name;
    EXPECT_TRUE(problems()[0].ends_with("the name '" + name +
                                        "' is one that runs use for relations "
                                        "of their own; give the source another one"))
        << problems()[0];
  }
}

TEST_F(LoadProject, ASuiteWithoutExpectationsIsAMistake) {
  write("millrace.yml", "name: shop\n");
  write("expectations/e.yml", "expectations: []\n");
  ASSERT_EQ(problems().size(), 1U);
  EXPECT_TRUE(problems()[0].starts_with("expectations/e.yml: the suite expects nothing"));
}

TEST_F(LoadProject, ATargetOrAProjectThatIsNotThereIsNamed) {
  EXPECT_NE(problems()[0].find("there is no millrace.yml"), std::string::npos);
  write("millrace.yml", "targets:\n  dev: {}\n  prod: {}\n");
  EXPECT_EQ(problems("prdo")[0],
            "millrace.yml:2:3: there is no target 'prdo'; did you mean 'prod'?");
}

TEST_F(LoadProject, ADefaultTargetThatIsNotThereIsToldWhereItStands) {
  write("millrace.yml", "name: shop\ndefault_target: prdo\ntargets:\n  dev: {}\n  prod: {}\n");
  EXPECT_EQ(problems(),
            std::vector<std::string>{"millrace.yml:2:17: there is no target 'prdo'; did "
                                     "you mean 'prod'?"});
}

TEST_F(LoadProject, WhatIsThereAndIsNotReadIsToldWithItsPlace) {
  const auto link = [&](const std::string& to, const std::string& from) {
    std::filesystem::create_directory_symlink(to, path(from));
  };
  write("millrace.yml", "name: shop\n");
  write("shared/one.sql", "select 1 as one");
  write("models/here.sql", "select 1 as one");
  link("../shared", "models/shared");
  link("nowhere", "pipelines");
  write("features", "");
  const std::string told =
      ": it is a link to a folder, and such links are not followed, so its files are not read; put "
      "a folder with the files in its place";
  EXPECT_EQ(problems(),
            (std::vector<std::string>{
                "models/shared" + told,
                "features: its files cannot be read: Not a directory; expected a folder with files",
                "pipelines: its files cannot be read: No such file or directory; expected a folder "
                "with files"}));
}

TEST_F(LoadProject, AFolderOfTheProjectItselfMayBeALink) {
  write("millrace.yml", "name: shop\n");
  write("elsewhere/one.sql", "select 1 as one");
  std::filesystem::create_directory_symlink("elsewhere", path("models"));
  const auto loaded = load_project(root(), "");
  ASSERT_TRUE(loaded.ok());
  EXPECT_EQ(texts(loaded->problems), std::vector<std::string>());
  EXPECT_EQ(loaded->project.models.names(), std::vector<std::string>{"one"});
}

TEST_F(LoadProject, AProgramThatCannotDescribeItselfIsAProblem) {
  write("millrace.yml", "programs: [gone, /bin/false, /bin/echo]\n");
  const std::vector<std::string> found = problems();
  ASSERT_EQ(found.size(), 3U);
  EXPECT_NE(found[0].find("gone"), std::string::npos);
  EXPECT_NE(found[1].find("failed"), std::string::npos);
  EXPECT_NE(found[2].find("not JSON"), std::string::npos) << found[2];
}

TEST_F(LoadProject, AMistakeInAJsonSuiteIsToldWithItsLineAndColumn) {
  write("millrace.yml", "name: shop\n");
  write("expectations/a.json",
        "{\n\t\"expectations\": [\n\t\t{\"type\": "
        "\"expect_table_row_count_to_be_betwen\"}\n\t]\n}\n");
  write("expectations/b.json", "{\n  \"expectations\": [,]\n}\n");
  EXPECT_EQ(
      problems(),
      (std::vector<std::string>{
          "expectations/a.json:3:3: expectation 1 (expect_table_row_count_to_be_betwen): there "
          "is no such expectation; did you mean 'expect_table_row_count_to_be_between'?",
          "expectations/b.json:2:20: not JSON: syntax error"}));
}

}  // namespace
}  // namespace millrace::project
