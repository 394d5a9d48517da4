#pragma once

// The one adapter to the sqlite3 library: a connection, its statements, and its errors as ours.

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "metadata/database.h"

struct sqlite3;
struct sqlite3_stmt;

namespace millrace::metadata {

/// The path from the root. Errors: Invalid where it is too long for SQLite.
Result<std::filesystem::path> sqlite_path(const std::string& path);

/// Used by one thread at a time.
class SqliteConnection {
 public:
  enum class Access {
    ReadWrite,
    ReadOnly,    // of a file that is written through another connection of this process
    Unwritable,  // this user may only read the file; others may be writing it
    Unchanging,  // the same, and there is no log: nobody has it open. No lock, no shared memory
    Abandoned,  // the same, but there is a log without shared memory (a copied folder, a crash whose
                // files were moved): it is read too, and its index kept in our own memory
  };

  /// Opens without reading; the first statement finds out whether it is a database. Waits up to 10
  /// seconds where another process writes. Errors: Denied, Unavailable.
  static Result<std::unique_ptr<SqliteConnection>> open(const std::string& path, Access access);
  ~SqliteConnection();
  SqliteConnection(const SqliteConnection&) = delete;
  SqliteConnection& operator=(const SqliteConnection&) = delete;

  /// A statement of our own, without parameters.
  Result<Rows> execute(std::string_view sql);
  /// A statement of a room: nothing that ends the transaction, attaches files or sets pragmas.
  Result<Rows> query(std::string_view sql, std::span<const Value> parameters);
  /// False when SQLite has given the transaction up by itself (disk full, I/O error).
  bool in_transaction() const;
  /// Whether a deferred foreign key now points nowhere: the commit would fail.
  bool has_dangling_references() const;

 private:
  enum class Origin { Ours, Room };
  explicit SqliteConnection(sqlite3* database) : database_(database) {}
  Result<sqlite3_stmt*> prepare(std::string_view sql);
  Status bind(sqlite3_stmt* statement, std::span<const Value> parameters);
  Result<Rows> run(sqlite3_stmt* statement, std::string_view sql);
  Error error(std::string_view sql) const;
  int system_error() const;
  static int authorize(void* self, int action, const char*, const char*, const char*, const char*);

  sqlite3* database_;
  // Of the statement being prepared or run: SQLite prepares again by itself when the schema
  // changes.
  Origin origin_ = Origin::Ours;
  std::unordered_map<std::string, sqlite3_stmt*> statements_;  // by origin and text
};

}  // namespace millrace::metadata
