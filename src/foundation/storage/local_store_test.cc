#include "storage/local_store.h"

#include <csignal>
#include <filesystem>
#include <random>
#include <thread>

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "storage/object_store_contract.h"

namespace millrace::storage {
namespace fs = std::filesystem;
namespace {

using Keys = std::vector<std::string>;

class LocalPlace final : public StorePlace {
 public:
  explicit LocalPlace(NewName way) : way_(way), store_(open_another()) {}
  std::unique_ptr<ObjectStore> open_another() override {
    return std::move(*open_local_store_by(way_, folder_.path() + "/root"));
  }
  ObjectStore& store() override { return *store_; }

 private:
  TemporaryFolder folder_ = *TemporaryFolder::make();
  NewName way_;
  std::unique_ptr<ObjectStore> store_;
};

INSTANTIATE_TEST_SUITE_P(
    Local, ObjectStoreContract,
    testing::Values(
        StoreFactory{"local", [] { return std::make_unique<LocalPlace>(NewName::LinkOrRename); }},
        StoreFactory{"local without hard links",
                     [] { return std::make_unique<LocalPlace>(NewName::RenameOnly); }}));

class LocalStore : public testing::Test {
 protected:
  std::string outside() const { return folder_.path() + "/outside"; }
  std::string root() const { return folder_.path() + "/root"; }
  std::string temporary_folder() const { return root() + "/.millrace-tmp"; }
  std::size_t temporary_files() const {
    std::error_code none;
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(temporary_folder(), none), {}));
  }
  std::unique_ptr<ObjectStore> open() { return std::move(*open_local_store(root())); }

  TemporaryFolder folder_ = *TemporaryFolder::make();
};

