#include "base/file.h"
#include "base/file_descriptor.h"
#include "metadata/database.h"
#include "metadata/group_commit.h"
#include "metadata/guarded_work.h"
#include "metadata/sqlite_connection.h"
#include "metadata/sqlite_marks.h"

namespace millrace::metadata {
namespace {

using Access = SqliteConnection::Access;

constexpr std::size_t kMostReaders = 8;

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

Status run_work(const Work& work, SqliteConnection& connection) {
  SqliteTransaction transaction(connection);
  Status outcome = run_guarded(work, transaction);
  if (!transaction.failure().ok()) return outcome.ok() ? transaction.failure() : outcome;
  if (outcome.ok() && connection.has_dangling_references())
    return Error(ErrorCode::Invalid, "a foreign key points to a row that does not exist");
  return outcome;
}

class SqliteDatabase final : public Database {
 public:
  SqliteDatabase(std::string path, std::unique_ptr<SqliteConnection> writer)
      : path_(std::move(path)),
        writer_(std::move(writer)),
        commits_([this](std::span<GroupCommit::Request* const> batch) { commit(batch); }) {}

  Status write(const Work& work) override {
    INVARIANT(!inside_work(), kNotAgain);
    return commits_.write(work);
  }

  Status read(const Work& work) override {
    INVARIANT(!inside_work(), kNotAgain);
    std::unique_ptr<SqliteConnection> reader = TRY(take_reader());
    Status outcome = read_with(*reader, work);
    give_back(std::move(reader));
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
    auto opened = SqliteConnection::open(path_, Access::ReadOnly);
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
  const std::unique_ptr<SqliteConnection> writer_;
  GroupCommit commits_;
  std::mutex readers_mutex_;
  std::condition_variable reader_free_;
  std::vector<std::unique_ptr<SqliteConnection>> free_readers_;
  std::size_t readers_ = 0;  // open, free or not
};

Status make_or_check_marks(SqliteConnection& connection) {
  return TRY(has_marks(connection)) ? Status() : make_marks(connection);
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
  Status marks = make_or_check_marks(connection);
  TRY(connection.execute(marks.ok() ? "COMMIT" : "ROLLBACK"));
  return marks;
}

}  // namespace

Result<std::unique_ptr<Database>> open_sqlite(const std::string& path) {
  const std::filesystem::path absolute = TRY(sqlite_path(path));
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
  return std::make_unique<SqliteDatabase>(absolute, std::move(writer));
}

}  // namespace millrace::metadata
