// What was landed and is landed again: by the same run, by the next one, after a change of a
// delivery, after a kill.

#include <csignal>

#include <sys/wait.h>
#include <unistd.h>

#include "ingest/land_fixture.h"

namespace millrace::ingest {
namespace {

TEST_F(Land, AgainChangesNothingAndTheNextRunTakesWhatIsNew) {
  deliver_three_days();
  const auto first = world_.land("2013-01-03T00:00:00Z");
  const auto again = world_.land("2013-01-03T00:00:00Z");
  ASSERT_OK(first);
  ASSERT_OK(again);
  EXPECT_FALSE(again->changed);
  EXPECT_EQ(again->version, first->version);
  EXPECT_EQ(again->deliveries_already, 2);
  const auto next = world_.land("2013-01-04T00:00:00Z");
  ASSERT_OK(next);
  EXPECT_EQ(next->deliveries_landed, 1);
  EXPECT_EQ(next->deliveries_already, 2);
  expect_ids({"1", "2", "3", "4", "5"});
  const auto nothing_new = world_.land("2013-01-05T00:00:00Z");
  ASSERT_OK(nothing_new);
  EXPECT_FALSE(nothing_new->changed);
  EXPECT_EQ(nothing_new->version, next->version);
}

TEST_F(Land, TellsWhichDeliveriesHaveTheContentOfAnother) {
  const std::string one = flight(1, "2013-01-01T10:00:00Z", "2013-01-01T12:00:00Z");
  const auto told = [&](const std::string& before, std::int64_t generation = 1) {
    const auto report = world_.land(before, generation);
    EXPECT_TRUE(report.ok()) << report.error().message();
    return report.ok() ? report->same_content : std::vector<std::string>();
  };
  using Told = std::vector<std::string>;
  world_.deliver("flights-2013-01-01.jsonl", one);
  EXPECT_EQ(told("2013-01-02T00:00:00Z"), Told());
  world_.deliver("flights-20130101.jsonl", one);
  const Told twice = {"flights-20130101.jsonl has the same content as flights-2013-01-01.jsonl"};
  EXPECT_EQ(told("2013-01-03T00:00:00Z"), twice);
  EXPECT_EQ(told("2013-01-03T00:00:00Z", 2), twice) << "also when it is landed again";
  expect_ids({"1", "1"});
  world_.deliver("flights-2013-01-03.jsonl",
                 flight(3, "2013-01-03T10:00:00Z", "2013-01-03T12:00:00Z"));
  EXPECT_EQ(told("2013-01-04T00:00:00Z"), Told()) << "of what has landed before";
}

TEST_F(Land, OfAClearedIntervalReplacesExactlyWhatItHadLanded) {
  deliver_three_days();
  ASSERT_OK(world_.land("2013-01-02T00:00:00Z"));
  ASSERT_OK(world_.land("2013-01-03T00:00:00Z"));
  ASSERT_OK(world_.land("2013-01-04T00:00:00Z"));
  world_.deliver("flights-2013-01-02.jsonl.gz",
                 flight(30, "2013-01-01T23:30:00Z", "2013-01-02T01:00:00Z"));
  const auto cleared = world_.land("2013-01-03T00:00:00Z", 2);
  ASSERT_OK(cleared);
  EXPECT_EQ(cleared->deliveries_landed, 1);
  EXPECT_EQ(cleared->rows_late, 1);
  expect_ids({"1", "2", "5", "30"});
  ASSERT_OK(world_.land("2013-01-03T00:00:00Z", 2));
  expect_ids({"1", "2", "5", "30"});
}

TEST_F(Land, TakesADeliveryBackThatWasLandedAndIsNowLeftOut) {
  const auto skip = [](LandSpec& spec) { spec.on_bad_file = OnBadFile::Skip; };
  deliver_three_days();
  ASSERT_OK(world_.land("2013-01-03T00:00:00Z"));
  world_.deliver("flights-2013-01-02.jsonl.gz", "");
  ASSERT_OK(world_.land("2013-01-03T00:00:00Z", 2, skip));
  expect_ids({"1", "2"});
  deliver_three_days();
  ASSERT_OK(world_.land("2013-01-04T00:00:00Z"));
  expect_ids({"1", "2", "3", "4", "5"});
}

TEST_F(Land, NoticesADeliveryThatChangedAfterItWasLanded) {
  deliver_three_days();
  ASSERT_OK(world_.land("2013-01-03T00:00:00Z"));
  world_.deliver("flights-2013-01-01.jsonl",
                 flight(9, "2013-01-01T10:00:00Z", "2013-01-01T12:00:00Z"));
  const auto report = world_.land("2013-01-04T00:00:00Z");
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.error().code(), ErrorCode::DataQuality);
  EXPECT_NE(report.error().message().find("flights-2013-01-01.jsonl was landed with"),
            std::string::npos)
      << report.error().message();
  expect_ids({"1", "2", "3", "4"});
}

TEST_F(Land, NoticesACorrectionOfTheSameSize) {
  deliver_three_days();
  ASSERT_OK(world_.land("2013-01-03T00:00:00Z"));
  world_.deliver("flights-2013-01-01.jsonl",
                 flight(1, "2013-01-01T10:00:00Z", "2013-01-01T12:00:00Z") +
                     flight(7, "2013-01-01T11:00:00Z", "2013-01-01T13:00:00Z"));
  const auto report = world_.land("2013-01-04T00:00:00Z");
  ASSERT_FALSE(report.ok());
  EXPECT_NE(report.error().message().find("flights-2013-01-01.jsonl was landed with other content"),
            std::string::npos)
      << report.error().message();
  ASSERT_OK(world_.land("2013-01-03T00:00:00Z", 2));
  expect_ids({"1", "3", "4", "7"});
  ASSERT_OK(world_.land("2013-01-04T00:00:00Z"));
}

TEST_F(Land, ReadsAgainOnlyWhatWasTouchedSinceAndOnlyOnce) {
  deliver_three_days();
  ASSERT_OK(world_.land("2013-01-02T00:00:00Z"));
  const std::vector<std::string> first = {"flights-2013-01-01.jsonl"};
  WatchedSource& watched = world_.watch();
  ASSERT_OK(world_.land("2013-01-03T00:00:00Z"));
  EXPECT_EQ(watched.opened, std::vector<std::string>{"flights-2013-01-02.jsonl.gz"});
  EXPECT_EQ(watched.hashed, std::vector<std::string>{});
  world_.touch(first[0]);
  ASSERT_OK(world_.land("2013-01-04T00:00:00Z"));
  EXPECT_EQ(watched.hashed, first);
  ASSERT_OK(world_.land("2013-01-05T00:00:00Z"));
  EXPECT_EQ(watched.hashed, first) << "the landing before has noted the new time";
}

TEST_F(Land, SaysByItsKeyWhetherThereIsAnythingToDo) {
  deliver_three_days();
  const std::string before = world_.key("2013-01-03T00:00:00Z");
  const auto report = world_.land("2013-01-03T00:00:00Z");
  ASSERT_OK(report);
  EXPECT_NE(report->key, before);
  ASSERT_OK(world_.land("2013-01-04T00:00:00Z"));
  EXPECT_EQ(world_.key("2013-01-03T00:00:00Z"), report->key) << "another day has landed since";
  world_.deliver("flights-2013-01-02-late.jsonl", "x");
  EXPECT_EQ(world_.key("2013-01-03T00:00:00Z"), report->key) << "that is no delivery";
  world_.deliver("flights-2013-01-02.jsonl", "x");
  EXPECT_NE(world_.key("2013-01-03T00:00:00Z"), report->key);
}

TEST_F(Land, AgainLeavesWhatIsNoLongerDelivered) {
  deliver_three_days();
  ASSERT_OK(world_.land("2013-01-03T00:00:00Z"));
  ASSERT_OK(world_.land("2013-01-04T00:00:00Z"));
  world_.withdraw("flights-2013-01-01.jsonl");
  const auto keep = [](LandSpec& spec) { spec.gone = Gone::Keep; };
  const auto again = world_.land("2013-01-03T00:00:00Z", 2, keep);
  ASSERT_OK(again);
  EXPECT_EQ(again->kept, std::vector<std::string>{"flights-2013-01-01.jsonl"});
  EXPECT_EQ(again->version, lake::Version(0)) << "the version that it made before";
  EXPECT_FALSE(again->changed);
  expect_ids({"1", "2", "3", "4", "5"});
  world_.deliver("flights-2013-01-02.jsonl",
                 flight(6, "2013-01-02T10:00:00Z", "2013-01-02T12:00:00Z"));
  const auto with_more = world_.land("2013-01-03T00:00:00Z", 3, keep);
  ASSERT_FALSE(with_more.ok()) << "what is new cannot land without replacing what is gone";
  EXPECT_NE(with_more.error().message().find("let a run of a later date land what is new"),
            std::string::npos)
      << with_more.error().message();
}

TEST_F(Land, DoesNotLoseWhatAClearedRunCouldNotReadAgain) {
  deliver_three_days();
  ASSERT_OK(world_.land("2013-01-03T00:00:00Z"));
  world_.withdraw("flights-2013-01-01.jsonl");
  const auto cleared = world_.land("2013-01-03T00:00:00Z", 2);
  ASSERT_FALSE(cleared.ok());
  EXPECT_EQ(cleared.error().code(), ErrorCode::NotFound);
  EXPECT_NE(cleared.error().message().find("flights-2013-01-01.jsonl; put it back"),
            std::string::npos)
      << cleared.error().message();
  expect_ids({"1", "2", "3", "4"});
}

TEST_F(Land, KeepsWhatItLandedFromAFileThatIsALinkNow) {
  deliver_three_days();
  const auto first = world_.land("2013-01-03T00:00:00Z");
  ASSERT_OK(first);
  const std::filesystem::path in = folder_.path() + "/in";
  std::filesystem::rename(in / "flights-2013-01-01.jsonl", in / "moved");
  std::filesystem::create_symlink("moved", in / "flights-2013-01-01.jsonl");
  EXPECT_EQ(world_.key("2013-01-03T00:00:00Z"), first->key);
  const auto next = world_.land("2013-01-04T00:00:00Z");
  ASSERT_OK(next);
  EXPECT_EQ(next->passed_over,
            std::vector<std::string>{"flights-2013-01-01.jsonl is a symbolic link to a file"});
  expect_ids({"1", "2", "3", "4", "5"});
  const auto cleared = world_.land("2013-01-03T00:00:00Z", 2);
  ASSERT_FALSE(cleared.ok()) << "a cleared run reads its files again, and no link";
  EXPECT_NE(cleared.error().message().find("flights-2013-01-01.jsonl; put it back"),
            std::string::npos)
      << cleared.error().message();
}

TEST_F(Land, SaysByItsKeyThatALinkHasCome) {
  deliver_three_days();
  const auto landed = world_.land("2013-01-04T00:00:00Z");
  ASSERT_OK(landed);
  std::filesystem::create_symlink("flights-2013-01-01.jsonl",
                                  folder_.path() + "/in/flights-2013-01-02.jsonl");
  EXPECT_NE(world_.key("2013-01-04T00:00:00Z"), landed->key) << "a landing would refuse it";
}

TEST_F(Land, LandsNothingOfAFileThatIsReplacedWhileItIsReadAndAllOfTheNewOneNext) {
  std::string text;
  while (text.size() < (5U << 20U))
    text += flight(1, "2013-01-01T10:00:00Z", "2013-01-01T12:00:00Z");
  world_.deliver("flights-2013-01-01.jsonl", text);
  bool replaced = false;
  const auto report = world_.land("2013-01-02T00:00:00Z", 1, [&](LandSpec& spec) {
    spec.progress = [&](const LandProgress&) {
      if (std::exchange(replaced, true)) return;
      world_.deliver("flights-2013-01-01.jsonl",
                     flight(2, "2013-01-01T10:00:00Z", "2013-01-01T12:00:00Z"));
    };
  });
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.error().code(), ErrorCode::Unavailable) << report.error().message();
  expect_ids({"no table"});
  ASSERT_OK(world_.land("2013-01-02T00:00:00Z"));
  expect_ids({"2"});
}

