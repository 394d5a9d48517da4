#include "lake/file_set.h"

#include <map>
#include <random>

#include <gtest/gtest.h>

namespace millrace::lake {
namespace {

using Numbers = FileSet<int>;

std::map<std::string, int> all(const Numbers& set) {
  std::map<std::string, int> found;
  set.for_each([&](const std::string& key, const std::shared_ptr<const int>& file) {
    EXPECT_TRUE(found.emplace(key, *file).second) << key << " was visited twice";
  });
  return found;
}

/// Files come, change and go; at any moment a copy is kept with what it should hold for ever.
TEST(FileSet, CopiesHoldWhatTheyHeldWhateverBecomesOfTheOthers) {
  std::mt19937 random(7);
  Numbers set;
  std::map<std::string, int> expected;
  std::vector<std::pair<Numbers, std::map<std::string, int>>> versions;
  for (int step = 0; step < 3000; ++step) {
    const std::string key = "part-" + std::to_string(random() % 400);
    if (random() % 3 == 0) {
      set.erase(key);
      expected.erase(key);
    } else {
      set.put(key, std::make_shared<const int>(step));
      expected[key] = step;
    }
    ASSERT_EQ(set.size(), expected.size());
    if (step % 2 == 0) set.settle();
    if (step % 100 == 0) versions.emplace_back(set, expected);
  }
  versions.emplace_back(set, expected);
  for (const auto& [version, files] : versions) {
    EXPECT_EQ(all(version), files);
    EXPECT_EQ(version.size(), files.size());
    std::vector<int> by_key;
    for (const auto& file : version.sorted()) by_key.push_back(*file);
    std::vector<int> wanted;
    for (const auto& [key, file] : files) wanted.push_back(file);
    EXPECT_EQ(by_key, wanted);
  }
}

TEST(FileSet, WhatWasSettledIsSharedByCopies) {
  Numbers set;
  for (int i = 0; i < 1000; ++i) set.put(std::to_string(i), std::make_shared<const int>(i));
  set.settle();
  Numbers copy = set;
  copy.put("one more", std::make_shared<const int>(1));
  copy.settle();  // too few to make a whole of them
  const auto place_of = [](const Numbers& numbers) {
    const void* place = nullptr;
    numbers.for_each([&](const std::string& key, const std::shared_ptr<const int>&) {
      if (key == "500") place = &key;
    });
    return place;
  };
  EXPECT_EQ(place_of(set), place_of(copy));
  EXPECT_EQ(set.size(), 1000U);
  EXPECT_EQ(copy.size(), 1001U);
}

}  // namespace
}  // namespace millrace::lake
