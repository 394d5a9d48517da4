#include "metadata/sqlite_connection.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>

#include <fmt/core.h>
#include <sqlite3.h>

#include "base/file.h"
#include "base/utf8.h"

namespace millrace::metadata {
namespace {

constexpr int kBusyMilliseconds = 10'000;
constexpr std::size_t kMostStatements = 256;
constexpr std::size_t kLongestPath = 500;  // SQLite's 512 with the ending of its log

bool is_full(int system_error) {
  return system_error == ENOSPC || system_error == EDQUOT || system_error == EFBIG;
}

ErrorCode code_of(int extended, int system_error) {
  switch (extended) {
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_ROWID:
      return ErrorCode::AlreadyExists;
    default:
      break;
  }
  switch (extended & 0xFF) {
    case SQLITE_CONSTRAINT:
    case SQLITE_ERROR:
    case SQLITE_AUTH:
    case SQLITE_TOOBIG:
    case SQLITE_MISMATCH:
    case SQLITE_RANGE:
      return ErrorCode::Invalid;
    case SQLITE_READONLY:
    case SQLITE_PERM:
      return ErrorCode::Denied;
    case SQLITE_CANTOPEN:
      return system_error == EACCES ? ErrorCode::Denied : ErrorCode::Unavailable;
    case SQLITE_FULL:
    case SQLITE_NOMEM:
      return ErrorCode::Exhausted;
    case SQLITE_IOERR:
      return is_full(system_error) ? ErrorCode::Exhausted : ErrorCode::Unavailable;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return ErrorCode::Corruption;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
    case SQLITE_SCHEMA:
      return ErrorCode::Unavailable;
    case SQLITE_INTERRUPT:
      return ErrorCode::Cancelled;
    default:
      return ErrorCode::Internal;
  }
}

/// The n of "$n".
Result<std::size_t> parameter_number(const char* name) {
  const std::string_view text = name == nullptr ? "?" : name;
  std::size_t number = 0;
  const auto [end, failed] = std::from_chars(text.data() + 1, text.data() + text.size(), number);
  if (text.front() != '$' || failed != std::errc() || end != text.data() + text.size() ||
      number == 0)
    return Error(ErrorCode::Invalid,
                 fmt::format("parameters are written $1, $2, ...; found '{}'", text));
  return number;
}

/// Errors: Invalid, for values that another database would refuse or change.
Status check_value(const Value& value, std::size_t number) {
  if (const auto* real = std::get_if<double>(&value); real != nullptr && std::isnan(*real))
    return Error(ErrorCode::Invalid, fmt::format("parameter ${} is not a number", number));
  if (const auto* text = std::get_if<std::string>(&value);
      text != nullptr && (text->find('\0') != std::string::npos || !is_utf8(*text)))
    return Error(ErrorCode::Invalid,
                 fmt::format("parameter ${} is not UTF-8 text without NUL", number));
  return {};
}

int bind_value(sqlite3_stmt* statement, int index, const Value& value) {
  if (const auto* integer = std::get_if<std::int64_t>(&value))
    return sqlite3_bind_int64(statement, index, *integer);
  if (const auto* real = std::get_if<double>(&value))
    return sqlite3_bind_double(statement, index, *real);
  if (const auto* text = std::get_if<std::string>(&value))
    return sqlite3_bind_text64(statement, index, text->data(), text->size(), SQLITE_STATIC,
                               SQLITE_UTF8);
  return sqlite3_bind_null(statement, index);
}

Value column_value(sqlite3_stmt* statement, int column) {
  switch (sqlite3_column_type(statement, column)) {
    case SQLITE_INTEGER:
      return sqlite3_column_int64(statement, column);
    case SQLITE_FLOAT:
      return sqlite3_column_double(statement, column);
    case SQLITE_NULL:
      return nullptr;
    default: {
      const void* bytes = sqlite3_column_blob(statement, column);
      const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement, column));
      return bytes == nullptr ? std::string() : std::string(static_cast<const char*>(bytes), size);
    }
  }
}