int exit_status_of(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

TEST_F(LocalStore, ObjectsAreFilesUnderTheRoot) {
  const auto store = open();
  ASSERT_TRUE(store->put("a/b.json", "x").ok());
  EXPECT_EQ(*read_file(root() + "/a/b.json"), "x");
  EXPECT_EQ(*store->engine_path("a/b.json"), root() + "/a/b.json");
  EXPECT_EQ(*store->staging_folder("t"), root() + "/t");
  EXPECT_EQ(temporary_files(), 0U);
}

TEST_F(LocalStore, ARootThatIsAFileIsRefused) {
  ASSERT_TRUE(write_file(root(), "x").ok());
  EXPECT_FALSE(open_local_store(root()).ok());
  EXPECT_FALSE(open_local_store(root() + "/below").ok());
}

TEST_F(LocalStore, TheRootMayBeALink) {
  ASSERT_TRUE(make_folders(outside()).ok());
  fs::create_symlink(outside(), root());
  ASSERT_TRUE(open()->put("a", "x").ok());
  EXPECT_EQ(*read_file(outside() + "/a"), "x");
}

TEST_F(LocalStore, NoCallFollowsALinkOutOfTheRoot) {
  const auto store = open();
  ASSERT_TRUE(write_file(outside() + "/secret", "secret").ok());
  fs::create_directory_symlink(outside(), root() + "/out");
  fs::create_symlink(outside() + "/secret", root() + "/file");
  for (const char* key : {"out/secret", "file"}) {
    SCOPED_TRACE(key);
    EXPECT_EQ(store->get(key).error().code(), ErrorCode::Denied);
    EXPECT_EQ(store->get_range(key, 0, 1).error().code(), ErrorCode::Denied);
    EXPECT_EQ(store->head(key).error().code(), ErrorCode::Denied);
    EXPECT_EQ(store->engine_path(key).error().code(), ErrorCode::Denied);
  }
  EXPECT_EQ(store->put("out/new", "x").error().code(), ErrorCode::Denied);
  EXPECT_EQ(store->put_if_absent("out/new", "x").error().code(), ErrorCode::Denied);
  EXPECT_EQ(store->remove("out/secret").error().code(), ErrorCode::Denied);
  EXPECT_EQ(store->staging_folder("out").error().code(), ErrorCode::Denied);
  EXPECT_EQ(store->staging_folder("out/deeper").error().code(), ErrorCode::Denied);
  EXPECT_EQ(store->publish("out", Keys{"secret"}).error().code(), ErrorCode::Denied);
  EXPECT_EQ(store->list("out/").error().code(), ErrorCode::Denied);
  EXPECT_TRUE(store->list("")->empty());
  fs::create_symlink("nowhere", root() + "/file2");
  ASSERT_EQ(::mkfifo((root() + "/pipe").c_str(), 0600), 0);
  EXPECT_EQ(*store->passed_over(""),
            (std::vector<NoObject>{{"file", "a symbolic link to a file", true},
                                   {"file2", "a symbolic link that leads nowhere"},
                                   {"out", "a symbolic link to what is no file"},
                                   {"pipe", "a pipe"}}));
  EXPECT_EQ(store->passed_over("fi")->size(), 2U);
  EXPECT_EQ(store->put_if_absent("file", "x").error().code(), ErrorCode::AlreadyExists);
  ASSERT_TRUE(store->put("file", "mine").ok()) << "the link is replaced, not its target";
  ASSERT_TRUE(store->remove("file").ok());
  EXPECT_EQ(*read_file(outside() + "/secret"), "secret");
  EXPECT_EQ(std::distance(fs::directory_iterator(outside()), {}), 1);
}

TEST_F(LocalStore, ALinkPutInPlaceOfAFolderWhileOthersWriteLeadsNowhere) {
  const auto store = open();
  ASSERT_TRUE(make_folders(outside()).ok());
  std::atomic<bool> done = false;
  std::thread mischief([&] {
    while (!done) {
      std::error_code ignored;
      fs::remove_all(root() + "/swap", ignored);
      fs::create_directory_symlink(outside(), root() + "/swap", ignored);
      fs::remove(root() + "/swap", ignored);
    }
  });
  for (int i = 0; i < 200; ++i)
    static_cast<void>(store->put("swap/" + std::to_string(i), "x"));  // may fail, may not escape
  done = true;
  mischief.join();
  EXPECT_TRUE(fs::is_empty(outside()));
}

TEST_F(LocalStore, AnObjectAndAFolderCannotShareAName) {
  const auto store = open();
  ASSERT_TRUE(store->put("a", "x").ok());
  ASSERT_TRUE(store->put("b/c", "x").ok());
  for (const char* key : {"a/below", "a/far/below", "b"}) {
    SCOPED_TRACE(key);
    const Status put = store->put(key, "y");
    ASSERT_FALSE(put.ok());
    EXPECT_EQ(put.error().code(), ErrorCode::Invalid) << put.error().message();
  }
  EXPECT_EQ(store->put_if_absent("a/below", "y").error().code(), ErrorCode::Invalid);
  EXPECT_EQ(temporary_files(), 0U);
}

TEST_F(LocalStore, WhatIsNoObjectIsNeitherListedNorRead) {
  const auto store = open();
  ASSERT_TRUE(store->put("a", "x").ok());
  ASSERT_EQ(::mkfifo((root() + "/fifo").c_str(), 0600), 0);
  ASSERT_TRUE(write_file(root() + "/new\nline", "x").ok());
  EXPECT_EQ(store->list("")->size(), 1U);
  EXPECT_EQ(store->get("fifo").error().code(), ErrorCode::NotFound);
}

TEST_F(LocalStore, TemporaryFilesOfTheDeadAreSweptAndThoseOfTheLivingStay) {
  ASSERT_TRUE(open()->put("a", "x").ok());
  ASSERT_TRUE(write_file(temporary_folder() + "/dead", "half").ok());
  ASSERT_TRUE(write_file(temporary_folder() + "/living", "half").ok());
  const FileDescriptor living(::open((temporary_folder() + "/living").c_str(), O_WRONLY));
  ASSERT_EQ(::flock(living.get(), LOCK_EX), 0);
  EXPECT_EQ(open()->list("")->size(), 1U);
  EXPECT_FALSE(fs::exists(temporary_folder() + "/dead"));
  EXPECT_TRUE(fs::exists(temporary_folder() + "/living"));
}

TEST_F(LocalStore, SweepsDoNotDisturbWriters) {
  std::atomic<bool> done = false;
  const auto store = open();
  std::thread sweeper([&] {
    while (!done) open();
  });
  for (int i = 0; i < 200; ++i)
    EXPECT_TRUE(store->put_if_absent("k/" + std::to_string(i), "x").ok());
  done = true;
  sweeper.join();
  EXPECT_EQ(store->list("k/")->size(), 200U);
}

TEST_F(LocalStore, OneOfManyProcessesWinsEachKey) {
  constexpr int processes = 4;
  constexpr int keys = 40;
  std::vector<pid_t> children;
  for (int p = 0; p < processes; ++p) {
    const pid_t child = ::fork();
    if (child == 0) {
      const auto store = open();
      int won = 0;
      for (int k = 0; k < keys; ++k) {
        const Status put = store->put_if_absent("log/" + std::to_string(k), std::to_string(p));
        if (put.ok()) ++won;
        if (!put.ok() && put.error().code() != ErrorCode::AlreadyExists) ::_exit(255);
      }
      ::_exit(won);
    }
    children.push_back(child);
  }
  int won = 0;
  for (const pid_t child : children) {
    const int status = exit_status_of(child);
    ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) != 255);
    won += WEXITSTATUS(status);
  }
  EXPECT_EQ(won, keys);
  EXPECT_EQ(open()->list("log/")->size(), static_cast<std::size_t>(keys));
}

