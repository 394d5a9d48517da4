// Who may only read the file: what is there is read, whole or not at all, and nothing is made.

#include <filesystem>
#include <set>
#include <thread>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "metadata/database.h"

namespace millrace::metadata {
namespace {

namespace fs = std::filesystem;

/// As long as it lives, this process may only read the folder and its files: by their modes, and where
/// root runs the test by asking as another user, which is what access(2) answers.
class OnlyReading {
 public:
  explicit OnlyReading(std::string folder) : folder_(std::move(folder)) {
    set_modes(0444, 0555);
    if (is_root_) become(65534);
  }
  OnlyReading(const OnlyReading&) = delete;
  OnlyReading& operator=(const OnlyReading&) = delete;
  ~OnlyReading() {
    if (is_root_) become(0);
    set_modes(0644, 0755);
  }
  /// For a writer who is another user.
  void let_others_write() const { set_modes(0644, 0755); }

 private:
  static void become(uid_t user) { EXPECT_EQ(::setreuid(user, static_cast<uid_t>(-1)), 0); }
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

TEST_F(ReadOnly, AnAnswerWithinWhichAWriterCameAndWentIsThrownAway) {
  const OnlyReading only(folder_.path());
  const auto database = open_sqlite_to_read(path());
  ASSERT_TRUE(database.ok()) << database.error().message();
  const Status read = (*database)->read([&](Transaction& transaction) -> Status {
    EXPECT_EQ(*count(transaction), 1);
    only.let_others_write();
    std::thread writer([&] { EXPECT_TRUE(note(**open_sqlite(path()), "second").ok()); });
    writer.join();
    EXPECT_FALSE(fs::exists(path() + "-wal")) << "nothing but the file itself tells of the writer";
    return {};
  });
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.error().code(), ErrorCode::Unavailable);
  EXPECT_NE(read.error().message().find("was written meanwhile; ask again"), std::string::npos);
}

TEST_F(ReadOnly, ALogWithoutItsSharedMemoryIsReadInACopy) {
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

}  // namespace
}  // namespace millrace::metadata
