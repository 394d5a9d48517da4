#include <cerrno>
#include <filesystem>

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file.h"
#include "base/file_descriptor.h"
#include "metadata/database.h"
#include "metadata/group_commit.h"
#include "metadata/sqlite_connection.h"

namespace millrace::metadata {
namespace {

using Access = SqliteConnection::Access;

// The marks of a file of ours (docs/formats/metadata.md).
constexpr std::int64_t kApplicationId = 0x4D6C7263;  // "Mlrc"
constexpr std::int64_t kFormatVersion = 1;
constexpr std::size_t kMostReaders = 8;
constexpr std::size_t kLongestPath = 500;  // SQLite's 512 with the ending of its log

/// Set while a thread runs `work`: a call of the Database from inside it would wait for itself.
thread_local bool inside_work = false;

class SqliteTransaction final : public Transaction {
 public:
  explicit SqliteTransaction(SqliteConnection& connection) : connection_(connection) {}
  using Transaction::query;
  Result<Rows> query(std::string_view sql, std::span<const Value> parameters) override {
    if (!failure_.ok()) return failure_.error();
    Result<Rows> rows = connection_.query(sql, parameters);
    if (!rows.ok()) failure_ = rows.error();
    return rows;
  }
  const Status& failure() const { return failure_; }

 private:
  SqliteConnection& connection_;
  Status failure_;
};

Status run_guarded(const Work& work, Transaction& transaction) {
  inside_work = true;
  struct Leave {
    ~Leave() { inside_work = false; }
  } const leave;
  try {
    return work(transaction);
  } catch (const std::exception& thrown) {
    return Error(ErrorCode::Internal,
                 std::string("exception in a database transaction: ") + thrown.what());
  } catch (...) {
    return Error(ErrorCode::Internal, "exception in a database transaction");
  }
}

Status run_work(const Work& work, SqliteConnection& connection) {
  SqliteTransaction transaction(connection);
  Status outcome = run_guarded(work, transaction);
  if (!transaction.failure().ok()) return outcome.ok() ? transaction.failure() : outcome;
  if (outcome.ok() && connection.has_dangling_references())
    return Error(ErrorCode::Invalid, "a foreign key points to a row that does not exist");
  return outcome;
}

/// Whether there is anything in its log. The last one to close the database removes it.
bool is_being_written(const std::string& path) {
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(path + "-wal", error);
  return !error && size > 0;
}

class SqliteDatabase final : public Database {
 public:
  /// Without a `writer` nothing is written.
  SqliteDatabase(std::string path, Access readers, std::unique_ptr<SqliteConnection> writer)
      : path_(std::move(path)),
        reader_access_(readers),
        writer_(std::move(writer)),
        commits_([this](std::span<GroupCommit::Request* const> batch) { commit(batch); }) {}

  Status write(const Work& work) override {
    INVARIANT(!inside_work, "a transaction's work does not call the Database again");
    if (writer_ == nullptr)
      return Error(ErrorCode::Unavailable,
                   path_ +
                       ": this user may only read it, and it has to be written (an older "
                       "Millrace's is brought up to date); do it once as a user who may");
    return commits_.write(work);
  }

  Status read(const Work& work) override {
    INVARIANT(!inside_work, "a transaction's work does not call the Database again");
    std::unique_ptr<SqliteConnection> reader = TRY(take_reader());
    Status outcome = read_with(*reader, work);
    give_back(std::move(reader));
    if (reader_access_ == Access::Unchanging && is_being_written(path_))
      return Error(ErrorCode::Unavailable, path_ + " began to be written meanwhile; ask again");
    return outcome;
  }

 private:
  // One transaction, a savepoint for each request, one fsync.
  void commit(std::span<GroupCommit::Request* const> batch) {
    const Status begun = run("BEGIN IMMEDIATE");
    bool wrote = false;
    Status all = begun;
    for (GroupCommit::Request* request : batch) {
      if (all.ok()) all = run_one(*request);
      wrote = wrote || request->outcome.ok();
    }
    if (all.ok() && wrote) all = run("COMMIT");
    if (!all.ok() || !wrote) roll_back();
    if (all.ok()) return;
    for (GroupCommit::Request* request : batch)
      if (request->outcome.ok()) request->outcome = all.error();
  }

  /// An Error here concerns the whole batch; the request's own is in its outcome.
  Status run_one(GroupCommit::Request& request) {
    TRY(run("SAVEPOINT request"));
    request.outcome = run_work(*request.work, *writer_);
    if (!writer_->in_transaction())  // SQLite gave up: disk full, I/O error
      return request.outcome.ok()
                 ? Error(ErrorCode::Internal, "the transaction ended before its time: " + path_)
                 : request.outcome.error();
    if (!request.outcome.ok()) TRY(run("ROLLBACK TO request"));
    return run("RELEASE request");
  }

  Status run(std::string_view sql) {
    Result<Rows> outcome = writer_->execute(sql);
    if (outcome.ok()) return {};
    return std::move(outcome).error().while_doing(path_);
  }

  void roll_back() {
    if (writer_->in_transaction()) static_cast<void>(run("ROLLBACK"));
  }

  static Status read_with(SqliteConnection& reader, const Work& work) {
    TRY(reader.execute("BEGIN"));
    Status outcome = run_work(work, reader);
    if (reader.in_transaction()) TRY(reader.execute("ROLLBACK"));
    return outcome;
  }

