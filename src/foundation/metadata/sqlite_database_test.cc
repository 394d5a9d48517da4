#include <atomic>
#include <csignal>
#include <filesystem>
#include <random>
#include <set>
#include <thread>

#include <poll.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "metadata/database_contract.h"

namespace millrace::metadata {
namespace {

class SqlitePlace final : public DatabasePlace {
 public:
  std::unique_ptr<Database> open() override {
    return std::move(*open_sqlite(folder_.path() + "/deep/metadata.db"));
  }

 private:
  TemporaryFolder folder_ = *TemporaryFolder::make();
};

INSTANTIATE_TEST_SUITE_P(Sqlite, DatabaseContract,
                         testing::Values(DatabaseFactory{
                             "sqlite", [] { return std::make_unique<SqlitePlace>(); }}));

class SqliteDatabase : public testing::Test {
 protected:
  std::unique_ptr<Database> open() {
    auto database = std::move(*open_sqlite(path()));
    EXPECT_TRUE(database->migrate("contract", contract_migrations()).ok());
    return database;
  }
  std::string path() const { return folder_.path() + "/metadata.db"; }
  std::set<std::string> keys() {
    std::set<std::string> found;
    const Status status = open()->read([&](Transaction& transaction) -> Status {
      const Rows rows = TRY(transaction.query("SELECT k FROM contract_pairs"));
      for (std::size_t i = 0; i < rows.size(); ++i) found.insert(rows.text(i, 0));
      return {};
    });
    EXPECT_TRUE(status.ok()) << status.error().message();
    return found;
  }
  /// Runs statements by another connection, as another program would.
  void run_as_another_program(const char* sql) {
    sqlite3* other = nullptr;
    ASSERT_EQ(sqlite3_open(path().c_str(), &other), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(other, sql, nullptr, nullptr, nullptr), SQLITE_OK);
    sqlite3_close(other);
  }