TEST_F(Land, NoticesAFileThatIsReplacedByOneOfTheSameSizeAndTimeWhileItIsRead) {
  std::string text;
  while (text.size() < (5U << 20U))
    text += flight(1, "2013-01-01T10:00:00Z", "2013-01-01T12:00:00Z");
  world_.deliver("flights-2013-01-01.jsonl", text);
  const std::filesystem::path file = folder_.path() + "/in/flights-2013-01-01.jsonl";
  const auto written = std::filesystem::last_write_time(file);
  bool replaced = false;
  const auto report = world_.land("2013-01-02T00:00:00Z", 1, [&](LandSpec& spec) {
    spec.progress = [&](const LandProgress&) {
      if (std::exchange(replaced, true)) return;
      world_.deliver("flights-2013-01-01.jsonl", std::string(text.size(), '\n'));
      std::filesystem::last_write_time(file, written);
    };
  });
  ASSERT_TRUE(replaced);
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.error().code(), ErrorCode::Unavailable) << report.error().message();
  expect_ids({"no table"});
}

TEST_F(Land, RefusesATableInWhichASourceHasLandedThatIsNoMore) {
  deliver_three_days();
  const auto of = [](const std::vector<std::string>& sources) {
    return [sources](LandSpec& spec) { spec.sources = sources; };
  };
  ASSERT_OK(world_.land("2013-01-03T00:00:00Z", 1, of({"flights"})));
  FileSourceSpec renamed = flights();
  renamed.name = "departures";
  world_.open_source(renamed);
  const auto refused = world_.land("2013-01-04T00:00:00Z", 1, of({"departures", "planes"}));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().message(),
            "table raw.flights holds rows of the source 'flights', which this project no longer "
            "has: one that is renamed would land its files again, beside the rows that are there; "
            "give it its name back, or let it land in another table (table: raw.flights_2)");
  expect_ids({"1", "2", "3", "4"});
  ASSERT_OK(world_.land("2013-01-04T00:00:00Z", 1, of({"departures", "flights"})));
}