int flags_for(SqliteConnection::Access access) {
  switch (access) {
    case SqliteConnection::Access::ReadWrite:
      return SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    case SqliteConnection::Access::ReadOnly:
      return SQLITE_OPEN_READWRITE;
    case SqliteConnection::Access::Unwritable:
      return SQLITE_OPEN_READONLY;
    case SqliteConnection::Access::Unchanging:
    case SqliteConnection::Access::Abandoned:
      return SQLITE_OPEN_READONLY | SQLITE_OPEN_URI;
  }
  return 0;
}

std::string name_for(const std::string& path, SqliteConnection::Access access) {
  using Access = SqliteConnection::Access;
  if (access != Access::Unchanging && access != Access::Abandoned) return path;
  std::string uri = "file:";
  for (const char c : path)
    if (c == '%' || c == '?' || c == '#')
      uri += fmt::format("%{:02X}", c);
    else
      uri += c;
  return uri + (access == Access::Unchanging ? "?immutable=1" : "?vfs=unix-none");
}

}  // namespace

Result<std::filesystem::path> sqlite_path(const std::string& path) {
  std::error_code error;
  std::filesystem::path absolute = std::filesystem::absolute(path, error);
  if (error) return file_error(error.value(), path);
  if (absolute.native().size() > kLongestPath)
    return Error(ErrorCode::Invalid,
                 fmt::format("SQLite opens no path of more than {} bytes; use a shorter folder: {}",
                             kLongestPath, absolute.string()));
  return absolute;
}

