#include <array>
#include <cerrno>
#include <filesystem>
#include <optional>

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <sys/stat.h>
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
constexpr off_t kLargestCopy = off_t{4} << 30;
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

/// By which a file is told from what it is after a write.
struct FileMarks {
  ino_t number = 0;
  off_t size = 0;
  std::int64_t modified_ns = 0;

  bool operator==(const FileMarks&) const = default;

  /// Of no file where there is none.
  static FileMarks of(const std::string& path) {
    struct stat found{};
    if (::stat(path.c_str(), &found) != 0) return {};
    return {found.st_ino, found.st_size,
            found.st_mtim.tv_sec * 1'000'000'000 + found.st_mtim.tv_nsec};
  }
};

class SqliteDatabase final : public Database {
 public:
  /// Without a `writer` nothing is written.
  SqliteDatabase(std::string path, Access readers, std::unique_ptr<SqliteConnection> writer)
      : path_(std::move(path)),
        file_(path_),
        reader_access_(readers),
        writer_(std::move(writer)),
        commits_([this](std::span<GroupCommit::Request* const> batch) { commit(batch); }) {}

  /// Every answer is of the file as it was then, or none.
  void expect_unchanged(const FileMarks& marks) { expected_ = marks; }
  /// From now on the copy `file` in that folder is read.
  void read_copy(TemporaryFolder folder, std::string file) {
    copy_.emplace(std::move(folder));
    file_ = std::move(file);
  }

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
    // A writer who came and went within the answer has left no log, but another file.
    if (expected_ && (is_being_written(path_) || FileMarks::of(path_) != *expected_))
      return Error(ErrorCode::Unavailable, path_ + " was written meanwhile; ask again");
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
    auto opened = SqliteConnection::open(file_, reader_access_);
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
  std::string file_;                     // that is read: of this path, or a copy
  std::optional<TemporaryFolder> copy_;  // outlives the readers
  std::optional<FileMarks> expected_;
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

/// A log without the memory that writers share is that of a copy, or of a crash whose files were moved:
/// nobody has it open. SQLite reads it where it may make that memory, so a copy of both is read, as long
/// as this object lives.
Result<std::unique_ptr<Database>> open_copy(const std::string& path) {
  const std::array files = {path, path + "-wal"};
  const std::array before = {FileMarks::of(files[0]), FileMarks::of(files[1])};
  TemporaryFolder folder = TRY(TemporaryFolder::make());
  const std::string copy = folder.path() + "/metadata.db";
  const off_t size = before[0].size + before[1].size;
  std::error_code error;
  if (size <= kLargestCopy) {
    std::filesystem::copy_file(files[0], copy, error);
    if (!error) std::filesystem::copy_file(files[1], copy + "-wal", error);
  }
  if (error || size > kLargestCopy)
    return Error(
        ErrorCode::Unavailable,
        fmt::format(
            "{}: its log ({}-wal) is there, and not its shared memory ({}-shm), so that this "
            "user reads it from a copy only; of {} bytes none was made{}. Copy the folder to "
            "where you may write, and look there",
            path, path, path, size, error ? ": " + error.message() : ""));
  if (FileMarks::of(files[0]) != before[0] || FileMarks::of(files[1]) != before[1])
    return Error(ErrorCode::Unavailable, path + " was written meanwhile; ask again");
  std::filesystem::permissions(copy, std::filesystem::perms::owner_write,
                               std::filesystem::perm_options::add, error);
  std::filesystem::permissions(copy + "-wal", std::filesystem::perms::owner_write,
                               std::filesystem::perm_options::add, error);
  const auto looking = TRY(SqliteConnection::open(copy, Access::ReadOnly));
  TRY_DOING(path, check_marks(*looking));
  auto database = std::make_unique<SqliteDatabase>(path, Access::ReadOnly, nullptr);
  database->read_copy(std::move(folder), copy);
  return database;
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
  const FileMarks marks = FileMarks::of(absolute);
  // The log of a database that is open, or was left by a crash, is read with it; without one SQLite
  // would have to make it.
  if (is_being_written(absolute) && ::access((absolute.string() + "-shm").c_str(), F_OK) != 0)
    return open_copy(absolute);
  const Access access = is_being_written(absolute) ? Access::Unwritable : Access::Unchanging;
  const auto looking = TRY(SqliteConnection::open(absolute, access));
  TRY_DOING(absolute.string(), check_marks(*looking));
  auto database = std::make_unique<SqliteDatabase>(absolute, access, nullptr);
  if (access == Access::Unchanging) database->expect_unchanged(marks);
  return database;
}

}  // namespace millrace::metadata