TEST_F(Land, OfTwoRunsAtOnceOneIsTurnedAway) {
  deliver_three_days();
  World other(folder_.path());
  bool landed = false;
  const auto report = world_.land("2013-01-03T00:00:00Z", 1, [&](LandSpec& spec) {
    spec.progress = [&](const LandProgress&) {
      if (std::exchange(landed, true)) return;
      ASSERT_OK(other.land("2013-01-02T00:00:00Z"));
    };
  });
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.error().code(), ErrorCode::Conflict) << report.error().message();
  expect_ids({"1", "2"});
  ASSERT_OK(world_.land("2013-01-03T00:00:00Z"));
  expect_ids({"1", "2", "3", "4"});
}

TEST_F(Land, AsksTheFenceBeforeItCommits) {
  deliver_three_days();
  const auto report = world_.land("2013-01-03T00:00:00Z", 1, [](LandSpec& spec) {
    spec.fence = [] { return Status(Error(ErrorCode::Denied, "attempt 1 was superseded")); };
  });
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.error().code(), ErrorCode::Denied);
  expect_ids({"no table"});
}

/// Lands in a process of its own, which is killed at the `kill_at`-th call of its fence (which the
/// lake asks right before each commit), or in the middle of reading when that is 0, or after
/// landing when it is -1.
void land_and_die(const std::string& root, int kill_at) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    World world(root);
    int calls = 0;
    const auto report = world.land("2013-01-04T00:00:00Z", 1, [&](LandSpec& spec) {
      spec.fence = [&]() -> Status {
        if (++calls == kill_at) kill(getpid(), SIGKILL);
        return {};
      };
      spec.progress = [&](const LandProgress& progress) {
        if (kill_at == 0 && progress.deliveries_done == 2) kill(getpid(), SIGKILL);
      };
    });
    kill(getpid(), report.ok() ? SIGKILL : SIGTERM);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  ASSERT_EQ(WTERMSIG(status), SIGKILL);
}