Result<std::unique_ptr<SqliteConnection>> SqliteConnection::open(const std::string& path,
                                                                 Access access) {
  sqlite3* database = nullptr;
  const int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | flags_for(access);
  const std::string name = name_for(path, access);
  const int outcome = sqlite3_open_v2(name.c_str(), &database, flags, nullptr);
  std::unique_ptr<SqliteConnection> connection(new SqliteConnection(database));
  if (outcome != SQLITE_OK) return connection->error("open").while_doing(path);
  sqlite3_busy_timeout(database, kBusyMilliseconds);
  sqlite3_set_authorizer(database, authorize, connection.get());
  sqlite3_db_config(database, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  if (access == Access::Abandoned) {  // https://www.sqlite.org/wal.html#noshm
    sqlite3_db_config(database, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
    TRY_DOING(path, connection->execute("PRAGMA locking_mode=EXCLUSIVE"));
  }
  TRY_DOING(path, connection->execute("PRAGMA foreign_keys=ON"));
  if (access != Access::ReadWrite) TRY_DOING(path, connection->execute("PRAGMA query_only=ON"));
  return connection;
}

SqliteConnection::~SqliteConnection() {
  for (const auto& [text, statement] : statements_) sqlite3_finalize(statement);
  sqlite3_close_v2(database_);
}

Result<Rows> SqliteConnection::execute(std::string_view sql) {
  origin_ = Origin::Ours;
  return run(TRY(prepare(sql)), sql);
}

Result<Rows> SqliteConnection::query(std::string_view sql, std::span<const Value> parameters) {
  origin_ = Origin::Room;
  sqlite3_stmt* statement = TRY(prepare(sql));
  Status bound = bind(statement, parameters);
  Result<Rows> rows = bound.ok() ? run(statement, sql) : Result<Rows>(std::move(bound).error());
  sqlite3_clear_bindings(statement);  // they point into `parameters`
  return rows;
}

bool SqliteConnection::in_transaction() const {
  return sqlite3_get_autocommit(database_) == 0;
}

bool SqliteConnection::has_dangling_references() const {
  int dangling = 0;
  int unused = 0;
  sqlite3_db_status(database_, SQLITE_DBSTATUS_DEFERRED_FKS, &dangling, &unused, 0);
  return dangling != 0;
}

Result<sqlite3_stmt*> SqliteConnection::prepare(std::string_view sql) {
  std::string key = (origin_ == Origin::Ours ? "o" : "r") + std::string(sql);
  if (const auto known = statements_.find(key); known != statements_.end()) return known->second;
  if (statements_.size() >= kMostStatements) {
    for (const auto& [text, statement] : statements_) sqlite3_finalize(statement);
    statements_.clear();
  }
  sqlite3_stmt* statement = nullptr;
  const char* rest = nullptr;
  const int outcome = sqlite3_prepare_v3(database_, sql.data(), static_cast<int>(sql.size()),
                                         SQLITE_PREPARE_PERSISTENT, &statement, &rest);
  if (outcome != SQLITE_OK) return error(sql);
  const std::string_view tail = sql.substr(static_cast<std::size_t>(rest - sql.data()));
  if (statement == nullptr || tail.find_first_not_of(" \n\t\r;") != std::string_view::npos) {
    sqlite3_finalize(statement);
    return Error(ErrorCode::Invalid, fmt::format("one statement at a time: {}", sql));
  }
  statements_.emplace(std::move(key), statement);
  return statement;
}

Status SqliteConnection::bind(sqlite3_stmt* statement, std::span<const Value> parameters) {
  std::size_t highest = 0;
  for (int index = 1; index <= sqlite3_bind_parameter_count(statement); ++index) {
    const std::size_t number = TRY(parameter_number(sqlite3_bind_parameter_name(statement, index)));
    highest = std::max(highest, number);
    if (number > parameters.size()) break;
    TRY(check_value(parameters[number - 1], number));
    if (bind_value(statement, index, parameters[number - 1]) != SQLITE_OK)
      return error(sqlite3_sql(statement));
  }
  if (highest != parameters.size())
    return Error(ErrorCode::Invalid,
                 fmt::format("the statement has parameters up to ${}, given were {}: {}", highest,
                             parameters.size(), sqlite3_sql(statement)));
  return {};
}

Result<Rows> SqliteConnection::run(sqlite3_stmt* statement, std::string_view sql) {
  std::vector<std::string> columns;
  const int count = sqlite3_column_count(statement);
  columns.reserve(static_cast<std::size_t>(count));
  for (int column = 0; column < count; ++column)
    columns.emplace_back(sqlite3_column_name(statement, column));
  std::vector<std::vector<Value>> rows;
  int outcome = SQLITE_OK;
  while ((outcome = sqlite3_step(statement)) == SQLITE_ROW) {
    std::vector<Value>& row = rows.emplace_back();
    row.reserve(columns.size());
    for (int column = 0; column < count; ++column) row.push_back(column_value(statement, column));
  }
  if (outcome == SQLITE_DONE) {
    sqlite3_reset(statement);
    return Rows(std::move(columns), std::move(rows));
  }
  Error failed = error(sql);
  sqlite3_reset(statement);
  return failed;
}

// A failed commit leaves the errno only with the file that failed.
int SqliteConnection::system_error() const {
  if (database_ == nullptr) return 0;
  int of_files[2] = {0, 0};
  sqlite3_file* log = nullptr;
  sqlite3_file_control(database_, "main", SQLITE_FCNTL_LAST_ERRNO, &of_files[0]);
  sqlite3_file_control(database_, "main", SQLITE_FCNTL_JOURNAL_POINTER, static_cast<void*>(&log));
  if (log != nullptr && log->pMethods != nullptr)
    log->pMethods->xFileControl(log, SQLITE_FCNTL_LAST_ERRNO, &of_files[1]);
  for (const int found : of_files)
    if (is_full(found)) return found;
  return sqlite3_system_errno(database_);
}

Error SqliteConnection::error(std::string_view sql) const {
  const int extended = sqlite3_extended_errcode(database_);
  const int system_error = (extended & 0xFF) == SQLITE_IOERR || (extended & 0xFF) == SQLITE_CANTOPEN
                               ? this->system_error()
                               : 0;
  return Error(code_of(extended, system_error),
               fmt::format("{} (in: {})", sqlite3_errmsg(database_), sql.substr(0, 200)));
}

int SqliteConnection::authorize(void* self, int action, const char*, const char*, const char*,
                                const char*) {
  if (static_cast<SqliteConnection*>(self)->origin_ == Origin::Ours) return SQLITE_OK;
  switch (action) {
    case SQLITE_TRANSACTION:
    case SQLITE_SAVEPOINT:
    case SQLITE_ATTACH:
    case SQLITE_DETACH:
    case SQLITE_PRAGMA:
      return SQLITE_DENY;
    default:
      return SQLITE_OK;
  }
}

}  // namespace millrace::metadata
