#pragma once

// The port for rows that must survive a crash. Each room keeps its own tables through it, named
// after the room ("orchestration_runs"), made by that room's numbered migrations.
//
// SQL here is the subset that SQLite and PostgreSQL share: TEXT, BIGINT, DOUBLE PRECISION columns,
// $1 $2 ... for parameters, ON CONFLICT, RETURNING. Moments are BIGINT microseconds of UTC;
// documents are TEXT holding JSON. Text is UTF-8 without NUL (base/utf8.h mends what others wrote),
// a double is not NaN. Foreign keys are enforced.

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
  // Precondition: the value has that type (integer() and number() also take a null as 0, text() a
  // null as "", number() an integer).
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
  /// One statement; none that begins or ends transactions. Errors: Invalid (the SQL, a parameter, a
  /// constraint), AlreadyExists (a unique key), Conflict, Unavailable, Exhausted (disk full),
  /// Corruption.
  ///
  /// An Error ends the transaction, as in PostgreSQL: later queries return it again, and so does
  /// write(), whatever `work` returns. Where a row may be there already, say ON CONFLICT.
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
  /// returns an Error (`work`'s own, or the commit's; when the commit was Unavailable, because the
  /// connection or the disk failed in the middle, the outcome is unknown). Calls from several
  /// threads are serialised and share one fsync where they meet (group commit): `work` may run on
  /// another caller's thread, so it must be quick and must not call the Database again. An
  /// exception that it throws becomes Internal.
  virtual Status write(const std::function<Status(Transaction&)>& work) = 0;
  /// Runs `work` over one consistent state; it must only read. Does not wait for writers. Where one has
  /// come across it `work` is run again from its beginning, so it begins with empty hands.
  virtual Status read(const std::function<Status(Transaction&)>& work) = 0;

  /// Brings the tables of `room` to the newest of `migrations`, all steps or none, also when
  /// several processes do it at once; writes nothing where they are there. Each step's text is
  /// remembered by its hash (white space and comments aside). Errors: Unsupported when the tables
  /// were made by a newer Millrace, or by one whose steps had another text.
  Status migrate(std::string_view room, std::span<const Migration> migrations);
};

/// A SQLite file in WAL mode, synchronous=FULL; made if it is missing, with the folders above it.
/// One Database object per process and file; other processes may hold their own (a write then waits
/// up to 10 seconds for theirs, then is Unavailable). The file's marks: docs/formats/metadata.md.
/// Errors: Denied, Unavailable, Exhausted, Corruption (not a database), Unsupported (another
/// program's database, or a newer Millrace's; a file system without shared memory).
Result<std::unique_ptr<Database>> open_sqlite(const std::string& path);

/// A file that is there, for who only reads. Where this user may not write it (another user's, a
/// read-only mount), nothing is made or upgraded anywhere, and write() is Unavailable and says so. Without
/// a log nobody has it open; then it is read without locks, as is a log without its shared memory (a
/// copied folder). Where a writer comes or goes meanwhile read() looks again, for up to 2 seconds; then it
/// is Unavailable: ask again. Errors: as above; NotFound.
Result<std::unique_ptr<Database>> open_sqlite_to_read(const std::string& path);

}  // namespace millrace::metadata
