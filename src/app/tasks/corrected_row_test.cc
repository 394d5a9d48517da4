// docs/reference/sources.md, "When a row must be corrected": what labels and features see of a row
// that was sent again.

#include "engine/engine.h"
#include "tasks/project_fixture.h"

namespace millrace::tasks {
namespace {

/// The café's menu has a price for each of seven dishes, sent on 1 January. On the 10th the price of
/// dish 3 is corrected.
class CorrectedRow : public ProjectTest {
 protected:
  static constexpr const char* kVersions =
      "select dish, price, delivered_at from {{ source('menu', 'menu') }}";
  static constexpr const char* kNewest =
      " qualify row_number() over (partition by dish order by delivered_at desc, _file desc, _row "
      "desc) = 1";

  void SetUp() override {
    ProjectTest::SetUp();
    write("sources/menu.yml",
          "name: menu\nformat: csv\nschema: raw\ntables:\n  - name: menu\n    pattern: "
          "menu-{date}*.csv\n    columns:\n      - {name: dish, type: BIGINT, not_null: true}\n"
          "      - {name: price, type: INTEGER, not_null: true}\n");
    write("deliveries/menu-2013-01-01.csv",
          "dish,price\n0,10\n1,11\n2,12\n3,13\n4,14\n5,15\n6,16\n");
    write("deliveries/menu-2013-01-10-correction.csv", "dish,price\n3,99\n");
    change("models/labels.sql", "select id,", "select id, cast(floor(rain) as bigint) as dish,");
    write("models/menu.sql", kVersions);
    write("features/menu.yml",
          "entities: [{name: dish, join_keys: dish}]\nfeature_views:\n  - {name: menu, entities: "
          "[dish], source: menu, timestamp_field: delivered_at, features: [price]}\n");
    write("features/orders.yml", std::string(kTrainingSet) +
                                     "    entity_columns: [{name: dish, known_at: placed_at}]\n"
                                     "    features: [{feature: menu:price}]\n");
    change("pipelines/daily.yml", "tasks:\n",
           "tasks:\n  - {id: land_menu, kind: land, source: menu.menu}\n"
           "  - {id: prices, kind: sql_model, model: prices, upstream: [land_menu]}\n");
    change("pipelines/daily.yml", "sample: 5", "sample: 400");
    write("models/prices.sql",
          "{{ config(materialized='table') }} " + std::string(kVersions) + kNewest);
    ASSERT_EQ(problems(), std::vector<std::string>());
  }

  /// Of the training data: "13,99" when orders of dish 3 had both prices before them.
  std::string prices_known(const std::string& when) {
    return asked(fmt::format(
        "SELECT coalesce(string_agg(DISTINCT price::VARCHAR, ',' ORDER BY price::VARCHAR), 'none') "
        "FROM read_parquet('{}') WHERE dish = 3 AND scored_at {}",
        path(".millrace/runs/daily/2013-01-21T00:00:00Z/training_data/training_data.parquet"),
        when));
  }
  static std::string asked(const std::string& sql) {
    const auto engine = good(engine::open_duckdb({.threads = 1}));
    return good(good(engine->open_session())->scalar(sql)).as_string();
  }
};

TEST_F(CorrectedRow, ACheckRefusesAJoinKeyOfWhichNothingSaysWhenItWasKnown) {
  change("features/orders.yml", "    entity_columns: [{name: dish, known_at: placed_at}]\n", "");
  const std::vector<std::string> mistakes = problems();
  ASSERT_EQ(mistakes.size(), 1U);
  EXPECT_EQ(mistakes[0].find("features/orders.yml:"), 0U) << mistakes[0];
  EXPECT_NE(mistakes[0].find("training set orders: dish: features are joined by it, and nothing "
                             "says when it was known; declare it with its known_at"),
            std::string::npos)
      << mistakes[0];
}

TEST_F(CorrectedRow, AFeatureIsTheRowThatWasKnownAtTheScoringTime) {
  for (const char* task : {"land", "land_menu", "training_data"}) good(run(task));
  EXPECT_EQ(prices_known("< '2013-01-10'"), "13");
  EXPECT_EQ(prices_known(">= '2013-01-11'"), "99");
  EXPECT_EQ(good(run("leak_check"))["leaks"].dump(), "[]");
}

TEST_F(CorrectedRow, AViewOfTheNewestRowsForgetsWhatWasKnownAndIsALeak) {
  write("models/menu.sql", std::string(kVersions) + kNewest);
  for (const char* task : {"land", "land_menu", "training_data"}) good(run(task));
  EXPECT_EQ(prices_known("< '2013-01-10'"), "none");
  const Json leaks = good(run("leak_check"))["leaks"];
  ASSERT_EQ(leaks.as_array().size(), 1U) << leaks.dump();
  EXPECT_NE(leaks.dump().find("price differs in "), std::string::npos) << leaks.dump();
}

TEST_F(CorrectedRow, ARunSeesTheRowAsItStoodAtItsDateAlsoAfterALaterRun) {
  write("models/prices.sql", "{{ config(materialized='table') }} select * from (" +
                                 std::string(kVersions) + kNewest + ") where price = 13");
  const auto uncorrected = [&](const std::string& date) {
    good(run("land_menu", date));
    return good(run("prices", date))["rows"].as_integer();
  };
  EXPECT_EQ(uncorrected("2013-01-10"), 1);
  EXPECT_EQ(uncorrected("2013-01-12"), 0);
  EXPECT_EQ(uncorrected("2013-01-09"), 1);
}

}  // namespace
}  // namespace millrace::tasks
