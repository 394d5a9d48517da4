#include "launcher/kept_ends.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/file.h"

namespace millrace::launcher {
namespace {

using orchestration::AttemptId;
using orchestration::DagId;
using orchestration::RunId;
using orchestration::TaskId;

AttemptId attempt(const std::string& task) {
  return {{DagId("d"), RunId("r")}, TaskId(task), 1};
}

std::string end_of(const std::string& task, const std::string& token = "a.1", int bytes = 10) {
  report::Finished finished{attempt(task), token, {}};
  finished.end.result = std::string(static_cast<std::size_t>(bytes), 'x');
  return to_line(Report(std::move(finished)));
}

class KeptEndsTest : public testing::Test {
 protected:
  KeptEnds open(KeptEnds::Options options = {}) { return *KeptEnds::open(path_, options); }
  std::string file() { return *read_file(path_); }

  TemporaryFolder folder_ = *TemporaryFolder::make();
  std::string path_ = folder_.path() + "/launcher.ended";
};

TEST_F(KeptEndsTest, AnotherLauncherFindsWhatWasNotSettled) {
  {
    KeptEnds ends = open();
    ends.add(attempt("a"), "a.1", make_line(end_of("a")));
    ends.add(attempt("b"), "a.1", make_line(end_of("b")));
    ends.add(attempt("c"), "a.1", make_line(end_of("c")));
    ends.remove(attempt("b"));
    ends.add(attempt("c"), "a.2", make_line(end_of("c", "a.2")));
  }
  const KeptEnds again = open();
  ASSERT_NE(again.find(attempt("a"), "a.1"), nullptr);
  EXPECT_EQ(*again.find(attempt("a"), "a.1"), end_of("a"));
  EXPECT_EQ(again.find(attempt("a"), "b.1"), nullptr) << "of another start";
  EXPECT_EQ(again.find(attempt("c"), "a.1"), nullptr);
  EXPECT_EQ(*again.find(attempt("c"), "a.2"), end_of("c", "a.2"));
}

TEST_F(KeptEndsTest, WhenAllAreSettledTheFileIsEmptyAgain) {
  KeptEnds ends = open();
  for (int i = 0; i < 3; ++i) {
    ends.add(attempt("a"), "a.1", make_line(end_of("a")));
    ends.add(attempt("b"), "a.1", make_line(end_of("b")));
    ends.remove(attempt("a"));
    ends.remove(attempt("b"));
    EXPECT_EQ(file(), "{\"millrace_launcher_ended\":1}\n");
  }
}

TEST_F(KeptEndsTest, TheFileDoesNotGrowByWhatWasSettled) {
  KeptEnds ends = open();
  ends.add(attempt("stays"), "a.1", make_line(end_of("stays")));
  for (int i = 0; i < 100; ++i) {
    ends.add(attempt("goes"), "a.1", make_line(end_of("goes", "a.1", 100'000)));
    ends.remove(attempt("goes"));
  }
  EXPECT_LT(file().size(), 2'000'000U);
  EXPECT_NE(open().find(attempt("stays"), "a.1"), nullptr);
}

TEST_F(KeptEndsTest, ALineThatWasNotWrittenWholeIsLeftOut) {
  const std::string whole = "{\"millrace_launcher_ended\":1}\n" + end_of("a");
  struct Case {
    std::string why;
    std::string text;
    bool has_a;
  };
  const std::vector<Case> cases = {
      {"killed while it wrote", whole + end_of("b").substr(0, 40), true},
      {"nonsense in the middle", "{\"millrace_launcher_ended\":1}\nnonsense\n" + end_of("a"), true},
      {"nothing at all", "", false},
      {"another version", "{\"millrace_launcher_ended\":2}\n" + end_of("a"), false},
      {"only the half of the first line", "{\"millr", false},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    ASSERT_TRUE(write_file(path_, c.text).ok());
    KeptEnds ends = open();
    EXPECT_EQ(ends.find(attempt("a"), "a.1") != nullptr, c.has_a);
    EXPECT_EQ(ends.attempts().size(), c.has_a ? 1U : 0U);
    ends.add(attempt("b"), "a.1", make_line(end_of("b")));
    EXPECT_NE(open().find(attempt("b"), "a.1"), nullptr) << "what follows is read again";
  }
}

TEST_F(KeptEndsTest, AnEndThatNoServerCouldReadIsLeftOut) {
  ASSERT_TRUE(write_file(path_, "{\"millrace_launcher_ended\":1}\n" +
                                    end_of("a", "a.1", static_cast<int>(kLongestLine)) +
                                    end_of("b"))
                  .ok());
  const KeptEnds ends = open();
  EXPECT_EQ(ends.find(attempt("a"), "a.1"), nullptr);
  EXPECT_NE(ends.find(attempt("b"), "a.1"), nullptr);
  EXPECT_LT(file().size(), 1'000U) << "it does not stay in the file either";
}

TEST_F(KeptEndsTest, AFileThatNoLauncherHasWrittenKeepsNoneFromStarting) {
  ASSERT_TRUE(write_file(path_, std::string(10'000, '\0')).ok());
  KeptEnds ends = open({.most_bytes = 3'000});
  ends.add(attempt("b"), "a.1", make_line(end_of("b")));
  EXPECT_NE(open().find(attempt("b"), "a.1"), nullptr);
}

TEST_F(KeptEndsTest, AFolderInItsPlaceIsPutAside) {
  ASSERT_TRUE(make_folders(path_ + "/within").ok());
  open().add(attempt("b"), "a.1", make_line(end_of("b")));
  EXPECT_NE(open().find(attempt("b"), "a.1"), nullptr);
  EXPECT_EQ(::access((path_ + ".aside/within").c_str(), F_OK), 0);
}

TEST_F(KeptEndsTest, WhatDoesNotFitIsKeptInMemoryUntilThereIsRoom) {
  KeptEnds ends = open({.most_bytes = 3'000});
  ends.add(attempt("a"), "a.1", make_line(end_of("a", "a.1", 2'000)));
  EXPECT_TRUE(ends.are_in_file());
  ends.add(attempt("b"), "a.1", make_line(end_of("b", "a.1", 2'000)));
  EXPECT_FALSE(ends.are_in_file());
  EXPECT_NE(ends.find(attempt("b"), "a.1"), nullptr);
  EXPECT_EQ(open().find(attempt("b"), "a.1"), nullptr);
  ends.remove(attempt("a"));
  EXPECT_TRUE(ends.are_in_file());
  EXPECT_NE(open().find(attempt("b"), "a.1"), nullptr);
}

TEST_F(KeptEndsTest, TheBoundIsOfWhatIsKeptAlsoByAnEarlierLauncher) {
  const std::string line = end_of("a", "a.1", 2'000);
  const std::size_t left = 2 * 3'000 - line.size();
  {
    KeptEnds ends = open({.most_bytes = 3'000});
    ends.add(attempt("a"), "a.1", make_line(line));
    EXPECT_TRUE(ends.has_room_for(left));
    EXPECT_FALSE(ends.has_room_for(left + 1));
  }
  KeptEnds ends = open({.most_bytes = 3'000});
  EXPECT_TRUE(ends.has_room_for(left));
  EXPECT_FALSE(ends.has_room_for(left + 1));
  ends.remove(attempt("a"));
  EXPECT_TRUE(ends.has_room_for(2 * 3'000));
}

}  // namespace
}  // namespace millrace::launcher
