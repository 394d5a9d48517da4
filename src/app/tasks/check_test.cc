// What `millrace check` says of tasks: each mistake with its place, before anything runs.

#include <algorithm>

#include "tasks/project_fixture.h"

namespace millrace::tasks {
namespace {

using Check = ProjectTest;

TEST_F(Check, AProjectInOrderHasNoProblems) {
  EXPECT_EQ(problems(), std::vector<std::string>());
}

TEST_F(Check, EveryReferenceIsLookedUp) {
  struct Case {
    const char* why;
    const char* file;
    const char* old;
    const char* by;
    const char* expected;
  };
  constexpr const char* kPlan = "pipelines/daily.yml";
  const std::vector<Case> cases = {
      {"a source", kPlan, "source: cafe.orders", "source: cafe.order",
       "pipelines/daily.yml:5:36: there is no source 'cafe.order'; did you mean 'cafe.orders'?"},
      {"a training set", kPlan, "\"{{ var('set') }}\"", "order",
       "pipelines/daily.yml:6:78: there is no training set 'order'; did you mean 'orders'?"},
      {"a training set by the Dag's default", kPlan, "params: {set: orders}",
       "params: {set: oders}",
       "pipelines/daily.yml:6:78: there is no training set 'oders'; did you mean 'orders'?"},
      {"a parameter that the Dag does not have", kPlan, "var('set')", "var('sett')",
       "'training_set':1:4: the variable 'sett' is not set"},
      {"a column to split by", kPlan, "time_column: scored_at", "time_column: scored_att",
       "the rows of the training set 'orders' have no column 'scored_att'; did you mean "
       "'scored_at'?"},
      {"a metric of the gate", kPlan, "auc > 0.6", "acu > 0.6",
       "an evaluation does not measure 'acu'; did you mean 'auc'?"},
      {"the metric to compare by", kPlan, "gate: [\"auc > 0.6\"]", "compare_by: logloss",
       "an evaluation does not measure 'logloss'; did you mean 'log_loss'?"},
      {"an evaluation without a leak check", kPlan, "[training_data, train, leak_check]",
       "[training_data, train]", "add a task of kind leak_check to its 'upstream'"},
      {"an evaluation without a model", kPlan, "[training_data, train, leak_check]",
       "[training_data, leak_check]", "add a task of kind train to its 'upstream'"},
      {"a training without rows", kPlan, "kind: train\n    upstream: [training_data]",
       "kind: train\n    upstream: [land]", "add a task of kind training_data to its 'upstream'"},
      {"a leak check without rows", kPlan, "leak_check, upstream: [training_data]",
       "leak_check, upstream: [land]", "no task directly before 'leak_check' gives 'dataset'"},
      {"an objective without classes", kPlan, "{max_depth: 3}",
       "{max_depth: 3, objective: 'reg:squarederror'}",
       "a model trained with the objective 'reg:squarederror' has none"},
      {"more rounds than there can be", kPlan, "rounds: 20", "rounds: 5000000000",
       "'rounds' is 1 to 100000"},
      {"stopping by rows that are not there", kPlan,
       "    validate_on_last: {time_column: scored_at, fraction: 0.2}\n", "",
       "early stopping needs validation rows"},
      {"an outcome to learn", "features/orders.yml", "    label: late\n", "",
       "pipelines/daily.yml:10:15: the training set 'orders' has no 'label': without an outcome"},
      {"a holdout that is not there", "features/orders.yml", "    split: part\n", "",
       "the training set 'orders' has no 'split'"},
      {"when a column is known", "features/orders.yml", "rain, known_at: placed_at",
       "rain, known_at: placed_att",
       "request_columns 2 (rain): known_at: 'placed_att' is not a moment "
       "that can be read from the labels (a column of theirs such as scored_at, or SQL over them)"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    const std::string before = *read_file(path(c.file));
    change(c.file, c.old, c.by);
    const std::vector<std::string> found = problems();
    ASSERT_FALSE(found.empty());
    EXPECT_NE(found.front().find(c.expected), std::string::npos) << testing::PrintToString(found);
    write(c.file, before);
  }
}

TEST_F(Check, AllMistakesOfATrainingSetAreToldAtOnceEachWithItsPlace) {
  change("features/orders.yml", "label: late", "label: latee");
  change("features/orders.yml", "split: part", "split: prt");
  change("features/orders.yml", "{name: rain, known_at: placed_at}", "{name: rian, known_at: x}");
  change("features/orders.yml", "{name: cups, known_at: placed_at}", "{name: cups, known_at: pla}");
  const std::vector<std::string> found = problems();
  ASSERT_EQ(found.size(), 4U) << testing::PrintToString(found);
  const std::string set = "training set orders: ";
  EXPECT_EQ(found[0], "features/orders.yml:7:12: " + set +
                          "models.labels has no column 'latee'; did you mean 'late'?");
  EXPECT_EQ(found[1], "features/orders.yml:8:12: " + set +
                          "models.labels has no column 'prt'; did you mean 'part'?");
  EXPECT_EQ(found[2], "features/orders.yml:11:16: " + set +
                          "models.labels has no column 'rian'; did you mean 'rain'?");
  EXPECT_TRUE(found[3].starts_with("features/orders.yml:10:32: " + set +
                                   "request_columns 1 (cups): known_at: 'pla' is not a moment"))
      << found[3];
}

TEST_F(Check, AColumnWhoseNameIsAWordOfSqlIsQuotedInKnownAt) {
  change("models/labels.sql", "select id,", "select id, placed_at as at,");
  change("features/orders.yml", "rain, known_at: placed_at", "rain, known_at: at");
  change("features/orders.yml", "key: [id]", "key: [id, rain]");
  const std::vector<std::string> found = problems();
  ASSERT_EQ(found.size(), 1U) << testing::PrintToString(found);
  EXPECT_EQ(
      found[0],
      "features/orders.yml:11:32: training set orders: request_columns 2 (rain): known_at: "
      "'at' is a word of SQL, which known_at is; the column of this name is written in double "
      "quotes: known_at: '\"at\"'");
  change("features/orders.yml", "known_at: at", "known_at: '\"at\"'");
  EXPECT_EQ(problems(), std::vector<std::string>());
}

TEST_F(Check, WhatIsProposedForKnownAtCanBeWrittenThere) {
  change("models/labels.sql", "placed_at as scored_at,", "placed_at as at,");
  change("features/orders.yml", "timestamp: scored_at", "timestamp: at");
  change("pipelines/daily.yml", "time_column: scored_at", "time_column: at");
  change("features/orders.yml", "rain, known_at: placed_at", "rain, known_at: seen");
  change("features/orders.yml", "cups, known_at: placed_at", "cups, known_at: plced_at");
  const std::string why =
      " is not a moment that can be read from the labels (a column of theirs such as '\"at\"', or "
      "SQL over them)";
  const std::vector<std::string> found = problems();
  ASSERT_EQ(found.size(), 2U) << testing::PrintToString(found);
  EXPECT_NE(found[0].find("'plced_at'" + why + "; did you mean placed_at?"), std::string::npos)
      << found[0];
  EXPECT_NE(found[1].find("'seen'" + why + ": "), std::string::npos) << found[1];
  change("features/orders.yml", "known_at: seen", "known_at: '\"at\"'");
  change("features/orders.yml", "known_at: plced_at", "known_at: placed_at");
  EXPECT_EQ(problems(), std::vector<std::string>());
}

TEST_F(Check, AMomentThatTheLabelsLackIsToldOnce) {
  change("pipelines/daily.yml", "time_column: scored_at", "time_column: asked_at");
  change("features/orders.yml", "timestamp: scored_at", "timestamp: asked_at");
  change("features/orders.yml", "rain, known_at: placed_at", "rain, known_at: asked_at");
  const std::vector<std::string> found = problems();
  ASSERT_EQ(found.size(), 1U) << testing::PrintToString(found);
  EXPECT_NE(found[0].find("no column 'asked_at'"), std::string::npos) << found[0];
}

TEST_F(Check, AMistakeOfAViewIsToldOnceHoweverManySetsReadIt) {
  const std::string set = *read_file(path("features/orders.yml"));
  const std::string joined =
      "    entity_columns: [{name: id, known_at: placed_at}]\n"
      "    features: [{feature: weather:rain, as: drops}]\n";
  write("features/orders.yml", set + joined +
                                   std::string(set)
                                       .replace(set.find("name: orders"), 12, "name: twin")
                                       .substr(set.find("  - name")) +
                                   joined);
  write("features/weather.yml",
        "feature_views:\n  - name: weather\n    entities: [order]\n"
        "    source: labels\n    timestamp_field: placed_att\n"
        "    features: [rain]\nentities: [{name: order, join_keys: id}]\n");
  EXPECT_EQ(problems(), (std::vector<std::string>{
                            "features/weather.yml:5:22: feature view weather: models.labels has no "
                            "column 'placed_att'; did you mean 'placed_at'?"}));
}

TEST_F(Check, ALabelThatNoObjectiveTakesIsRefusedBeforeAnythingRuns) {
  change("models/labels.sql", "rain, late,",
         "rain, case when late then 'yes' else 'no' end as late,");
  EXPECT_EQ(
      problems(),
      (std::vector<std::string>{
          "features/orders.yml:7:12: training set orders: label: 'late' is VARCHAR in "
          "models.labels, and the task 'train' learns from a number or a BOOLEAN; write it as "
          "one in the SQL model"}));
}

/// A suite is asked of three kinds of tables, and each is known before anything runs.
TEST_F(Check, ASuiteThatNamesAColumnWhichItsTableDoesNotHaveIsRefused) {
  struct Case {
    const char* why;
    const char* table;
    const char* model;
    const char* asked_of;
  };
  const std::vector<Case> cases = {
      {"a training set", "", "view", "the training set 'orders'"},
      {"a source", ", table: raw.orders", "view", "raw.orders"},
      {"a SQL model", ", table: models.labels", "table", "models.labels"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    write("models/labels.sql",
          fmt::format("{{{{ config(materialized='{}') }}}}\n", c.model) + kLabels);
    write("pipelines/daily.yml", std::string(kPipeline) +
                                     "  - {id: ask, kind: validate, upstream: [training_data], "
                                     "suite: good" +
                                     c.table + "}\n");
    const auto suite = [&](const char* column) {
      write("expectations/good.yml",
            fmt::format("expectations:\n"
                        "  - {{type: expect_table_columns_to_match_set, column_set: [other]}}\n"
                        "  - {{type: expect_column_values_to_not_be_null, column: {}}}\n",
                        column));
    };
    suite("cups");
    EXPECT_EQ(problems(), std::vector<std::string>());
    suite("cusp");
    EXPECT_EQ(
        problems(),
        (std::vector<std::string>{fmt::format(
            "expectations/good.yml:3:57: expectation 2 (expect_column_values_to_not_be_null): "
            "The column \"cusp\" does not exist; did you mean 'cups'? (task 'ask' of the Dag "
            "'daily' asks this of {})",
            c.asked_of)}));
  }
}

TEST_F(Check, ASuiteIsAskedThoughAnotherModelIsBrokenByTheValuesOfTheDag) {
  change("millrace.yml", "name: cafe\n", "name: cafe\nvars: {drink: cups}\n");
  write("models/other.sql",
        "select {{ var('drink') }} + 1 as x from {{ source('cafe', 'orders') }}");
  write("pipelines/daily.yml",
        std::string(kPipeline) +
            "  - {id: ask, kind: validate, upstream: [training_data], suite: good}\n");
  change("pipelines/daily.yml", "params: {set: orders}", "params: {set: orders, drink: paper}");
  write("expectations/good.yml",
        "expectations:\n  - {type: expect_column_values_to_not_be_null, column: cusp}\n");
  const std::vector<std::string> found = problems();
  ASSERT_EQ(found.size(), 1U);
  EXPECT_NE(found[0].find("\"cusp\" does not exist; did you mean 'cups'?"), std::string::npos)
      << found[0];
}

constexpr const char* kAsk =
    "  - {id: ask, kind: validate, upstream: [land], suite: good, table: raw.orders}\n";

std::string not_null(const char* column, const char* severity = "critical") {
  return fmt::format(
      "expectations:\n  - {{type: expect_column_values_to_not_be_null, column: {}, severity: "
      "{}}}\n",
      column, severity);
}

TEST_F(Check, AnExpectationThatStopsNothingIsOnlyWarnedOf) {
  write("pipelines/daily.yml", std::string(kPipeline) + kAsk);
  write("expectations/good.yml", not_null("cusp", "warning"));
  EXPECT_EQ(warnings(), (std::vector<std::string>{
                            "expectations/good.yml:2:57: expectation 1 "
                            "(expect_column_values_to_not_be_null): The column \"cusp\" does not "
                            "exist; did you mean 'cups'? (task 'ask' of the Dag 'daily' asks this "
                            "of raw.orders)"}));
}

TEST_F(Check, ASuiteMayNameWhatLandingAddsAndWhatOnlyTheLakeHasKept) {
  write("pipelines/daily.yml", std::string(kPipeline) + kAsk);
  ASSERT_TRUE(run("land").ok());
  change("sources/cafe.yml", "      - {name: rain, type: DOUBLE}\n", "");
  change("models/labels.sql", "rain", "0 as rain");
  for (const char* column : {"event_date", "_file", "rain"}) {
    SCOPED_TRACE(column);
    write("expectations/good.yml", not_null(column));
    EXPECT_EQ(problems(), std::vector<std::string>());
  }
}

TEST_F(Check, ASuiteMayNotNameAColumnThatTheNextRunTakesFromAWholeTable) {
  write("models/sold.sql",
        "{{ config(materialized='table') }}\nselect id, cups from {{ source('cafe', 'orders') }}");
  write("pipelines/daily.yml",
        std::string(kPipeline) +
            "  - {id: make, kind: sql_model, upstream: [land], model: sold}\n"
            "  - {id: ask, kind: validate, upstream: [make], suite: good, table: models.sold}\n");
  write("expectations/good.yml", not_null("cups"));
  EXPECT_EQ(problems(), std::vector<std::string>());
  ASSERT_TRUE(run("land").ok());
  ASSERT_TRUE(run("make").ok());
  change("models/sold.sql", "cups", "cups as mugs");
  ASSERT_EQ(problems().size(), 1U);
  EXPECT_NE(problems().front().find("cups"), std::string::npos) << problems().front();
}

TEST_F(Check, ASuiteIsAskedOfWhatTheParametersOfItsOwnDagMake) {
  change("models/labels.sql", "select id", "select cups as {{ var('extra') }}, id");
  change("models/labels.sql", "\nselect", "{{ config(materialized='table') }}\nselect");
  change("pipelines/daily.yml", "{set: orders}", "{set: orders, extra: first}");
  write("pipelines/other.yml",
        "params: {extra: second}\ntasks:\n"
        "  - {id: make, kind: sql_model, model: labels}\n"
        "  - {id: ask, kind: validate, upstream: [make], suite: good, table: models.labels}\n");
  write("expectations/good.yml", not_null("second"));
  EXPECT_EQ(problems(), std::vector<std::string>());
  write("expectations/good.yml", not_null("first"));
  ASSERT_EQ(problems().size(), 1U);
}

TEST_F(Check, ASuiteIsAskedOfWhatTheParametersOfTheDagMakeThatMakesItsTable) {
  change("models/labels.sql", "select id", "select cups as {{ var('extra') }}, id");
  change("models/labels.sql", "\nselect", "{{ config(materialized='table') }}\nselect");
  write("pipelines/asks.yml",
        "params: {extra: first}\ntasks:\n"
        "  - {id: ask, kind: validate, suite: good, table: models.labels}\n");
  const auto maker = [](const std::string& extra) {
    return "params: {extra: " + extra +
           "}\ntasks:\n  - {id: make, kind: sql_model, model: labels}\n";
  };
  write("pipelines/makes.yml", maker("second"));
  write("expectations/good.yml", not_null("second"));
  EXPECT_EQ(problems(), std::vector<std::string>());
  write("expectations/good.yml", not_null("first"));
  EXPECT_EQ(problems().size(), 1U);
  write("pipelines/makes_too.yml", maker("first"));
  EXPECT_EQ(problems(), std::vector<std::string>()) << "one of them makes what it asks of";
}

TEST_F(Check, AModelMayNameEveryColumnThatLandingAdds) {
  change("models/labels.sql", "select id", "select event_date, _file, _row, id");
  EXPECT_EQ(problems(), std::vector<std::string>());
  ASSERT_TRUE(run("land").ok());
  const auto trained = run("training_data");
  EXPECT_TRUE(trained.ok()) << trained.error().message();
}

TEST_F(Check, AModelWithAMistakeIsToldAlthoughTrainingSetsReadIt) {
  for (const char* mistake : {"{{ var(logical_date) }}", "{{ rf('orders') }}", "{% if x %}",
                              "{{ config(materialized='tabel') }}"}) {
    SCOPED_TRACE(mistake);
    write("models/labels.sql", std::string(kLabels) + mistake);
    const std::vector<std::string> found = problems();
    ASSERT_FALSE(found.empty());
    EXPECT_TRUE(found.front().starts_with("models/labels.sql:")) << found.front();
  }
}

TEST_F(Check, AirflowsWordsLeadToOurs) {
  change("pipelines/daily.yml", "schedule:", "schedule_interval:");
  change("pipelines/daily.yml", "params:", "dag_id: daily\nparams:");
  change("pipelines/daily.yml", "{id: land, kind: land,", "{id: land, operator: land,");
  EXPECT_EQ(problems(),
            (std::vector<std::string>{
                "pipelines/daily.yml:6:26: a task has no 'operator'; did you mean 'kind'?",
                "pipelines/daily.yml:2:1: a Dag has no 'schedule_interval'; did you mean "
                "'schedule'?",
                "pipelines/daily.yml:3:1: a Dag has no 'dag_id'; did you mean 'id'?"}));
}

TEST_F(Check, AMistakeInAFileIsNotFollowedByTheAbsenceOfWhatItDeclares) {
  struct Case {
    const char* file;
    const char* old;
    const char* by;
  };
  const std::vector<Case> cases = {
      {"sources/cafe.yml", "type: INTEGER", "type: INTEGR"},
      {"features/orders.yml", "label: late", "lable: late"},
      {"models/labels.sql", "select id,", "{{ config(materialized='tabel') }} select id,"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.file);
    const std::string before = *read_file(path(c.file));
    change(c.file, c.old, c.by);
    const std::vector<std::string> found = problems();
    EXPECT_EQ(found.size(), 1U) << testing::PrintToString(found);
    write(c.file, before);
  }
}

TEST_F(Check, WhatARunWouldRefuseIsRefused) {
  struct Case {
    const char* why;
    const char* file;
    const char* old;
    const char* by;
    const char* expected;
  };
  constexpr const char* kSources = "sources/cafe.yml";
  constexpr const char* kModel = "models/labels.sql";
  const std::vector<Case> cases = {
      {"a pattern with a word that is none", kSources, "{date}", "{dat}",
       "sources/cafe.yml:7:14: "},
      {"a pattern that leaves its folder", kSources, "orders-{date}", "../o-{date}",
       "sources/cafe.yml:7:14: "},
      {"a column that landing adds", kSources, "name: rain", "name: _file", "\"_file\""},
      {"a column that the partition takes", kSources, "name: rain", "name: event_date",
       "\"event_date\""},
      {"a column that no Delta table has", kSources, "name: rain", "name: 'ra in'",
       "sources/cafe.yml:13:9: column \"ra in\": a table of the lake has no ' ' in a column's "
       "name; have it delivered under another name"},
      {"a column twice", kSources, "name: rain", "name: cups", "sources/cafe.yml:"},
      {"a moment of delivery that may be missing", kSources,
       "{name: delivered_at, type: TIMESTAMP WITH TIME ZONE, not_null: true}",
       "{name: delivered_at, type: TIMESTAMP WITH TIME ZONE}", "sources/cafe.yml:8:5: "},
      {"an event time that is no time", kSources, "event_time: placed_at", "event_time: cups",
       "sources/cafe.yml:9:17: "},
      {"a column that is added though declared", kSources, "    delivered_at: delivered_at\n", "",
       "\"delivered_at\""},
      {"lines without bound", kSources,
       "    columns:", "    max_line: 1000GB\n    columns:", "sources/cafe.yml:10:15: "},
      {"a type that cannot be delivered", kSources, "rain, type: DOUBLE",
       "rain, type: 'MAP(VARCHAR, INTEGER)'", "sources/cafe.yml"},
      {"two sources for one table", kSources, "tables:\n",
       "tables:\n  - {name: others, table: raw.orders, pattern: '{date}.jsonl', columns: [{name: "
       "id, "
       "type: BIGINT}]}\n",
       "and so does the source"},
      {"a table for the rejected rows of another", kSources, "tables:\n",
       "tables:\n  - {name: orders__rejected, pattern: '{date}.jsonl', columns: [{name: id, "
       "type: BIGINT}]}\n",
       "raw.orders__rejected"},
      {"a partition that is not selected", kModel, kLabels,
       "{{ config(materialized='table', partition_by=['day']) }} select 1 as id", "day"},
      {"a column without a name", kModel, kLabels,
       "{{ config(materialized='table') }} select 1 + 1 from {{ source('cafe', 'orders') }}",
       "models/labels.sql: "},
      {"too little memory", "millrace.yml", "500MB", "1KB", "'memory' of the target 'dev'"},
      {"an address that is a name", "millrace.yml", "threads: 1", "endpoint: 'here:80'",
       "millrace.yml:3:19: 'endpoint' listens at an address"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    const std::string before = *read_file(path(c.file));
    change(c.file, c.old, c.by);
    if (std::string_view(c.file) == kModel) write("features/orders.yml", "");
    const std::vector<std::string> found = problems();
    const bool there = std::ranges::any_of(
        found, [&](const std::string& one) { return one.find(c.expected) != std::string::npos; });
    EXPECT_TRUE(there) << testing::PrintToString(found);
    write(c.file, before);
    write("features/orders.yml", kTrainingSet);
  }
}

TEST_F(Check, SuitesAndSqlModelsAreLookedUp) {
  write("expectations/orders.yml",
        "expectations:\n  - {type: expect_column_values_to_be_unique, column: id}\n");
  change("pipelines/daily.yml", "tasks:\n",
         "tasks:\n"
         "  - {id: totals, kind: sql_model, model: lables}\n"
         "  - {id: validate, kind: validate, upstream: [training_data], suite: oders}\n"
         "  - {id: alone, kind: validate, suite: orders}\n"
         "  - {id: deploy, kind: deploy, upstream: [train]}\n");
  EXPECT_EQ(problems(),
            (std::vector<std::string>{
                "pipelines/daily.yml:5:42: there is no SQL model 'lables'; did you mean 'labels'?",
                "pipelines/daily.yml:6:70: there is no suite 'oders'; did you mean 'orders'?",
                "pipelines/daily.yml:7:5: no task directly before 'alone' gives 'dataset'; add a "
                "task of kind training_data to its 'upstream'",
                "pipelines/daily.yml:8:42: no task directly before 'deploy' gives 'promoted'; add "
                "a task of kind evaluate to its 'upstream'"}));
}

TEST_F(Check, AProjectWithoutAFolderOfDagsIsOneThatLostIt) {
  std::filesystem::rename(path("pipelines"), path("pipeline"));
  EXPECT_EQ(problems(),
            std::vector<std::string>{
                "pipelines/: there is no such folder, and millrace.yml names no 'programs', so the "
                "project has no Dag and nothing can run; write one as pipelines/NAME.yml"});
  std::filesystem::create_directory(path("pipelines"));
  EXPECT_EQ(problems(), std::vector<std::string>()) << "a project that is being written";
}

TEST_F(Check, AProjectThatIsInOrderAndInUseIsNotWarnedOf) {
  change("pipelines/daily.yml", "\"{{ var('set') }}\"", "orders");
  EXPECT_EQ(warnings(), std::vector<std::string>());
}

TEST_F(Check, WhatIsDeclaredAndNotUsedIsWarnedOf) {
  change("pipelines/daily.yml", "\"{{ var('set') }}\"", "orders");
  change("sources/cafe.yml", "tables:\n",
         "tables:\n"
         "  - {name: visits, pattern: '{date}.csv', columns: [{name: id, type: BIGINT}]}\n");
  write("models/visits.sql", "select * from {{ source('cafe', 'visits') }}");
  write("models/spare.sql",
        "{{ config(materialized='table') }} select id from {{ ref('visits') }}");
  write("expectations/spare.yml",
        "expectations:\n  - {type: expect_column_values_to_be_unique, column: id}\n");
  write("features/spare.yml",
        "training_sets:\n  - {name: spare, labels: labels, key: [id], timestamp: scored_at, label: "
        "late}\n");
  EXPECT_EQ(warnings(),
            (std::vector<std::string>{
                ("sources/cafe.yml:6:29: no file fits the pattern '{date}.csv'; there is "
                 "orders-2013-01-01.jsonl and 19 more"),
                "sources/cafe.yml:6:5: no task lands the source 'cafe.visits'",
                "models/spare.sql: nothing reads the SQL model 'spare', and no task writes it",
                "expectations/spare.yml: no task asks the suite 'spare'",
                "features/spare.yml:2:5: no task makes the training set 'spare'"}));
}

TEST_F(Check, ThePropertiesOfADbtProjectAreNotPassedOverInSilence) {
  write("models/staging/schema.yml", "models: [{name: labels, columns: [{name: id}]}]\n");
  EXPECT_EQ(
      warnings(),
      std::vector<std::string>{
          "models/staging/schema.yml: of models/ only .sql files are read, so nothing asks the "
          "tests that stand here; write them as a suite in expectations/"});
}

TEST_F(Check, WhatATaskTakesByAVariableMayBeAny) {
  write("features/spare.yml",
        "training_sets:\n  - {name: spare, labels: labels, key: [id], timestamp: scored_at, label: "
        "late}\n");
  EXPECT_EQ(warnings(), std::vector<std::string>());
}

TEST_F(Check, ASourceThatNoLongerFitsWhatHasLandedIsWarnedOf) {
  good(run("land"));
  EXPECT_EQ(warnings(), std::vector<std::string>());
  change("sources/cafe.yml", "event_time: placed_at", "event_time: served_at");
  const auto warned = warnings();
  ASSERT_EQ(warned.size(), 1U);
  EXPECT_NE(
      warned[0].find("landing raw.orders: its rows are partitioned by the day of 'placed_at', "
                     "and the source's 'event_time' is 'served_at' now"),
      std::string::npos)
      << warned[0];
}

TEST_F(Check, ATaskThatIsNotKnownFromInsideMayGiveAnything) {
  change("pipelines/daily.yml", "[training_data, train, leak_check]", "[own]");
  change("pipelines/daily.yml", "tasks:\n",
         "tasks:\n  - {id: own, kind: command, command: 'true'}\n");
  EXPECT_EQ(problems(), std::vector<std::string>());
}

}  // namespace
}  // namespace millrace::tasks
