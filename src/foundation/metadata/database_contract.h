#pragma once

// The law of database.h as tests. An implementation joins with one line in its own test file:
//   INSTANTIATE_TEST_SUITE_P(Sqlite, DatabaseContract, testing::Values(DatabaseFactory{...}));

#include <functional>
#include <memory>
#include <ostream>
#include <string>

#include <gtest/gtest.h>

#include "metadata/database.h"

namespace millrace::metadata {

/// Where a database lives for the length of a test; empty at first.
class DatabasePlace {
 public:
  virtual ~DatabasePlace() = default;
  /// Each call opens another Database on the same rows.
  virtual std::unique_ptr<Database> open() = 0;
};

struct DatabaseFactory {
  std::string name;
  std::function<std::unique_ptr<DatabasePlace>()> make;
  friend std::ostream& operator<<(std::ostream& out, const DatabaseFactory& factory) {
    return out << factory.name;
  }
};

class DatabaseContract : public testing::TestWithParam<DatabaseFactory> {
 protected:
  void SetUp() override;
  Database& database() { return *database_; }
  DatabasePlace& place() { return *place_; }
  /// The number of rows in contract_pairs.
  std::int64_t pairs();

 private:
  std::unique_ptr<DatabasePlace> place_;
  std::unique_ptr<Database> database_;
};

/// Tables for tests: contract_pairs(k TEXT primary key, v BIGINT) and contract_children, whose
/// parent is a k.
std::span<const Migration> contract_migrations();

/// Inserts one row into contract_pairs.
Status insert_pair(Database& database, const std::string& key, std::int64_t value);

}  // namespace millrace::metadata
