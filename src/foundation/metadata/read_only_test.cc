// Who may only read the file: what is there is read, whole or not at all, and nothing is made.

#include <filesystem>
#include <functional>
#include <set>
#include <thread>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "metadata/database.h"

namespace millrace::metadata {
namespace {

namespace fs = std::filesystem;

/// As long as it lives, the thread that made it may only read the folder and its files: by their modes,
/// and where root runs the test as another user.
class OnlyReading {
 public:
  /// Not even that of the file named `unreadable`.
  explicit OnlyReading(std::string folder, const std::string& unreadable = "")
      : folder_(std::move(folder)) {
    set_modes(0444, 0555);
    if (!unreadable.empty()) {
      EXPECT_EQ(::chmod(unreadable.c_str(), 0), 0);
    }
    if (is_root_) become(kNobody);
  }
  OnlyReading(const OnlyReading&) = delete;
  OnlyReading& operator=(const OnlyReading&) = delete;
  ~OnlyReading() {
    if (is_root_) become(0);
    set_modes(0644, 0755);
  }
  /// Runs `work` in another thread, as one who may write.
  void as_writer(const std::function<void()>& work) const {
    std::thread writer([&] {
      if (is_root_) become(0);
      set_modes(0644, 0755);
      work();
      set_modes(0444, 0555);
    });
    writer.join();
  }

 private:
  static constexpr uid_t kNobody = 65534;

  // This thread alone, which the library's setresuid() cannot.
  static void become(uid_t user) {
    EXPECT_EQ(::syscall(SYS_setresuid, user, user, static_cast<uid_t>(0)), 0);
  }
  void set_modes(mode_t files, mode_t folder) const {
    for (const auto& entry : fs::directory_iterator(folder_))
      EXPECT_EQ(::chmod(entry.path().c_str(), files), 0);
    EXPECT_EQ(::chmod(folder_.c_str(), folder), 0);
  }

  std::string folder_;
  bool is_root_ = ::geteuid() == 0;
};

Status note(Database& database, const std::string& text) {
  return database.write([&](Transaction& transaction) -> Status {
    TRY(transaction.query("CREATE TABLE IF NOT EXISTS notes (text TEXT) STRICT"));
    const Value values[] = {text};
    TRY(transaction.query("INSERT INTO notes VALUES ($1)", values));
    return {};
  });
}

Result<std::int64_t> count(Transaction& transaction) {
  return TRY(transaction.query("SELECT count(*) FROM notes")).integer(0, 0);
}

Result<std::int64_t> notes(Database& database) {
  std::int64_t found = 0;
  TRY(database.read([&](Transaction& transaction) -> Status {
    found = TRY(count(transaction));
    return {};
  }));
  return found;
}

class ReadOnly : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(note(**open_sqlite(path()), "first").ok());
    ASSERT_FALSE(fs::exists(path() + "-wal")) << "the last one to close removes it";
    // Another moment than that of any write of the test, whatever the clock of the file system.
    fs::last_write_time(path(), fs::file_time_type::clock::now() - std::chrono::hours(1));
  }
  std::string path() const { return folder_.path() + "/metadata.db"; }
  std::set<std::string> names() const {
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder_.path()))
      names.insert(entry.path().filename());
    return names;
  }

  TemporaryFolder folder_ = *TemporaryFolder::make();
};

TEST_F(ReadOnly, LookingMakesNothingAndWritesNothing) {
  const OnlyReading only(folder_.path());
  const auto database = open_sqlite_to_read(path());
  ASSERT_TRUE(database.ok()) << database.error().message();
  EXPECT_EQ(*notes(**database), 1);
  EXPECT_EQ(*notes(**database), 1);
  EXPECT_EQ(note(**database, "mine").error().code(), ErrorCode::Unavailable);
  EXPECT_EQ(names(), std::set<std::string>{"metadata.db"});
}

TEST_F(ReadOnly, WritersMayComeAndGoBetweenTwoAnswers) {
  const OnlyReading only(folder_.path());
  std::unique_ptr<Database> writer;
  const auto come = [&] { only.as_writer([&] { writer = *open_sqlite(path()); }); };
  const auto write = [&] { only.as_writer([&] { EXPECT_TRUE(note(*writer, "more").ok()); }); };
  const auto go = [&] { only.as_writer([&] { writer.reset(); }); };
  const auto database = open_sqlite_to_read(path());
  ASSERT_TRUE(database.ok()) << database.error().message();
  for (std::int64_t before = 1; before < 4; ++before) {
    for (const auto& step : {std::function<void()>(come), std::function<void()>(write)}) {
      EXPECT_EQ(*notes(**database), before);
      step();
    }
    EXPECT_EQ(*notes(**database), before + 1) << "of the log of a writer who is there";
    go();
  }
  EXPECT_EQ(*notes(**database), 4);
}

