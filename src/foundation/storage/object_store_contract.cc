#include "storage/object_store_contract.h"

#include <algorithm>
#include <atomic>
#include <thread>

#include "base/file.h"

namespace millrace::storage {
namespace {

std::vector<std::string> keys_of(const Result<std::vector<ObjectInfo>>& listed) {
  std::vector<std::string> keys;
  if (!listed.ok()) return {listed.error().message()};
  for (const ObjectInfo& object : *listed) keys.push_back(object.key);
  return keys;
}

using Keys = std::vector<std::string>;

TEST_P(ObjectStoreContract, WhatWasPutComesBack) {
  const std::string everything = [] {
    std::string bytes;
    for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
    return bytes;
  }();
  for (const std::string& bytes :
       {std::string(), std::string("x"), everything, std::string(3 << 20, 'm')}) {
    ASSERT_TRUE(store().put("t/object", bytes).ok());
    EXPECT_EQ(*store().get("t/object"), bytes);
    const auto info = store().head("t/object");
    ASSERT_TRUE(info.ok());
    EXPECT_EQ(info->key, "t/object");
    EXPECT_EQ(info->size_bytes, bytes.size());
  }
}

TEST_P(ObjectStoreContract, RangesEndWhereTheObjectEnds) {
  ASSERT_TRUE(store().put("t", "0123456789").ok());
  struct Case {
    const char* why;
    std::uint64_t offset;
    std::uint64_t length;
    const char* expected;
  };
  const std::vector<Case> cases = {
      {"the beginning", 0, 3, "012"},
      {"the middle", 4, 2, "45"},
      {"it ends early", 8, 10, "89"},
      {"nothing asked", 3, 0, ""},
      {"at the end", 10, 5, ""},
      {"past the end", 1'000, 5, ""},
      {"a length that would wrap around", 5, UINT64_MAX, "56789"},
      {"an offset that is no file offset", UINT64_MAX, UINT64_MAX, ""},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    const auto range = store().get_range("t", c.offset, c.length);
    ASSERT_TRUE(range.ok()) << range.error().message();
    EXPECT_EQ(*range, c.expected);
  }
}

TEST_P(ObjectStoreContract, AnAbsentObjectIsNotFound) {
  ASSERT_TRUE(store().put("folder/object", "x").ok());
  for (const char* key : {"absent", "folder", "folder/absent", "folder/object2"}) {
    SCOPED_TRACE(key);
    for (const ErrorCode code :
         {store().get(key).error().code(), store().get_range(key, 0, 1).error().code(),
          store().head(key).error().code(), store().engine_path(key).error().code()})
      EXPECT_EQ(code, ErrorCode::NotFound);
    EXPECT_TRUE(store().remove(key).ok());
  }
  EXPECT_TRUE(store().get("folder/object").ok());
}

TEST_P(ObjectStoreContract, PutReplacesAndPutIfAbsentDoesNot) {
  ASSERT_TRUE(store().put_if_absent("k", "first").ok());
  EXPECT_EQ(store().put_if_absent("k", "second").error().code(), ErrorCode::AlreadyExists);
  EXPECT_EQ(*store().get("k"), "first");
  ASSERT_TRUE(store().put("k", "third").ok());
  EXPECT_EQ(*store().get("k"), "third");
  ASSERT_TRUE(store().remove("k").ok());
  EXPECT_EQ(store().get("k").error().code(), ErrorCode::NotFound);
  ASSERT_TRUE(store().put_if_absent("k", "fourth").ok());
  EXPECT_EQ(*store().get("k"), "fourth");
}

TEST_P(ObjectStoreContract, ABadKeyIsInvalidInEveryCall) {
  ASSERT_TRUE(store().put("a/b", "x").ok());
  const Keys bad = {"",
                    "/",
                    "/a",
                    "a/",
                    "a//b",
                    ".",
                    "..",
                    "../x",
                    "a/../../x",
                    "./a",
                    "a/\x01",
                    std::string("a\0b", 3),
                    "a\nb",
                    "\x7f",
                    "\xff\xfe",
                    ".millrace-tmp/x",
                    std::string(2'000, 'k')};
  for (const std::string& key : bad) {
    SCOPED_TRACE(key);
    const std::vector<ErrorCode> codes = {
        store().get(key).error().code(),
        store().get_range(key, 0, 1).error().code(),
        store().head(key).error().code(),
        store().put(key, "x").error().code(),
        store().put_if_absent(key, "x").error().code(),
        store().remove(key).error().code(),
        store().make_durable(key).error().code(),
        store().staging_folder(key).error().code(),
        store().publish(key, Keys{"x"}).error().code(),
        store().publish("a", Keys{"../" + key}).error().code(),
        store().engine_path(key).error().code(),
    };
    for (const ErrorCode code : codes) EXPECT_EQ(code, ErrorCode::Invalid);
  }
  for (const char* prefix : {"/", "../", "a//", "a/../"})
    EXPECT_EQ(store().list(prefix).error().code(), ErrorCode::Invalid) << prefix;
  EXPECT_EQ(keys_of(store().list("")), Keys{"a/b"});
}

TEST_P(ObjectStoreContract, StrangeButLegalKeysAreKeptApart) {
  const Keys keys = {"...",     "..a",   ".hidden", "A",   "a b",   "a%2Fb", "a*?[x]",
                     "a=b/c=d", "a\\b",  "a|b",     "'\"", "x;y",   "ä",     "日本/語",
                     "-rf",     "~root", "$HOME",   "a+b", "a:b@c", "#",     std::string(255, 'n')};
  for (const std::string& key : keys) ASSERT_TRUE(store().put(key, "of " + key).ok()) << key;
  for (const std::string& key : keys) EXPECT_EQ(*store().get(key), "of " + key);
  Keys sorted = keys;
  std::ranges::sort(sorted);
  EXPECT_EQ(keys_of(store().list("")), sorted);
}

TEST_P(ObjectStoreContract, ListIsSortedByBytesAndTakesAPrefixOfText) {
  for (const char* key : {"a/b", "a-b", "a.b", "a/b2/c", "a/bc", "a0", "b", "a/b2/d"})
    ASSERT_TRUE(store().put(key, "12345").ok());
  struct Case {
    const char* why;
    const char* prefix;
    const char* start_after;
    Keys expected;
  };
  const std::vector<Case> cases = {
      {"'-' and '.' stand before '/'",
       "",
       "",
       {"a-b", "a.b", "a/b", "a/b2/c", "a/b2/d", "a/bc", "a0", "b"}},
      {"a text, not a folder", "a/b", "", {"a/b", "a/b2/c", "a/b2/d", "a/bc"}},
      {"a folder", "a/b2/", "", {"a/b2/c", "a/b2/d"}},
      {"a part of a folder's name", "a", "a/b2/c", {"a/b2/d", "a/bc", "a0"}},
      {"after a key that is not there", "", "a/b2", {"a/b2/c", "a/b2/d", "a/bc", "a0", "b"}},
      {"after a folder", "", "a/b2/zzz", {"a/bc", "a0", "b"}},
      {"after everything", "a/", "c", {}},
      {"before everything", "a/b2", "A", {"a/b2/c", "a/b2/d"}},
      {"nothing there", "z/y/x", "", {}},
      {"below an object", "b/", "", {}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    EXPECT_EQ(keys_of(store().list(c.prefix, c.start_after)), c.expected);
  }
  EXPECT_EQ((*store().list("b"))[0].size_bytes, 5U);
  EXPECT_EQ((*store().list("b"))[0], *store().head("b"));
}

TEST_P(ObjectStoreContract, AnEmptyStoreListsNothing) {
  EXPECT_EQ(keys_of(store().list("")), Keys{});
}

TEST_P(ObjectStoreContract, ModifiedNeverLiesBeforeAnEarlierPut) {
  ASSERT_TRUE(store().put("a", "x").ok());
  ASSERT_TRUE(store().put("b", "x").ok());
  EXPECT_LE(store().head("a")->modified, store().head("b")->modified);
}

TEST_P(ObjectStoreContract, AnObjectThatIsReplacedHasAnotherEtag) {
  ASSERT_TRUE(store().put("a", "x").ok());
  const std::string etag = store().head("a")->etag;
  EXPECT_FALSE(etag.empty());
  EXPECT_EQ(store().head("a")->etag, etag);
  EXPECT_EQ(store().list("", "")->at(0).etag, etag);
  ASSERT_TRUE(store().put("a", "y").ok());
  EXPECT_NE(store().head("a")->etag, etag) << "of the same size, and perhaps of the same moment";
}

TEST_P(ObjectStoreContract, AnotherStoreOfTheSamePlaceSeesTheObjects) {
  ASSERT_TRUE(store().put("a/b", "x").ok());
  const auto another = place().open_another();
  if (another == nullptr) GTEST_SKIP() << "the objects live in this store alone";
  EXPECT_EQ(*another->get("a/b"), "x");
  EXPECT_EQ(another->put_if_absent("a/b", "y").error().code(), ErrorCode::AlreadyExists);
}

TEST_P(ObjectStoreContract, WhatOthersPutCanBeMadeDurable) {
  ASSERT_TRUE(store().put("log/a/1", "x").ok());
  EXPECT_TRUE(store().make_durable("log/a").ok());
  EXPECT_TRUE(store().make_durable("log").ok());
  EXPECT_EQ(store().make_durable("nothing").error().code(), ErrorCode::NotFound);
  EXPECT_EQ(keys_of(store().list("")), Keys{"log/a/1"});
}

TEST_P(ObjectStoreContract, StagedFilesBecomeObjectsWhenPublished) {
  const auto folder = store().staging_folder("lake/t");
  ASSERT_TRUE(folder.ok()) << folder.error().message();
  ASSERT_TRUE(write_file(*folder + "/part-0.parquet", "zero").ok());
  ASSERT_TRUE(write_file(*folder + "/day=1/hour=2/part-1.parquet", "one").ok());
  ASSERT_TRUE(
      store().publish("lake/t", Keys{"part-0.parquet", "day=1/hour=2/part-1.parquet"}).ok());
  EXPECT_EQ(*store().get("lake/t/part-0.parquet"), "zero");
  EXPECT_EQ(*store().get("lake/t/day=1/hour=2/part-1.parquet"), "one");
  EXPECT_EQ(keys_of(store().list("lake/")),
            (Keys{"lake/t/day=1/hour=2/part-1.parquet", "lake/t/part-0.parquet"}));
  EXPECT_TRUE(store().publish("lake/t", Keys{}).ok());
  EXPECT_EQ(store().publish("lake/t", Keys{"never-written"}).error().code(), ErrorCode::NotFound);
}

TEST_P(ObjectStoreContract, AnEngineReadsTheObjectAtItsPath) {
  ASSERT_TRUE(store().put("a/b.json", "{}").ok());
  const auto path = store().engine_path("a/b.json");
  ASSERT_TRUE(path.ok()) << path.error().message();
  EXPECT_TRUE(path->ends_with("a/b.json"));  // engines look at the ending
  EXPECT_EQ(*read_file(*path), "{}");
}

TEST_P(ObjectStoreContract, OneOfManyThreadsWinsEachKey) {
  constexpr int count = 8;
  constexpr int keys = 25;
  std::vector<std::atomic<int>> winners(keys);
  std::vector<std::atomic<int>> winner_of(keys);
  std::atomic<int> surprises = 0;
  std::vector<std::thread> threads;
  threads.reserve(count);
  for (int t = 0; t < count; ++t)
    threads.emplace_back([&, t] {
      for (int k = 0; k < keys; ++k) {
        const Status put =
            store().put_if_absent("log/" + std::to_string(k), "by " + std::to_string(t));
        if (put.ok()) {
          ++winners[static_cast<std::size_t>(k)];
          winner_of[static_cast<std::size_t>(k)] = t;
        } else if (put.error().code() != ErrorCode::AlreadyExists) {
          ++surprises;
        }
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(surprises, 0);
  for (int k = 0; k < keys; ++k) {
    EXPECT_EQ(winners[static_cast<std::size_t>(k)], 1) << "key " << k;
    EXPECT_EQ(*store().get("log/" + std::to_string(k)),
              "by " + std::to_string(winner_of[static_cast<std::size_t>(k)]));
  }
}

TEST_P(ObjectStoreContract, ReadersSeeWholeObjectsWhileTheyAreReplaced) {
  const std::size_t size = 300'000;
  ASSERT_TRUE(store().put("hot", std::string(size, 'a')).ok());
  std::atomic<bool> done = false;
  std::atomic<int> torn = 0;
  std::vector<std::thread> readers;
  readers.reserve(2);
  for (int r = 0; r < 2; ++r)
    readers.emplace_back([&] {
      while (!done) {
        const auto bytes = store().get("hot");
        if (!bytes.ok() || bytes->size() != size ||
            bytes->find_first_not_of((*bytes)[0]) != std::string::npos)
          ++torn;
        if (keys_of(store().list("h")) != Keys{"hot"}) ++torn;
      }
    });
  for (int i = 0; i < 30; ++i)
    EXPECT_TRUE(store().put("hot", std::string(size, static_cast<char>('a' + i % 26))).ok());
  done = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(torn, 0);
}

TEST_P(ObjectStoreContract, FoldersAppearAndVanishWhileOthersWriteAndList) {
  std::atomic<int> failures = 0;
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 20; ++i) {
        const std::string key = "shared/" + std::to_string(i) + "/deep/" + std::to_string(t);
        if (!store().put(key, key).ok() || !store().list("shared/").ok() ||
            !store().remove(key).ok())
          ++failures;
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failures, 0);
  EXPECT_EQ(keys_of(store().list("")), Keys{});
}

}  // namespace
}  // namespace millrace::storage
