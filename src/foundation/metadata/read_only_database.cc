#include <cerrno>
#include <filesystem>
#include <mutex>
#include <optional>
#include <thread>

#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "metadata/database.h"
#include "metadata/guarded_work.h"
#include "metadata/sqlite_connection.h"
#include "metadata/sqlite_marks.h"

namespace millrace::metadata {
namespace {

using Access = SqliteConnection::Access;

// A writer is between two states for some milliseconds; together these are 2 seconds.
constexpr int kMostLooks = 40;
constexpr std::chrono::milliseconds kPause{50};
constexpr int kLooksWithoutPause = 3;

/// By which a file is told from what it is after a write. All 0 where there is none.
struct FileMarks {
  ino_t number = 0;
  off_t size = 0;
  std::int64_t modified_ns = 0;

  bool operator==(const FileMarks&) const = default;

  static FileMarks of(const std::string& path) {
    struct stat found{};
    if (::stat(path.c_str(), &found) != 0) return {};
    return {found.st_ino, found.st_size,
            found.st_mtim.tv_sec * 1'000'000'000 + found.st_mtim.tv_nsec};
  }
};

/// The files of one database.
struct Files {
  FileMarks database;
  FileMarks log;            // the last one to close the database removes it
  FileMarks shared_memory;  // and this, which is there as long as anybody writes

  static Files of(const std::string& path) {
    return {FileMarks::of(path), FileMarks::of(path + "-wal"), FileMarks::of(path + "-shm")};
  }
  /// How they can be read while they are so.
  Access access() const {
    if (log.size == 0) return Access::Unchanging;
    return shared_memory.number == 0 ? Access::Abandoned : Access::Unwritable;
  }
};

/// The database as it is while no writer comes or goes: `access` and the files belong together.
class Look {
 public:
  explicit Look(const std::string& path)
      : path_(path), files_(Files::of(path)), access_(files_.access()) {}

  Status open() {
    for (const char* ending : {"", "-wal", "-shm"})
      if (::access((path_ + ending).c_str(), R_OK) != 0 && (errno == EACCES || *ending == '\0'))
        return file_error(errno, path_ + ending);
    connection_ = TRY(SqliteConnection::open(path_, access_));
    if (!TRY_DOING(path_, has_marks(*connection_)))
      return Error(ErrorCode::Unavailable, path_ + " is empty: nobody has made its tables yet");
    return {};
  }

  Status execute(std::string_view sql) {
    TRY(connection_->execute(sql));
    return {};
  }
  Result<Rows> query(std::string_view sql, std::span<const Value> parameters) {
    return connection_->query(sql, parameters);
  }

  /// Whether what was read now may be neither the state before nor the one after a write. Where writers
  /// share their memory with us SQLite sees to that.
  bool is_over() const {
    const Files now = Files::of(path_);
    if (now.access() != access_) return true;
    return access_ != Access::Unwritable &&
           (now.database != files_.database || now.log != files_.log);
  }

  /// Whether that Error says no more than that somebody opened or closed the database just then.
  bool explains(const Error& error) const {
    return is_over() || (access_ == Access::Unwritable && (error.code() == ErrorCode::Denied ||
                                                           error.code() == ErrorCode::Unavailable));
  }

 private:
  const std::string& path_;
  const Files files_;
  const Access access_;
  std::unique_ptr<SqliteConnection> connection_;
};

/// Hands out no answer that a writer has come across.
class LookingTransaction final : public Transaction {
 public:
  explicit LookingTransaction(Look& look) : look_(look) {}
  using Transaction::query;
  Result<Rows> query(std::string_view sql, std::span<const Value> parameters) override {
    if (!failure_.ok()) return failure_.error();
    Result<Rows> rows = look_.query(sql, parameters);
    if (!rows.ok()) failure_ = rows.error();
    if (rows.ok() && look_.is_over())
      failure_ = Error(ErrorCode::Unavailable, "other files than before");
    if (!failure_.ok()) return failure_.error();
    return rows;
  }
  const Status& failure() const { return failure_; }

 private:
  Look& look_;
  Status failure_;
};

class ReadOnlyDatabase final : public Database {
 public:
  explicit ReadOnlyDatabase(std::string path) : path_(std::move(path)) {}

  Status write(const Work&) override {
    return Error(ErrorCode::Unavailable,
                 path_ +
                     ": this user may only read it, and it has to be written (an older Millrace's "
                     "is brought up to date); do it once as a user who may");
  }

  Status read(const Work& work) override {
    INVARIANT(!inside_work(), kNotAgain);
    const std::lock_guard one_at_a_time(mutex_);
    for (int looks = 1;; ++looks) {
      const Once once = read_once(work);
      if (!once.is_overtaken) return once.outcome;
      look_.reset();
      if (looks == kMostLooks)
        return Error(ErrorCode::Unavailable,
                     fmt::format("{} was written meanwhile; ask again (seen: {})", path_,
                                 once.outcome.error().message()));
      if (looks >= kLooksWithoutPause) std::this_thread::sleep_for(kPause);
    }
  }

 private:
  struct Once {
    Status outcome;
    bool is_overtaken = false;  // by a writer: there is no answer
  };

  Once read_once(const Work& work) {
    if (look_ && look_->is_over()) look_.reset();
    if (!look_) {
      look_.emplace(path_);
      if (Status opened = look_->open(); !opened.ok()) return failed(std::move(opened));
    }
    if (Status begun = look_->execute("BEGIN"); !begun.ok()) return failed(std::move(begun));
    LookingTransaction transaction(*look_);
    Status outcome = run_guarded(work, transaction);
    Once once = transaction.failure().ok()
                    ? Once{std::move(outcome)}
                    : failed(outcome.ok() ? transaction.failure() : std::move(outcome));
    if (!look_->execute("ROLLBACK").ok()) look_.reset();
    return once;
  }

  /// Of a read in which the database itself failed.
  Once failed(Status outcome) {
    const bool is_overtaken = look_->explains(outcome.error());
    return {std::move(outcome), is_overtaken};
  }

  const std::string path_;
  std::mutex mutex_;
  std::optional<Look> look_;
};

}  // namespace

Result<std::unique_ptr<Database>> open_sqlite_to_read(const std::string& path) {
  const std::filesystem::path absolute = TRY(sqlite_path(path));
  const std::string folder = absolute.parent_path();
  if (::access(absolute.c_str(), F_OK) != 0) return file_error(errno, absolute);
  if (::access(absolute.c_str(), W_OK) == 0 && ::access(folder.c_str(), W_OK) == 0)
    return open_sqlite(path);
  auto database = std::make_unique<ReadOnlyDatabase>(absolute);
  TRY(database->read([](Transaction&) { return Status(); }));
  return database;
}

}  // namespace millrace::metadata