TEST_F(ReadOnly, AWriterWhoLeavesAfterTheOpeningLeavesTheAnswerWhole) {
  const OnlyReading only(folder_.path());
  std::unique_ptr<Database> writer;
  only.as_writer([&] {
    writer = *open_sqlite(path());
    EXPECT_TRUE(note(*writer, "second").ok());
  });
  const auto database = open_sqlite_to_read(path());
  ASSERT_TRUE(database.ok()) << database.error().message();
  only.as_writer([&] { writer.reset(); });
  const auto found = notes(**database);
  ASSERT_TRUE(found.ok()) << found.error().message();
  EXPECT_EQ(*found, 2);
}

TEST_F(ReadOnly, AReadAcrossWhichAWriterCameAndWentBeginsAnew) {
  const OnlyReading only(folder_.path());
  const auto database = open_sqlite_to_read(path());
  ASSERT_TRUE(database.ok()) << database.error().message();
  std::vector<std::int64_t> first_answers;
  std::int64_t second_answer = 0;
  const Status read = (*database)->read([&](Transaction& transaction) -> Status {
    first_answers.push_back(TRY(count(transaction)));
    if (first_answers.size() == 1) {
      only.as_writer([&] { EXPECT_TRUE(note(**open_sqlite(path()), "second").ok()); });
      EXPECT_FALSE(fs::exists(path() + "-wal")) << "nothing but the file itself tells of it";
    }
    second_answer = TRY(count(transaction));
    return {};
  });
  ASSERT_TRUE(read.ok()) << read.error().message();
  EXPECT_EQ(first_answers, (std::vector<std::int64_t>{1, 2}));
  EXPECT_EQ(second_answer, 2);
}

TEST_F(ReadOnly, AReadAcrossWhichSomebodyAlwaysWritesIsToBeAskedAgain) {
  const OnlyReading only(folder_.path());
  const auto database = open_sqlite_to_read(path());
  ASSERT_TRUE(database.ok()) << database.error().message();
  const auto later = fs::file_time_type::clock::now();
  std::int64_t looks = 0;
  const Status read = (*database)->read([&](Transaction& transaction) -> Status {
    only.as_writer([&] { fs::last_write_time(path(), later + std::chrono::seconds(++looks)); });
    TRY(count(transaction));
    return {};
  });
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.error().code(), ErrorCode::Unavailable);
  EXPECT_NE(read.error().message().find(path() + " was written meanwhile; ask again"),
            std::string::npos)
      << read.error().message();
  EXPECT_GT(looks, 1);
}

TEST_F(ReadOnly, AFileThatMayNotBeReadIsNamed) {
  ASSERT_TRUE(write_file(path() + "-wal", "somebody's").ok());
  const OnlyReading only(folder_.path(), path() + "-wal");
  const auto database = open_sqlite_to_read(path());
  ASSERT_FALSE(database.ok());
  EXPECT_EQ(database.error().code(), ErrorCode::Denied);
  EXPECT_NE(database.error().message().find(path() + "-wal"), std::string::npos)
      << database.error().message();
}

TEST_F(ReadOnly, ALogWithoutItsSharedMemoryIsRead) {
  const TemporaryFolder moved = *TemporaryFolder::make();
  {
    const auto writer = *open_sqlite(path());
    ASSERT_TRUE(note(*writer, "second").ok());
    for (const char* file : {"/metadata.db", "/metadata.db-wal"})
      fs::copy_file(folder_.path() + file, moved.path() + file);
  }
  const std::string there = moved.path() + "/metadata.db";
  const OnlyReading only(moved.path());
  const auto database = open_sqlite_to_read(there);
  ASSERT_TRUE(database.ok()) << database.error().message();
  EXPECT_EQ(*notes(**database), 2) << "what stands in the log only counts as well";
  const Status refused = note(**database, "mine");
  EXPECT_NE(refused.error().message().find(there + ": this user may only read it"),
            std::string::npos)
      << refused.error().message();
  EXPECT_FALSE(fs::exists(there + "-shm"));
}

TEST_F(ReadOnly, ALogThatACrashLeftIsRead) {
  const TemporaryFolder crashed = *TemporaryFolder::make();
  {
    const auto writer = *open_sqlite(path());
    ASSERT_TRUE(note(*writer, "second").ok());
    for (const char* file : {"/metadata.db", "/metadata.db-wal", "/metadata.db-shm"})
      fs::copy_file(folder_.path() + file, crashed.path() + file);
  }
  const OnlyReading only(crashed.path());
  const auto database = open_sqlite_to_read(crashed.path() + "/metadata.db");
  ASSERT_TRUE(database.ok()) << database.error().message();
  EXPECT_EQ(*notes(**database), 2);
}

}  // namespace
}  // namespace millrace::metadata