/// What object number `i` holds: long enough that a kill can hit the middle of the write.
std::string content_of(int i) {
  return std::string(200'000, static_cast<char>('a' + i % 26)) + std::to_string(i);
}

std::string log_key(int i) {
  std::string digits = std::to_string(i);
  return "log/" + std::string(8 - digits.size(), '0') + digits;
}

/// Writes objects from `first` on and reports each on `acknowledged` when it is durable.
[[noreturn]] void write_until_killed(const std::string& root, int first, int acknowledged) {
  const auto opened = open_local_store(root);
  if (!opened.ok()) ::_exit(1);
  for (int i = first;; ++i) {
    if (!(*opened)->put_if_absent(log_key(i), content_of(i)).ok()) ::_exit(2);
    if (::write(acknowledged, &i, sizeof i) != sizeof i) ::_exit(3);
  }
}

TEST_F(LocalStore, AWriterKilledInTheMiddleLeavesNothingHalfAndLosesNothing) {
  constexpr unsigned seed = 20131201;
  std::mt19937 random(seed);
  int first = 0;
  for (int round = 0; round < 15; ++round) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    if (child == 0) write_until_killed(root(), first, ends[1]);
    ::close(ends[1]);
    int last = first - 1;
    const int enough = static_cast<int>(random() % 4);
    for (int got = 0; got < enough && ::read(ends[0], &last, sizeof last) == sizeof last;) ++got;
    pollfd next{.fd = ends[0], .events = POLLIN, .revents = 0};
    const timespec moment{.tv_sec = 0, .tv_nsec = static_cast<long>(random() % 2'000'000)};
    ::ppoll(&next, 1, &moment, nullptr);  // somewhere inside the write that comes next
    ::kill(child, SIGKILL);
    ASSERT_TRUE(WIFSIGNALED(exit_status_of(child)));
    while (::read(ends[0], &last, sizeof last) == sizeof last) {
    }
    ::close(ends[0]);
    const auto store = open();
    const std::size_t acknowledged = static_cast<std::size_t>(last) + 1;
    const auto listed = *store->list("log/");
    ASSERT_GE(listed.size(), acknowledged);
    ASSERT_LE(listed.size(), acknowledged + 1) << "at most one was written and not reported";
    for (int i = 0; i < static_cast<int>(listed.size()); ++i) {
      EXPECT_EQ(listed[static_cast<std::size_t>(i)].key, log_key(i));
      EXPECT_TRUE(*store->get(log_key(i)) == content_of(i)) << log_key(i);
    }
    EXPECT_EQ(temporary_files(), 0U) << "swept by open";
    first = static_cast<int>(listed.size());
  }
}

TEST_F(LocalStore, AFullDiskIsExhaustedAndLeavesNothing) {
  const auto store = open();
  ASSERT_TRUE(store->put("small", "x").ok());
  const pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{100'000, 100'000};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    const Status put = store->put("big", std::string(1 << 20, 'x'));
    ::_exit(!put.ok() && put.error().code() == ErrorCode::Exhausted ? 0 : 1);
  }
  EXPECT_EQ(exit_status_of(child), 0);
  EXPECT_EQ(store->list("")->size(), 1U);
  EXPECT_EQ(temporary_files(), 0U);
}

TEST_F(LocalStore, AnObjectAboveOneGigabyteIsReadInRanges) {
  const auto store = open();
  ASSERT_TRUE(store->put("big", "start").ok());
  fs::resize_file(root() + "/big", (1ULL << 30U) + 5);  // sparse
  EXPECT_EQ(store->get("big").error().code(), ErrorCode::Exhausted);
  EXPECT_EQ(*store->get_range("big", 0, 5), "start");
}

}  // namespace
}  // namespace millrace::storage