  TemporaryFolder folder_ = *TemporaryFolder::make();
};

int exit_status_of(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

TEST_F(SqliteDatabase, AFileThatIsNoDatabaseIsCorruption) {
  for (const std::string& bytes : {std::string("hello"), std::string(100'000, 'x'),
                                   std::string("SQLite format 3") + std::string(5'000, '\1')}) {
    ASSERT_TRUE(write_file(path(), bytes).ok());
    const auto opened = open_sqlite(path());
    ASSERT_FALSE(opened.ok());
    EXPECT_EQ(opened.error().code(), ErrorCode::Corruption) << opened.error().message();
    EXPECT_NE(opened.error().message().find(path()), std::string::npos);
    EXPECT_EQ(*read_file(path()), bytes) << "it is left as it was";
  }
}

TEST_F(SqliteDatabase, ADamagedPageIsCorruption) {
  {
    const auto database = open();
    for (int i = 0; i < 50; ++i)
      ASSERT_TRUE(insert_pair(*database, std::string(2'000, 'x') + std::to_string(i), i).ok());
  }
  std::string bytes = *read_file(path());
  ASSERT_GT(bytes.size(), 50'000U);
  for (std::size_t i = 20'000; i < bytes.size(); ++i) bytes[i] = '\x7';
  ASSERT_TRUE(write_file(path(), bytes).ok());
  const auto database = open_sqlite(path());
  ASSERT_TRUE(database.ok());
  const Status status = (*database)->read([](Transaction& transaction) -> Status {
    TRY(transaction.query("SELECT * FROM contract_pairs ORDER BY k"));
    return {};
  });
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code(), ErrorCode::Corruption) << status.error().message();
}

/// How many commits a write-ahead log holds: frames of 24 + page bytes behind a header of 32,
/// whose bytes 4 to 7 are not zero where a transaction ends (sqlite.org/fileformat2.html, 4.1).
int commits_in_log(const std::string& log) {
  const auto number = [&](std::size_t at) {
    std::uint32_t value = 0;
    for (std::size_t i = at; i < at + 4; ++i)
      value = value << 8U | static_cast<std::uint8_t>(log[i]);
    return value;
  };
  if (log.size() < 32) return 0;
  const std::size_t frame = 24 + number(8);
  int commits = 0;
  for (std::size_t at = 32; at + frame <= log.size(); at += frame)
    commits += number(at + 4) != 0 ? 1 : 0;
  return commits;
}

TEST_F(SqliteDatabase, WritesGoToAWriteAheadLogAndThoseThatMeetShareACommit) {
  const auto database = open();
  const int before = commits_in_log(*read_file(path() + "-wal"));
  EXPECT_GT(before, 0) << "WAL is on";
  constexpr int kWriters = 16;
  std::atomic<int> arrived = 0;
  std::vector<std::thread> writers;
  writers.reserve(kWriters);
  for (int i = 0; i < kWriters; ++i)
    writers.emplace_back([&, i] {
      ++arrived;
      const Status written = database->write([&, i](Transaction& transaction) -> Status {
        while (arrived < kWriters) std::this_thread::yield();  // the first waits for the others
        TRY(transaction.query("INSERT INTO contract_pairs (k, v) VALUES ($1, 1)",
                              {std::to_string(i)}));
        return {};
      });
      EXPECT_TRUE(written.ok());
    });
  for (std::thread& writer : writers) writer.join();
  const int commits = commits_in_log(*read_file(path() + "-wal")) - before;
  EXPECT_EQ(keys().size(), static_cast<std::size_t>(kWriters));
  EXPECT_GE(commits, 1);
  EXPECT_LT(commits, kWriters) << "each had a commit of its own";
}

TEST_F(SqliteDatabase, AnotherProgramsDatabaseIsLeftAlone) {
  run_as_another_program("CREATE TABLE theirs (x)");
  EXPECT_EQ(open_sqlite(path()).error().code(), ErrorCode::Unsupported);
  run_as_another_program("INSERT INTO theirs VALUES (1)");
}

TEST_F(SqliteDatabase, ANewerFormatIsUnsupported) {
  open();
  run_as_another_program("PRAGMA user_version=2");
  const auto opened = open_sqlite(path());
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code(), ErrorCode::Unsupported);
  EXPECT_NE(opened.error().message().find("newer Millrace"), std::string::npos);
}

TEST_F(SqliteDatabase, AFolderInItsPlaceIsAnError) {
  ASSERT_TRUE(make_folders(path()).ok());
  EXPECT_EQ(open_sqlite(path()).error().code(), ErrorCode::Unavailable);
  ASSERT_TRUE(write_file(folder_.path() + "/file", "x").ok());
  EXPECT_FALSE(open_sqlite(folder_.path() + "/file/metadata.db").ok());
}

TEST_F(SqliteDatabase, PragmasAndOtherFilesAreOutOfReach) {
  const auto database = open();
  for (const char* sql : {"PRAGMA synchronous=OFF", "ATTACH 'other.db' AS other", "DETACH main",
                          "VACUUM", "RELEASE request", "ROLLBACK TO request"}) {
    SCOPED_TRACE(sql);
    const Status status = database->write([&](Transaction& transaction) -> Status {
      TRY(transaction.query(sql));
      return {};
    });
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code(), ErrorCode::Invalid) << status.error().message();
  }
  EXPECT_TRUE(insert_pair(*database, "a", 1).ok());
}

TEST_F(SqliteDatabase, MoreDifferentStatementsThanAreRememberedDoNoHarm) {
  const auto database = open();
  const Status status = database->write([](Transaction& transaction) -> Status {
    for (int i = 0; i < 600; ++i) {
      const Rows rows = TRY(transaction.query("SELECT " + std::to_string(i)));
      EXPECT_EQ(rows.integer(0, 0), i);
    }
    return {};
  });
  EXPECT_TRUE(status.ok()) << status.error().message();
}

TEST_F(SqliteDatabase, WritesAfterARolledBackChangeOfTablesGoOn) {
  const auto database = open();
  for (int i = 0; i < 3; ++i) {
    const Status status = database->write([](Transaction& transaction) -> Status {
      TRY(transaction.query("CREATE TABLE contract_gone (k TEXT)"));
      TRY(transaction.query("INSERT INTO contract_gone (k) VALUES ('x')"));
      return Error(ErrorCode::Cancelled, "no");
    });
    EXPECT_EQ(status.error().code(), ErrorCode::Cancelled);
    EXPECT_TRUE(insert_pair(*database, std::to_string(i), i).ok());
  }
}

TEST_F(SqliteDatabase, AWorkThatCallsTheDatabaseAgainIsABug) {
  const auto database = open();
  EXPECT_DEATH(static_cast<void>(database->write(
                   [&](Transaction&) -> Status { return insert_pair(*database, "inside", 1); })),
               "does not call the Database again");
}

/// Four threads write rows and report each on `acknowledged` when it is durable.
[[noreturn]] void write_until_killed(Database& database, int round, int acknowledged) {
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0;; ++i) {
        const int number = (round * 4 + t) * 1'000'000 + i;
        if (!insert_pair(database, std::to_string(number), i).ok()) ::_exit(2);
        if (::write(acknowledged, &number, sizeof number) != sizeof number) ::_exit(3);
      }
    });
  for (std::thread& thread : threads) thread.join();
  ::_exit(4);
}

TEST_F(SqliteDatabase, EverythingAcknowledgedBeforeAKillIsThere) {
  constexpr unsigned seed = 20131201;
  std::mt19937 random(seed);
  std::set<std::string> acknowledged;
  for (int round = 0; round < 10; ++round) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    if (child == 0) write_until_killed(*open(), round, ends[1]);
    ::close(ends[1]);
    int number = 0;
    for (unsigned enough = random() % 40; enough > 0; --enough) {
      ASSERT_EQ(::read(ends[0], &number, sizeof number), static_cast<ssize_t>(sizeof number));
      acknowledged.insert(std::to_string(number));
    }
    ::kill(child, SIGKILL);
    ASSERT_TRUE(WIFSIGNALED(exit_status_of(child)));
    while (::read(ends[0], &number, sizeof number) == sizeof number)
      acknowledged.insert(std::to_string(number));
    ::close(ends[0]);
    const std::set<std::string> found = keys();
    for (const std::string& key : acknowledged) ASSERT_TRUE(found.contains(key)) << key;
    ASSERT_LE(found.size(), acknowledged.size() + 4 * (static_cast<std::size_t>(round) + 1))
        << "at most one of each thread was written and not reported";
  }
}

/// Writes until the disk is full. Exit status: the number of acknowledged rows, or 255.
[[noreturn]] void write_until_full(const std::string& path) {
  ::signal(SIGXFSZ, SIG_IGN);
  const auto database = open_sqlite(path);
  if (!database.ok()) ::_exit(255);
  const rlimit limit{200'000, 200'000};
  ::setrlimit(RLIMIT_FSIZE, &limit);
  for (int i = 0; i < 250; ++i) {
    const Status status = insert_pair(**database, std::to_string(i) + std::string(3'000, 'x'), i);
    if (status.ok()) continue;
    ::_exit(status.error().code() == ErrorCode::Exhausted ? i : 255);
  }
  ::_exit(255);
}

TEST_F(SqliteDatabase, AFullDiskIsExhaustedAndWhatWasWrittenStays) {
  open();
  const pid_t child = ::fork();
  if (child == 0) write_until_full(path());
  const int status = exit_status_of(child);
  ASSERT_TRUE(WIFEXITED(status));
  ASSERT_NE(WEXITSTATUS(status), 255);
  EXPECT_GT(WEXITSTATUS(status), 0);
  EXPECT_EQ(keys().size(), static_cast<std::size_t>(WEXITSTATUS(status)));
  EXPECT_TRUE(insert_pair(*open(), "room again", 1).ok());
}

TEST_F(SqliteDatabase, APathThatSqliteCannotOpenIsAMistakeThatSaysSo) {
  const std::string deep =
      folder_.path() + "/" + std::string(250, 'a') + "/" + std::string(250, 'b');
  const auto refused = open_sqlite(deep + "/metadata.db");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::Invalid);
  EXPECT_NE(refused.error().message().find("shorter folder"), std::string::npos);
}

TEST_F(SqliteDatabase, TwoProcessesOpenANewFileAndWriteToIt) {
  constexpr int processes = 3;
  constexpr int each = 60;
  std::vector<pid_t> children;
  for (int p = 0; p < processes; ++p) {
    const pid_t child = ::fork();
    if (child == 0) {
      const auto database = open();
      for (int i = 0; i < each; ++i)
        if (!insert_pair(*database, std::to_string(p) + "/" + std::to_string(i), i).ok())
          ::_exit(1);
      ::_exit(0);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) EXPECT_EQ(exit_status_of(child), 0);
  EXPECT_EQ(keys().size(), static_cast<std::size_t>(processes * each));
}

}  // namespace
}  // namespace millrace::metadata