TEST(LandKilled, AtAnyMomentLandsEverythingOnceWhenItRunsAgain) {
  for (const int kill_at : {0, 1, 2, -1}) {
    SCOPED_TRACE(kill_at);
    const TemporaryFolder folder = *TemporaryFolder::make();
    {
      const auto files = *storage::open_local_store(folder.path() + "/in");
      for (int day = 1; day <= 3; ++day) {
        const std::string date = "2013-01-0" + std::to_string(day);
        std::string text;
        for (int id = 0; id < 100; ++id)
          text += flight(day * 100 + id, date + "T10:00:00Z", date + "T12:00:00Z",
                         id == 7 ? "\"bad\"" : "1");
        ASSERT_TRUE(files->put("flights-" + date + ".jsonl.gz", gzipped(text)).ok());
      }
    }
    land_and_die(folder.path(), kill_at);
    World world(folder.path());
    ASSERT_OK(world.land("2013-01-04T00:00:00Z"));
    EXPECT_EQ(world.ids().size(), 297U);
    EXPECT_EQ(world.rows("raw.flights", "count(DISTINCT id)", "1"),
              std::vector<std::string>{"297"});
    EXPECT_EQ(world.rows("raw.flights__rejected", "count(*), count(DISTINCT file)", "1"),
              std::vector<std::string>{"3|3"});
  }
}

}  // namespace
}  // namespace millrace::ingest
