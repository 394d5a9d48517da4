#include "features/leak_check.h"

#include <set>

#include <fmt/core.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "features/point_in_time.h"
#include "features/sampling.h"

namespace millrace::features {
namespace {

/// A small airline: flights delivered when they have landed, a tenth of them a day late; planes, of
/// which some get other seats during the month. Models in plain SQL, as a project would hold them.
class LeakCheckTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto engine = engine::open_duckdb({.threads = 2});
    ASSERT_TRUE(engine.ok()) << engine.error().message();
    engine_ = *std::move(engine);
    session_ = *engine_->open_session();
    run(R"(CREATE TABLE flights AS SELECT i AS flight_id, 'N' || (hash(i) % 40) AS tailnum,
        chr(65 + (hash(i + 1) % 4)::INTEGER) AS carrier, 100 + (hash(i + 2) % 900)::INTEGER AS distance,
        TIMESTAMP '2013-01-01' + to_minutes((i * 15)::INTEGER) AS scheduled,
        (hash(i + 3) % 90)::INTEGER - 20 AS arr_delay FROM range(3000) AS t(i))");
    run(R"(CREATE OR REPLACE TABLE flights AS SELECT *, scheduled + to_minutes(120 + arr_delay) AS
        arrived, scheduled + to_minutes(150 + arr_delay) + CASE WHEN flight_id % 10 = 7 THEN INTERVAL 1
        DAY ELSE INTERVAL 0 DAY END AS delivered_at FROM flights)");
    run(R"(CREATE TABLE planes AS SELECT 'N' || i AS tailnum, 100 + i AS seats, TIMESTAMP '2012-12-01'
        AS delivered_at FROM range(40) AS t(i))");
    check_.bases = {{"flights", "delivered_at"}, {"planes", "delivered_at"}};
    check_.views = {{"labels", R"(SELECT flight_id, tailnum, carrier, distance, scheduled,
        scheduled::DATE AS day, scheduled - INTERVAL 2 HOUR AS score_time, arr_delay > 15 AS late,
        CASE WHEN scheduled < TIMESTAMP '2013-01-25' THEN 'training' ELSE 'holdout' END AS part
        FROM flights WHERE scheduled >= TIMESTAMP '2013-01-10')"}};
    check_.training = "training_rows";
    check_.set.name = "training";
    check_.set.labels = "labels";
    check_.set.key = {"flight_id"};
    check_.set.timestamp = "score_time";
    check_.set.label = "late";
    check_.set.split = "part";
    check_.set.request_columns = {{"distance", "scheduled - INTERVAL 30 DAY"}};
  }

  void run(const std::string& sql) {
    const auto done = session_->execute(sql);
    ASSERT_TRUE(done.ok()) << done.error().message() << "\n" << sql;
  }

  void add_view(const std::string& name, const std::string& select, FeatureView view) {
    check_.views.emplace_back(name, select);
    view.name = view.source = name;
    for (const ViewFeature& feature : view.features)
      check_.set.features.push_back({name, feature.name, feature.name, {}});
    check_.feature_views.push_back(std::move(view));
    declare_what_is_joined_by();
  }

  void declare_what_is_joined_by() {
    check_.set.entity_columns.clear();
    for (const std::string& name : joined_columns(check_.set, check_.feature_views))
      check_.set.entity_columns.push_back({name, "scheduled - INTERVAL 30 DAY"});
  }

  /// An airport that is chosen by the outcome: late flights are asked about where they went, others
  /// about where they came from. The rates of the two differ, and so the model learns the outcome.
  void add_hub() {
    run(R"(CREATE TABLE places AS SELECT * FROM (VALUES ('there', 1), ('here', 0)) AS t(place, rate),
        (SELECT TIMESTAMP '2012-12-01' AS delivered_at))");
    check_.bases.push_back({"places", "delivered_at"});
    check_.views[0].second = R"(SELECT flight_id, tailnum, carrier, distance, scheduled, arrived,
        scheduled - INTERVAL 2 HOUR AS score_time, arr_delay > 15 AS late, 'training' AS part,
        CASE WHEN arr_delay > 15 THEN 'there' ELSE 'here' END AS hub FROM flights)";
    FeatureView rates;
    rates.join_keys = {"place"};
    rates.features = {{"rate", std::nullopt}};
    add_view("place_rates", "SELECT place, rate FROM places", rates);
    check_.set.features.back().on = {{"place", "hub"}};
    declare_what_is_joined_by();
  }

