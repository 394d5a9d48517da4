#include "base/file.h"

#include <filesystem>

#include <gtest/gtest.h>

#include "base/result_fixture.h"

namespace millrace {
namespace {

TEST(WriteFile, WhatItLeftWhenItWasKilledIsRemovedAndNothingElse) {
  const TemporaryFolder folder = good(TemporaryFolder::make());
  const auto path = [&](const char* name) { return folder.path() + "/" + name; };
  for (const char* name :
       {"verdict.json", "verdict.json.tmp-1", "verdict.json.tmp-2", "verdict.jsonl", "other.tmp-1"})
    good(write_file(path(name), "{}"));
  remove_unfinished(path("verdict.json"));
  remove_unfinished(path("no folder") + "/verdict.json");
  for (const auto& [name, stays] :
       std::vector<std::pair<const char*, bool>>{{"verdict.json", true},
                                                 {"verdict.json.tmp-1", false},
                                                 {"verdict.json.tmp-2", false},
                                                 {"verdict.jsonl", true},
                                                 {"other.tmp-1", true}})
    EXPECT_EQ(std::filesystem::exists(path(name)), stays) << name;
}

}  // namespace
}  // namespace millrace
