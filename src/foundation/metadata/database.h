#pragma once

// The port for rows that must survive a crash. Each room keeps its own tables through it, named
// after the room
// ("orchestration_runs"), made by that room's numbered migrations.
//
// SQL here is the subset that SQLite and PostgreSQL share: TEXT, BIGINT, DOUBLE PRECISION columns,
// $1 $2 ... for parameters, ON CONFLICT, RETURNING. Moments are BIGINT microseconds of UTC;
// documents are TEXT holding JSON.

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"

namespace millrace::metadata {

using Value = std::variant<std::nullptr_t, std::int64_t, double, std::string>;

/// The rows of one answer, all in memory: metadata is small. Queries that may grow carry a LIMIT.
class Rows {
 public:
  Rows(std::vector<std::string> columns, std::vector<std::vector<Value>> rows)
      : columns_(std::move(columns)), rows_(std::move(rows)) {}

  std::size_t size() const { return rows_.size(); }
  bool empty() const { return rows_.empty(); }
  const std::vector<std::string>& columns() const { return columns_; }

  bool is_null(std::size_t row, std::size_t column) const;
  // Precondition: the value has that type (integer() also takes a null as 0, text() a null as "").
  std::int64_t integer(std::size_t row, std::size_t column) const;
  double number(std::size_t row, std::size_t column) const;
  const std::string& text(std::size_t row, std::size_t column) const;

 private:
  std::vector<std::string> columns_;
  std::vector<std::vector<Value>> rows_;
};

/// One transaction, valid while the function that received it runs.
class Transaction {
 public:
  virtual ~Transaction() = default;
  /// One statement. Errors: Invalid (the SQL or a parameter), AlreadyExists (a unique key),
  /// Conflict, Unavailable, Exhausted (disk full), Corruption.
  virtual Result<Rows> query(std::string_view sql, std::span<const Value> parameters) = 0;
  Result<Rows> query(std::string_view sql, std::initializer_list<Value> parameters = {}) {
    return query(sql, std::span(parameters.begin(), parameters.size()));
  }
};

/// One step of a room's schema. Numbers start at 1 and have no gap; a published step never changes.
struct Migration {
  int number = 0;
  std::string_view sql;  // one or more statements
};

class Database {
 public:
  virtual ~Database() = default;

  /// Runs `work` in a transaction: all of it is durable when this returns ok, none of it when it
  /// returns an Error
  /// (`work`'s own, or the commit's). Calls from several threads are serialised and share one fsync
  /// where they meet (group commit), so `work` must be quick and must not call the Database again.
  virtual Status write(const std::function<Status(Transaction&)>& work) = 0;
  /// Runs `work` over one consistent state; it must only read. Does not wait for writers.
  virtual Status read(const std::function<Status(Transaction&)>& work) = 0;

  /// Brings the tables of `room` to the newest of `migrations`. Errors: Unsupported when the tables
  /// were made by a newer Millrace.
  Status migrate(std::string_view room, std::span<const Migration> migrations);
};

/// A SQLite file in WAL mode, synchronous=FULL; made if it is missing. One Database object per
/// process and file; other processes may hold their own. Errors: Denied, Unavailable, Corruption
/// (not a database).
Result<std::unique_ptr<Database>> open_sqlite(const std::string& path);

}  // namespace millrace::metadata