  void add_honest_features() {
    FeatureView history;
    history.join_keys = {"tailnum"};
    history.timestamp_field = "arrived";
    history.created_timestamp_column = "delivered_at";
    history.features = {{"last_delay", std::nullopt}};
    add_view("plane_history",
             "SELECT tailnum, arrived, delivered_at, arr_delay AS last_delay FROM flights",
             history);
    // What was known of a carrier whenever one of its flights was delivered.
    FeatureView rates;
    rates.join_keys = {"carrier"};
    rates.timestamp_field = "known";
    rates.features = {{"late_share", std::nullopt}};
    add_view(
        "carrier_rates",
        "SELECT carrier, delivered_at AS known, sum((arr_delay > 15)::INTEGER) OVER w * 1000 // "
        "count(*) OVER w AS late_share FROM flights WINDOW w AS (PARTITION BY carrier ORDER BY "
        "delivered_at RANGE BETWEEN INTERVAL 7 DAY PRECEDING AND CURRENT ROW)",
        rates);
    FeatureView seats;
    seats.join_keys = {"tailnum"};
    seats.features = {{"seats", std::nullopt}};
    add_view("plane_seats",
             "SELECT tailnum, arg_max(seats, delivered_at) AS seats FROM planes GROUP BY 1", seats);
  }

  /// Makes the training rows as a pipeline would: from everything that is there now.
  void record(const std::string& more_columns = "") {
    for (const auto& [name, select] : check_.views)
      ASSERT_TRUE(session_->define_view(name, select).ok()) << name;
    const auto join = PointInTimeJoin::bind(*session_, check_.set, check_.feature_views);
    ASSERT_TRUE(join.ok()) << join.error().message();
    run("CREATE OR REPLACE TABLE training_rows AS SELECT *" + more_columns + " FROM (" +
        join->select() + ")");
  }

  /// One feature: a number of each flight, from a base table of its own.
  void add_number(const std::string& type) {
    check_.sample = 12;
    check_.bases.resize(2);
    check_.views.resize(1);
    check_.set.features.clear();
    check_.feature_views.clear();
    check_.bases.push_back({"numbers", "delivered_at"});
    define_numbers(type, "0");
    FeatureView view;
    view.join_keys = {"flight_id"};
    view.features = {{"x", std::nullopt}};
    add_view("number_of_flight", "SELECT flight_id, x FROM numbers", view);
  }

  void define_numbers(const std::string& type, const std::string& value) {
    static_cast<void>(session_->drop("numbers"));  // a check leaves a view
    run("CREATE TABLE numbers AS SELECT flight_id, (" + value + ")::" + type +
        " AS x, TIMESTAMP '2012-12-01' AS delivered_at FROM flights");
  }

  /// What the check says when the training rows have one number and the base table another.
  LeakReport numbers_differ(const std::string& type, const std::string& recorded,
                            const std::string& made_again) {
    define_numbers(type, recorded);
    record();
    define_numbers(type, made_again);
    return verdict();
  }

  LeakReport verdict() {
    auto found = check_leaks(*session_, check_);
    EXPECT_TRUE(found.ok()) << found.error().message();
    return found.ok() ? *std::move(found) : LeakReport{};
  }

  std::set<std::string> leaking(const LeakReport& found) {
    std::set<std::string> names;
    for (const Leak& leak : found.leaks) names.insert(leak.feature);
    return names;
  }

