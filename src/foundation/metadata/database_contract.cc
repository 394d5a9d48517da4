#include "metadata/database_contract.h"

#include <atomic>
#include <cmath>
#include <latch>
#include <limits>
#include <stdexcept>
#include <thread>

namespace millrace::metadata {
namespace {

constexpr Migration kMigrations[] = {
    {1, "CREATE TABLE contract_pairs (k TEXT PRIMARY KEY, v BIGINT NOT NULL)"},
    {2,
     "CREATE TABLE contract_children (name TEXT PRIMARY KEY,\n"
     "  parent TEXT REFERENCES contract_pairs (k) DEFERRABLE INITIALLY DEFERRED,\n"
     "  weight DOUBLE PRECISION);\n"
     "CREATE INDEX contract_children_parent ON contract_children (parent);"},
};

}  // namespace

std::span<const Migration> contract_migrations() {
  return kMigrations;
}

Status insert_pair(Database& database, const std::string& key, std::int64_t value) {
  return database.write([&](Transaction& transaction) -> Status {
    TRY(transaction.query("INSERT INTO contract_pairs (k, v) VALUES ($1, $2)", {key, value}));
    return {};
  });
}

void DatabaseContract::SetUp() {
  place_ = GetParam().make();
  database_ = place_->open();
  const Status migrated = database_->migrate("contract", kMigrations);
  ASSERT_TRUE(migrated.ok()) << migrated.error().message();
}

std::int64_t DatabaseContract::pairs() {
  std::int64_t count = -1;
  const Status status = database().read([&](Transaction& transaction) -> Status {
    count = TRY(transaction.query("SELECT count(*) FROM contract_pairs")).integer(0, 0);
    return {};
  });
  EXPECT_TRUE(status.ok()) << status.error().message();
  return count;
}

namespace {

TEST_P(DatabaseContract, WhatWasWrittenIsReadBack) {
  const std::vector<std::pair<std::string, std::int64_t>> values = {
      {"", 0},
      {"ä€😀 'quoted' \"\n", std::numeric_limits<std::int64_t>::min()},
      {std::string(1 << 20, 'x'), std::numeric_limits<std::int64_t>::max()},
  };
  for (const auto& [key, value] : values) ASSERT_TRUE(insert_pair(database(), key, value).ok());
  const Status read = database().read([&](Transaction& transaction) -> Status {
    for (const auto& [key, value] : values) {
      const Rows rows =
          TRY(transaction.query("SELECT v, k FROM contract_pairs WHERE k = $1", {key}));
      EXPECT_EQ(rows.columns(), (std::vector<std::string>{"v", "k"}));
      if (rows.size() != 1) return Error(ErrorCode::NotFound, "row");
      EXPECT_EQ(rows.integer(0, 0), value);
      EXPECT_EQ(rows.text(0, 1), key);
    }
    return {};
  });
  EXPECT_TRUE(read.ok()) << read.error().message();
}

TEST_P(DatabaseContract, NullsAndDoublesKeepTheirKind) {
  const Status status = database().write([](Transaction& transaction) -> Status {
    TRY(transaction.query("INSERT INTO contract_children (name, weight) VALUES ($1, $2)",
                          {"third", 1.0 / 3}));
    TRY(transaction.query("INSERT INTO contract_children (name, weight) VALUES ($1, $2)",
                          {"whole", 2.0}));
    TRY(
        transaction.query("INSERT INTO contract_children (name, parent, weight) "
                          "VALUES ($1, $2, $3)",
                          {"none", nullptr, nullptr}));
    const Rows rows =
        TRY(transaction.query("SELECT name, parent, weight FROM contract_children ORDER BY name"));
    EXPECT_TRUE(rows.is_null(0, 1) && rows.is_null(0, 2));
    EXPECT_EQ(rows.text(0, 1), "");
    EXPECT_EQ(rows.number(0, 2), 0.0);
    EXPECT_EQ(rows.number(1, 2), 1.0 / 3);
    EXPECT_EQ(rows.number(2, 2), 2.0);
    return {};
  });
  EXPECT_TRUE(status.ok()) << status.error().message();
}

TEST_P(DatabaseContract, AParameterMayStandInAnyOrderAndTwice) {
  const Status status = database().read([](Transaction& transaction) -> Status {
    const Rows rows =
        TRY(transaction.query("SELECT CAST($2 AS BIGINT) - CAST($1 AS BIGINT), CAST($1 AS BIGINT)",
                              {std::int64_t{3}, std::int64_t{10}}));
    EXPECT_EQ(rows.integer(0, 0), 7);
    EXPECT_EQ(rows.integer(0, 1), 3);
    return {};
  });
  EXPECT_TRUE(status.ok()) << status.error().message();
}

TEST_P(DatabaseContract, UpsertAndReturningAreThere) {
  const Status status = database().write([](Transaction& transaction) -> Status {
    for (const std::int64_t expected : {5, 10, 15}) {
      const Rows rows = TRY(transaction.query(
          "INSERT INTO contract_pairs (k, v) VALUES ($1, $2) "
          "ON CONFLICT (k) DO UPDATE SET v = contract_pairs.v + excluded.v RETURNING v",
          {"counter", std::int64_t{5}}));
      EXPECT_EQ(rows.integer(0, 0), expected);
    }
    return {};
  });
  EXPECT_TRUE(status.ok()) << status.error().message();
}

struct BadQuery {
  const char* why;
  const char* sql;
  std::vector<Value> parameters;
  ErrorCode expected;
};

TEST_P(DatabaseContract, ABadQueryIsAnErrorAndChangesNothing) {
  ASSERT_TRUE(insert_pair(database(), "taken", 1).ok());
  const char* insert = "INSERT INTO contract_pairs (k, v) VALUES ($1, $2)";
  const std::vector<BadQuery> cases = {
      {"no SQL", "SELEC 1", {}, ErrorCode::Invalid},
      {"nothing", "", {}, ErrorCode::Invalid},
      {"a comment", "-- nothing", {}, ErrorCode::Invalid},
      {"no such table", "SELECT * FROM contract_absent", {}, ErrorCode::Invalid},
      {"two statements", "DELETE FROM contract_pairs; SELECT 1", {}, ErrorCode::Invalid},
      {"too few parameters", insert, {"a"}, ErrorCode::Invalid},
      {"too many parameters", insert, {"a", std::int64_t{1}, "b"}, ErrorCode::Invalid},
      {"another library's parameters", "SELECT ?", {"a"}, ErrorCode::Invalid},
      {"not a number", insert, {"a", std::nan("")}, ErrorCode::Invalid},
      {"not UTF-8", insert, {"caf\xE9", std::int64_t{1}}, ErrorCode::Invalid},
      {"a NUL", insert, {std::string("a\0b", 3), std::int64_t{1}}, ErrorCode::Invalid},
      {"null where none may be", insert, {"a", nullptr}, ErrorCode::Invalid},
      {"a key twice", insert, {"taken", std::int64_t{2}}, ErrorCode::AlreadyExists},
      {"ends the transaction", "COMMIT", {}, ErrorCode::Invalid},
      {"gives the transaction up", "ROLLBACK", {}, ErrorCode::Invalid},
      {"begins another", "BEGIN", {}, ErrorCode::Invalid},
      {"sets a savepoint", "SAVEPOINT mine", {}, ErrorCode::Invalid},
  };
  for (const BadQuery& c : cases) {
    SCOPED_TRACE(c.why);
    const Status status = database().write([&](Transaction& transaction) -> Status {
      TRY(transaction.query(insert, {"before", std::int64_t{1}}));
      TRY(transaction.query(c.sql, c.parameters));
      return {};
    });
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code(), c.expected) << status.error().message();
    EXPECT_EQ(pairs(), 1);
  }
}

TEST_P(DatabaseContract, AForeignKeyIsCheckedAtTheLatestByTheCommit) {
  const auto child = [](Transaction& transaction, const char* parent) -> Status {
    TRY(transaction.query("INSERT INTO contract_children (name, parent) VALUES ($1, $2)",
                          {"child of " + std::string(parent), parent}));
    return {};
  };
  const Status dangling =
      database().write([&](Transaction& transaction) { return child(transaction, "absent"); });
  ASSERT_FALSE(dangling.ok());
  EXPECT_EQ(dangling.error().code(), ErrorCode::Invalid) << dangling.error().message();
  const Status later = database().write([&](Transaction& transaction) -> Status {
    TRY(child(transaction, "late"));
    TRY(transaction.query("INSERT INTO contract_pairs (k, v) VALUES ('late', 1)"));
    return {};
  });
  EXPECT_TRUE(later.ok()) << later.error().message();
}

TEST_P(DatabaseContract, AnErrorOfTheWorkLeavesNothing) {
  const Status status = database().write([](Transaction& transaction) -> Status {
    TRY(transaction.query("INSERT INTO contract_pairs (k, v) VALUES ('a', 1)"));
    return Error(ErrorCode::Denied, "changed my mind");
  });
  EXPECT_EQ(status.error().code(), ErrorCode::Denied);
  EXPECT_EQ(status.error().message(), "changed my mind");
  EXPECT_EQ(pairs(), 0);
}

TEST_P(DatabaseContract, AnErrorThatTheWorkSwallowsStillEndsTheTransaction) {
  ASSERT_TRUE(insert_pair(database(), "taken", 1).ok());
  const Status status = database().write([](Transaction& transaction) -> Status {
    EXPECT_FALSE(transaction.query("INSERT INTO contract_pairs (k, v) VALUES ('taken', 1)").ok());
    EXPECT_EQ(transaction.query("SELECT 1").error().code(), ErrorCode::AlreadyExists);
    return {};
  });
  EXPECT_EQ(status.error().code(), ErrorCode::AlreadyExists);
  EXPECT_EQ(pairs(), 1);
}

TEST_P(DatabaseContract, AnExceptionOfTheWorkLeavesNothing) {
  const Status status = database().write([](Transaction& transaction) -> Status {
    TRY(transaction.query("INSERT INTO contract_pairs (k, v) VALUES ('a', 1)"));
    throw std::runtime_error("oh");
  });
  EXPECT_EQ(status.error().code(), ErrorCode::Internal);
  EXPECT_EQ(pairs(), 0);
  EXPECT_TRUE(insert_pair(database(), "a", 1).ok());
}

TEST_P(DatabaseContract, AReadMayNotWrite) {
  const Status status = database().read([](Transaction& transaction) -> Status {
    TRY(transaction.query("INSERT INTO contract_pairs (k, v) VALUES ('a', 1)"));
    return {};
  });
  EXPECT_FALSE(status.ok());
  EXPECT_EQ(pairs(), 0);
}

TEST_P(DatabaseContract, AReadSeesOneStateWhileOthersWrite) {
  ASSERT_TRUE(insert_pair(database(), "a", 1).ok());
  const Status status = database().read([&](Transaction& transaction) -> Status {
    const auto count = [&]() -> Result<std::int64_t> {
      return TRY(transaction.query("SELECT count(*) FROM contract_pairs")).integer(0, 0);
    };
    EXPECT_EQ(TRY(count()), 1);
    std::thread([&] { EXPECT_TRUE(insert_pair(database(), "b", 2).ok()); }).join();
    EXPECT_EQ(TRY(count()), 1);
    return {};
  });
  EXPECT_TRUE(status.ok()) << status.error().message();
  EXPECT_EQ(pairs(), 2);
}

TEST_P(DatabaseContract, ManyReadersAtOnceAllGetTheirTurn) {
  std::atomic<int> answers = 0;
  std::vector<std::thread> threads;
  threads.reserve(20);
  for (int t = 0; t < 20; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 20; ++i)
        if (pairs() == 0) ++answers;
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(answers, 400);
}

TEST_P(DatabaseContract, EachOfManyConcurrentWritesGetsItsOwnOutcome) {
  constexpr int threads_count = 8;
  constexpr int each = 40;
  ASSERT_TRUE(insert_pair(database(), "taken", 0).ok());
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  threads.reserve(threads_count);
  for (int t = 0; t < threads_count; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < each; ++i) {
        const bool fails = i % 4 == 3;
        const std::string key = fails ? "taken" : std::to_string(t) + "/" + std::to_string(i);
        const Status status = database().write([&](Transaction& transaction) -> Status {
          const std::string also = "also " + std::to_string(t) + "/" + std::to_string(i);
          TRY(transaction.query("INSERT INTO contract_pairs (k, v) VALUES ($1, 1)", {also}));
          TRY(transaction.query("INSERT INTO contract_pairs (k, v) VALUES ($1, 1)", {key}));
          return {};
        });
        const bool as_expected =
            fails ? !status.ok() && status.error().code() == ErrorCode::AlreadyExists : status.ok();
        if (!as_expected) ++wrong;
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(pairs(), 1 + 2 * threads_count * each * 3 / 4);
}

TEST_P(DatabaseContract, IncrementsOfSeveralDatabasesAreNotLost) {
  ASSERT_TRUE(insert_pair(database(), "counter", 0).ok());
  std::vector<std::thread> threads;
  threads.reserve(3);
  std::atomic<int> failures = 0;
  for (int t = 0; t < 3; ++t)
    threads.emplace_back([&] {
      const auto mine = place().open();
      for (int i = 0; i < 50; ++i) {
        const Status status = mine->write([](Transaction& transaction) -> Status {
          const Rows rows =
              TRY(transaction.query("SELECT v FROM contract_pairs WHERE k = 'counter'"));
          TRY(transaction.query("UPDATE contract_pairs SET v = $1 WHERE k = 'counter'",
                                {rows.integer(0, 0) + 1}));
          return {};
        });
        if (!status.ok()) ++failures;
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failures, 0);
  const Status status = database().read([](Transaction& transaction) -> Status {
    EXPECT_EQ(TRY(transaction.query("SELECT v FROM contract_pairs")).integer(0, 0), 150);
    return {};
  });
  EXPECT_TRUE(status.ok());
}

TEST_P(DatabaseContract, MigrationsRunOnceAndInOrder) {
  ASSERT_TRUE(insert_pair(database(), "a", 1).ok());
  EXPECT_TRUE(database().migrate("contract", contract_migrations()).ok());
  const std::vector<Migration> longer = {
      contract_migrations()[0],
      contract_migrations()[1],
      {3, "ALTER TABLE contract_pairs ADD COLUMN note TEXT; UPDATE contract_pairs SET note = 'n';"},
  };
  ASSERT_TRUE(database().migrate("contract", longer).ok());
  ASSERT_TRUE(place().open()->migrate("contract", longer).ok());
  const Status status = database().read([](Transaction& transaction) -> Status {
    EXPECT_EQ(TRY(transaction.query("SELECT note FROM contract_pairs")).text(0, 0), "n");
    return {};
  });
  EXPECT_TRUE(status.ok());
}

TEST_P(DatabaseContract, AFailingMigrationLeavesEverythingAsItWas) {
  const std::vector<Migration> steps = {
      {1, "CREATE TABLE contract_new (k TEXT PRIMARY KEY)"},
      {2, "CREATE TABLE contract_newer (k TEXT PRIMARY KEY); THIS IS NO SQL"},
  };
  const Status failed = database().migrate("contract_other", steps);
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().code(), ErrorCode::Invalid);
  EXPECT_NE(failed.error().message().find("contract_other', step 2"), std::string::npos);
  EXPECT_TRUE(database().migrate("contract_other", std::span(steps).first(1)).ok())
      << "step 1 was not kept";
}

TEST_P(DatabaseContract, TablesOfANewerOrAnotherMillraceAreRefused) {
  const Status newer = database().migrate("contract", contract_migrations().first(1));
  ASSERT_FALSE(newer.ok());
  EXPECT_EQ(newer.error().code(), ErrorCode::Unsupported);
  EXPECT_NE(newer.error().message().find("step 2"), std::string::npos) << newer.error().message();
  const std::vector<Migration> changed = {
      {1, "CREATE TABLE contract_pairs (k TEXT PRIMARY KEY, v TEXT)"}, contract_migrations()[1]};
  EXPECT_EQ(database().migrate("contract", changed).error().code(), ErrorCode::Unsupported);
  const std::vector<Migration> reformatted = {
      {1, "CREATE TABLE contract_pairs -- a comment\n\n(k TEXT PRIMARY KEY,   v BIGINT NOT NULL);"},
      contract_migrations()[1]};
  EXPECT_TRUE(database().migrate("contract", reformatted).ok());
}

TEST_P(DatabaseContract, SeveralMigrateAtOnceAndOneDoes) {
  const std::vector<Migration> steps = {{1, "CREATE TABLE contract_race (k TEXT PRIMARY KEY)"}};
  std::vector<std::thread> threads;
  threads.reserve(4);
  std::atomic<int> failures = 0;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      if (!place().open()->migrate("contract_race", steps).ok()) ++failures;
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failures, 0);
}

}  // namespace
}  // namespace millrace::metadata