  Result<std::unique_ptr<SqliteConnection>> take_reader() {
    std::unique_lock lock(readers_mutex_);
    reader_free_.wait(lock, [&] { return !free_readers_.empty() || readers_ < kMostReaders; });
    if (!free_readers_.empty()) {
      std::unique_ptr<SqliteConnection> reader = std::move(free_readers_.back());
      free_readers_.pop_back();
      return reader;
    }
    ++readers_;
    lock.unlock();
    auto opened = SqliteConnection::open(path_, reader_access_);
    if (!opened.ok()) {
      lock.lock();
      --readers_;
      reader_free_.notify_one();
    }
    return opened;
  }

  void give_back(std::unique_ptr<SqliteConnection> reader) {
    const std::lock_guard lock(readers_mutex_);
    if (reader->in_transaction())
      --readers_;  // it could not end its transaction; another is opened when needed
    else
      free_readers_.push_back(std::move(reader));
    reader_free_.notify_one();
  }

  const std::string path_;
  const Access reader_access_;
  const std::unique_ptr<SqliteConnection> writer_;
  GroupCommit commits_;
  std::mutex readers_mutex_;
  std::condition_variable reader_free_;
  std::vector<std::unique_ptr<SqliteConnection>> free_readers_;
  std::size_t readers_ = 0;  // open, free or not
};

Status make_marks(SqliteConnection& connection) {
  TRY(connection.execute(fmt::format("PRAGMA application_id={}", kApplicationId)));
  TRY(connection.execute(fmt::format("PRAGMA user_version={}", kFormatVersion)));
  TRY(connection.execute(
      "CREATE TABLE metadata_migrations (room TEXT NOT NULL, number INTEGER NOT NULL, "
      "digest TEXT NOT NULL, applied_at INTEGER NOT NULL DEFAULT (unixepoch() * 1000000), "
      "PRIMARY KEY (room, number)) STRICT"));
  return {};
}

/// Makes them in a new file. Errors: Unsupported for a file of others, or of a newer Millrace.
Status check_marks(SqliteConnection& connection) {
  const std::int64_t application = TRY(connection.execute("PRAGMA application_id")).integer(0, 0);
  const std::int64_t version = TRY(connection.execute("PRAGMA user_version")).integer(0, 0);
  const std::int64_t tables =
      TRY(connection.execute("SELECT count(*) FROM sqlite_schema")).integer(0, 0);
  if (application == 0 && tables == 0) return make_marks(connection);
  if (application != kApplicationId)
    return Error(ErrorCode::Unsupported, "the database of another program");
  if (version > kFormatVersion)
    return Error(ErrorCode::Unsupported,
                 fmt::format("made by a newer Millrace (format {}; this one reads up to {})",
                             version, kFormatVersion));
  return {};
}

Result<std::filesystem::path> absolute_path(const std::string& path) {
  std::error_code error;
  std::filesystem::path absolute = std::filesystem::absolute(path, error);
  if (error) return file_error(error.value(), path);
  if (absolute.native().size() > kLongestPath)
    return Error(ErrorCode::Invalid,
                 fmt::format("SQLite opens no path of more than {} bytes; use a shorter folder: {}",
                             kLongestPath, absolute.string()));
  return absolute;
}

Status set_up(SqliteConnection& connection) {
  const Rows mode = TRY(connection.execute("PRAGMA journal_mode=WAL"));
  if (mode.empty() || mode.text(0, 0) != "wal")
    return Error(ErrorCode::Unsupported,
                 "the file system has no shared memory between processes; put the metadata on a "
                 "local disk");
  TRY(connection.execute("PRAGMA synchronous=FULL"));
  TRY(connection.execute("PRAGMA journal_size_limit=67108864"));
  TRY(connection.execute("BEGIN IMMEDIATE"));
  Status marks = check_marks(connection);
  TRY(connection.execute(marks.ok() ? "COMMIT" : "ROLLBACK"));
  return marks;
}

}  // namespace

Result<std::unique_ptr<Database>> open_sqlite(const std::string& path) {
  const std::filesystem::path absolute = TRY(absolute_path(path));
  const std::string folder = absolute.parent_path();
  TRY(make_folders(folder));
  // Two processes do not both make a database. The lock is on the folder, since closing any
  // descriptor of the file itself would end SQLite's own locks on it.
  const FileDescriptor held = TRY(open_folder(folder));
  TRY(lock_exclusively(held, folder));
  std::unique_ptr<SqliteConnection> writer =
      TRY(SqliteConnection::open(absolute, Access::ReadWrite));
  TRY_DOING(absolute.string(), set_up(*writer));
  TRY(sync(held, folder));
  return std::make_unique<SqliteDatabase>(absolute, Access::ReadOnly, std::move(writer));
}

Result<std::unique_ptr<Database>> open_sqlite_to_read(const std::string& path) {
  const std::filesystem::path absolute = TRY(absolute_path(path));
  const std::string folder = absolute.parent_path();
  if (::access(absolute.c_str(), F_OK) != 0) return file_error(errno, absolute);
  if (::access(absolute.c_str(), W_OK) == 0 && ::access(folder.c_str(), W_OK) == 0)
    return open_sqlite(path);
  // The log of a database that is open, or was left by a crash, is read with it; without one SQLite
  // would have to make it.
  const Access access = is_being_written(absolute) ? Access::Unwritable : Access::Unchanging;
  const auto looking = TRY(SqliteConnection::open(absolute, access));
  TRY_DOING(absolute.string(), check_marks(*looking));
  return std::make_unique<SqliteDatabase>(absolute, access, nullptr);
}

}  // namespace millrace::metadata