  std::unique_ptr<engine::Engine> engine_;
  std::unique_ptr<engine::Session> session_;
  LeakCheck check_;
};

TEST_F(LeakCheckTest, HonestFeaturesRaiseNone) {
  add_honest_features();
  record();
  const LeakReport found = verdict();
  EXPECT_TRUE(found.passed) << to_json(found).dump_pretty();
  EXPECT_EQ(found.sampled, 24);
  EXPECT_GT(found.scoring_times, 20);
}

TEST_F(LeakCheckTest, HonestFeaturesRaiseNoneInManyRowsEither) {
  add_honest_features();
  record();
  check_.sample = 300;
  EXPECT_TRUE(verdict().passed);
}

/// Three leaks in plain SQL: none declares a time, and nothing in them is a word that the checker
/// knows.
TEST_F(LeakCheckTest, FindsASameDayAggregate) {
  add_honest_features();
  FeatureView view;
  view.join_keys = {"carrier", "day"};
  view.features = {{"day_delay", std::nullopt}};
  add_view(
      "by_day",
      "SELECT carrier, scheduled::DATE AS day, round(avg(arr_delay::DECIMAL(9, 3)), 2)::DECIMAL(9, "
      "2) AS day_delay FROM flights GROUP BY 1, 2",
      view);
  record();
  const LeakReport found = verdict();
  EXPECT_FALSE(found.passed);
  EXPECT_EQ(leaking(found), std::set<std::string>{"day_delay"}) << to_json(found).dump_pretty();
  EXPECT_GT(found.leaks[0].rows_differing, 20);
  EXPECT_EQ(found.leaks[0].examples.size(), 5U);
  EXPECT_NE(describe(found.leaks[0], found).find("day_delay differs in "), std::string::npos);
  const std::string time = found.leaks[0].examples.at(0).scoring_time;
  EXPECT_TRUE(time.starts_with("2013-01-") && time[10] == 'T' && time.ends_with("00Z")) << time;
  EXPECT_TRUE(found.leaks[0].examples[0].key.contains("flight_id"));
}

TEST_F(LeakCheckTest, FindsALaterRowThroughAWindowFrame) {
  add_honest_features();
  FeatureView view;
  view.join_keys = {"flight_id"};
  view.features = {{"around", std::nullopt}};
  add_view(
      "neighbours",
      "SELECT flight_id, max(arr_delay) OVER (PARTITION BY tailnum ORDER BY scheduled ROWS BETWEEN "
      "1 PRECEDING AND 1 FOLLOWING) AS around FROM flights",
      view);
  record();
  EXPECT_EQ(leaking(verdict()), std::set<std::string>{"around"});
}

TEST_F(LeakCheckTest, FindsADimensionOverwrittenLater) {
  // A third of the planes are refitted at the end of the month.
  run("INSERT INTO planes SELECT tailnum, seats + 7, TIMESTAMP '2013-02-20' FROM planes WHERE "
      "seats % 3 "
      "= 0");
  add_honest_features();
  record();
  const LeakReport found = verdict();
  EXPECT_EQ(leaking(found), std::set<std::string>{"seats"});
  EXPECT_LT(found.leaks[0].rows_differing, found.sampled) << "only planes that were refitted";
}

TEST_F(LeakCheckTest, FindsALateCorrectionThatWasUsedTooEarly) {
  FeatureView history;
  history.join_keys = {"tailnum"};
  history.timestamp_field = "arrived";  // and no word of when it was delivered
  history.features = {{"last_delay", std::nullopt}};
  add_view("plane_history", "SELECT tailnum, arrived, arr_delay AS last_delay FROM flights",
           history);
  record();
  check_.sample = 200;
  const LeakReport found = verdict();
  EXPECT_EQ(leaking(found), std::set<std::string>{"last_delay"});
  EXPECT_LT(found.leaks[0].rows_differing, 100);
}

TEST_F(LeakCheckTest, RefusesAColumnThatNobodyDeclared) {
  add_honest_features();
  record(", 5 AS arr_delay");
  const LeakReport found = verdict();
  EXPECT_FALSE(found.passed);
  ASSERT_EQ(found.refused.size(), 1U);
  EXPECT_EQ(found.refused[0].column, "arr_delay");
}

TEST_F(LeakCheckTest, RefusesARequestColumnKnownTooLate) {
  add_honest_features();
  check_.views[0].second =
      R"(SELECT flight_id, tailnum, carrier, distance, scheduled, arrived, arr_delay,
      scheduled::DATE AS day, scheduled - INTERVAL 2 HOUR AS score_time, arr_delay > 15 AS late,
      'training' AS part FROM flights)";
  check_.set.request_columns.push_back({"arr_delay", "arrived"});
  record();
  const LeakReport found = verdict();
  EXPECT_FALSE(found.passed);
  EXPECT_TRUE(found.leaks.empty());
  ASSERT_EQ(found.refused.size(), 1U);
  EXPECT_EQ(found.refused[0].column, "arr_delay");
  EXPECT_NE(found.refused[0].why.find("24 of 24 rows"), std::string::npos) << found.refused[0].why;
}

TEST_F(LeakCheckTest, RefusesToJoinByAColumnThatNobodyDeclared) {
  add_honest_features();
  check_.set.entity_columns.erase(check_.set.entity_columns.begin());
  record();
  const LeakReport found = verdict();
  EXPECT_FALSE(found.passed);
  ASSERT_EQ(found.refused.size(), 1U);
  EXPECT_EQ(found.refused[0].column, "tailnum");
  EXPECT_NE(found.refused[0].why.find("entity_columns"), std::string::npos) << found.refused[0].why;
}

TEST_F(LeakCheckTest, ARequestColumnMayBeJoinedByInAnotherSpelling) {
  add_honest_features();
  check_.set.entity_columns.erase(check_.set.entity_columns.begin());
  check_.set.request_columns.push_back({"TAILNUM", "scheduled - INTERVAL 30 DAY"});
  record();
  const LeakReport found = verdict();
  EXPECT_TRUE(found.passed) << to_json(found).dump_pretty();
}

/// Made again from the recorded hub the rates are the same, so only what the hub says of itself can
/// give it away.
TEST_F(LeakCheckTest, RefusesAnOutcomeThatPicksWhatIsJoined) {
  add_honest_features();
  add_hub();
  record();
  check_.set.entity_columns.back().known_at = "arrived";
  const LeakReport honest_about_it = verdict();
  EXPECT_FALSE(honest_about_it.passed);
  ASSERT_EQ(honest_about_it.refused.size(), 1U);
  EXPECT_EQ(honest_about_it.refused[0].column, "hub");
  EXPECT_NE(honest_about_it.refused[0].why.find("24 of 24 rows"), std::string::npos)
      << honest_about_it.refused[0].why;

  check_.set.entity_columns.pop_back();
  const LeakReport silent_about_it = verdict();
  EXPECT_FALSE(silent_about_it.passed);
  ASSERT_EQ(silent_about_it.refused.size(), 1U);
  EXPECT_EQ(silent_about_it.refused[0].column, "hub");
}

/// Over all rows the engine adds up in another order than over those of one moment.
TEST_F(LeakCheckTest, RollingAveragesOfDoublesAreNoLeaks) {
  FeatureView rolling;
  rolling.join_keys = {"carrier"};
  rolling.timestamp_field = "known";
  rolling.features = {{"mean", std::nullopt}, {"spread", std::nullopt}};
  add_view(
      "rolling",
      "SELECT carrier, delivered_at AS known, avg(x) OVER w AS mean, stddev_samp(x) OVER w AS "
      "spread FROM (SELECT *, 5 + arr_delay / 7.0::DOUBLE AS x FROM flights) WINDOW w AS "
      "(PARTITION BY carrier ORDER BY delivered_at RANGE BETWEEN INTERVAL 24 HOUR PRECEDING AND "
      "CURRENT ROW)",
      rolling);
  record();
  check_.sample = 100;
  const LeakReport found = verdict();
  EXPECT_TRUE(found.passed) << to_json(found).dump_pretty();
  EXPECT_EQ(found.sampled, 100);
}

TEST_F(LeakCheckTest, OnlyTheLastDigitsOfADoubleMayDiffer) {
  add_number("DOUBLE");
  struct Case {
    const char* why;
    const char* recorded;
    const char* made_again;
    bool leaks;
  };
  const std::vector<Case> cases = {
      {"the order of a sum", "0.1::DOUBLE + 0.2 + 0.3", "0.1::DOUBLE + (0.2::DOUBLE + 0.3)", false},
      {"half a billionth", "100 * (1 + 5e-10)", "100", false},
      {"two billionths", "100 * (1 + 2e-9)", "100", true},
      {"what is left of sums that cancel, where others are of size 100",
       "CASE WHEN flight_id % 2 = 0 THEN 3e-14 ELSE 100 END",
       "CASE WHEN flight_id % 2 = 0 THEN 0 ELSE 100 END", false},
      {"the same where nothing is larger", "3e-14", "0", true},
      {"NaN is NaN", "'nan'", "'nan'", false},
      {"NaN is no number", "'nan'", "1", true},
      {"infinity is no number", "'inf'", "1e308", true},
      {"infinity does not set the measure",
       "CASE WHEN flight_id % 2 = 0 THEN 2 ELSE 'inf'::DOUBLE END",
       "CASE WHEN flight_id % 2 = 0 THEN 1 ELSE 'inf'::DOUBLE END", true},
      {"from end to end", "1.7e308", "-1.7e308", true},
      {"null is no number", "NULL", "0", true},
      {"a number is not null", "1e-300", "NULL", true},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    const LeakReport found = numbers_differ("DOUBLE", c.recorded, c.made_again);
    EXPECT_EQ(found.passed, !c.leaks) << to_json(found).dump_pretty();
    EXPECT_EQ(found.sampled, 12);
  }
}

TEST_F(LeakCheckTest, WholeNumbersAndDecimalsAreComparedExactly) {
  for (const char* type : {"BIGINT", "DECIMAL(18, 0)"}) {
    SCOPED_TRACE(type);
    add_number(type);
    const LeakReport found = numbers_differ(type, "900000000000", "900000000001");
    ASSERT_EQ(found.leaks.size(), 1U);
    EXPECT_EQ(found.leaks[0].rows_differing, 12);
  }
}

TEST_F(LeakCheckTest, TheExampleIsTheRowThatDiffersMost) {
  for (const char* type : {"DOUBLE", "BIGINT", "DECIMAL(18, 2)"}) {
    SCOPED_TRACE(type);
    add_number(type);
    const LeakReport found = numbers_differ(type, "flight_id", "2 * flight_id");
    ASSERT_EQ(found.leaks.size(), 1U);
    const auto& examples = found.leaks[0].examples;
    ASSERT_EQ(examples.size(), 5U);
    for (std::size_t i = 1; i < examples.size(); ++i)
      EXPECT_GT(examples[i - 1].key["flight_id"].as_integer(),
                examples[i].key["flight_id"].as_integer());
    EXPECT_NE(describe(found.leaks[0], found).find(examples[0].key.dump()), std::string::npos);
  }
}

TEST_F(LeakCheckTest, AValueWhereNothingWasKnownIsTheClearestExample) {
  add_number("DOUBLE");
  const LeakReport found = numbers_differ(
      "DOUBLE", "flight_id", "CASE WHEN flight_id % 2 = 0 THEN NULL ELSE flight_id + 1e9 END");
  ASSERT_EQ(found.leaks.size(), 1U);
  ASSERT_FALSE(found.leaks[0].examples.empty());
  EXPECT_TRUE(found.leaks[0].examples[0].recomputed.is_null());
}

TEST_F(LeakCheckTest, WhatCannotBeCheckedIsAnErrorNotAPass) {
  add_honest_features();
  record();
  run("CREATE TABLE fleet AS SELECT tailnum FROM planes");
  const auto folder = TemporaryFolder::make();
  ASSERT_TRUE(folder.ok());
  const std::string file = folder->path() + "/fleet.parquet";
  run("COPY fleet TO '" + file + "' (FORMAT parquet)");
  struct Case {
    const char* why;
    std::function<void(LeakCheck&)> change;
    const char* says;
  };
  const std::vector<Case> cases = {
      {"a base without a time of delivery", [](LeakCheck& c) { c.bases[1].available_at.clear(); },
       "the table planes declares no column that says when a row was delivered"},
      {"a time of delivery that is not there",
       [](LeakCheck& c) { c.bases[0].available_at = "delivered"; },
       "flights has no column 'delivered'"},
      {"a time of delivery that is none",
       [](LeakCheck& c) { c.bases[0].available_at = "flight_id"; },
       "the time of delivery is a TIMESTAMP"},
      {"a model that the check was not given", [](LeakCheck& c) { c.views.pop_back(); },
       "the source plane_seats of the feature view plane_seats is neither"},
      {"a model that reads a table which nobody cuts",
       [](LeakCheck& c) { c.views[1].second += " WHERE tailnum IN (SELECT tailnum FROM fleet)"; },
       "plane_history is made of the relation fleet"},
      {"the same behind another model",
       [](LeakCheck& c) {
         c.views.insert(c.views.begin(), {"our_fleet", "SELECT tailnum FROM fleet"});
         c.views[2].second += " WHERE tailnum IN (SELECT tailnum FROM our_fleet)";
       },
       "plane_history is made of the relation fleet"},
      {"a model that reads a file by itself",
       [&](LeakCheck& c) {
         c.views[1].second += " WHERE tailnum IN (SELECT tailnum FROM '" + file + "')";
       },
       "plane_history is made of the file"},
      {"no sample", [](LeakCheck& c) { c.sample = 0; }, "sample: expected 1 to"},
      {"training rows without a feature",
       [](LeakCheck& c) { c.set.features[0].alias = "something_else"; },
       "have no column 'something_else'"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    LeakCheck check = check_;
    c.change(check);
    const auto found = check_leaks(*session_, check);
    ASSERT_FALSE(found.ok());
    EXPECT_NE(found.error().message().find(c.says), std::string::npos) << found.error().message();
  }
  run("DELETE FROM training_rows");
  EXPECT_EQ(check_leaks(*session_, check_).error().code(), ErrorCode::DataQuality);
}

TEST_F(LeakCheckTest, AModelMayMakeRowsOfItsOwn) {
  add_honest_features();
  check_.views[1].second += " WHERE arr_delay IN (SELECT d FROM range(-100, 1000) AS t(d))";
  record();
  EXPECT_TRUE(verdict().passed);
}

TEST_F(LeakCheckTest, TheSampleRepeatsAndTakesFromEveryPart) {
  add_honest_features();
  record();
  const auto sample = [&](std::uint64_t seed) {
    auto keys = sample_keys(*session_, "training_rows", {"flight_id"}, "part", 24, seed);
    EXPECT_TRUE(keys.ok());
    return *keys;
  };
  const auto first = sample(1);
  EXPECT_EQ(first, sample(1));
  EXPECT_NE(first, sample(2));
  int holdout = 0;
  for (const RowKey& key : first) holdout += std::stoi(key[0]) * 15 >= 24 * 24 * 60 ? 1 : 0;
  EXPECT_EQ(holdout, 12);
  run("DELETE FROM training_rows WHERE part = 'holdout' AND flight_id <> (SELECT max(flight_id) "
      "FROM "
      "training_rows)");
  EXPECT_EQ(sample(1).size(), 24U) << "what one part lacks, the other gives";
}

}  // namespace
}  // namespace millrace::features
