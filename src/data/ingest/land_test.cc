#include "ingest/land.h"

#include <csignal>
#include <filesystem>
#include <mutex>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "ingest/file_source.h"
#include "ingest/source_contract.h"

namespace millrace::ingest {
namespace {

using columnar::Field;
using columnar::Kind;
using columnar::Schema;
using columnar::simple;

Instant at(std::string_view text) {
  return *parse_instant(text);
}

lake::TableName table(const std::string& name) {
  return *lake::TableName::parse(name);
}

FileSourceSpec flights() {
  FileSourceSpec spec;
  spec.name = "flights";
  spec.pattern = "flights-{date}.jsonl*";
  spec.columns = Schema({{"id", simple(Kind::Int64), false},
                         {"departs", simple(Kind::Timestamp), false},
                         {"delay", simple(Kind::Int32), true},
                         {"landed", simple(Kind::Timestamp), false}});
  spec.delivered_at_column = "landed";
  return spec;
}

std::string flight(int id, const std::string& departs, const std::string& landed,
                   const std::string& delay = "5") {
  return "{\"id\": " + std::to_string(id) + ", \"departs\": \"" + departs +
         "\", \"delay\": " + delay + ", \"landed\": \"" + landed + "\"}\n";
}

/// Notes which deliveries are opened, and which are hashed.
class WatchedSource final : public Source {
 public:
  explicit WatchedSource(std::unique_ptr<Source> source) : source_(std::move(source)) {}
  const std::string& name() const override { return source_->name(); }
  const Schema& columns() const override { return source_->columns(); }
  const std::string& delivered_at_column() const override { return source_->delivered_at_column(); }
  bool keeps_unknown() const override { return source_->keeps_unknown(); }
  Result<std::vector<Delivery>> list(Instant before) override { return source_->list(before); }
  Result<std::unique_ptr<DeliveryReader>> open(const Delivery& delivery) override {
    const std::lock_guard lock(mutex_);
    opened.push_back(delivery.path);
    return source_->open(delivery);
  }
  Result<std::string> content_hash(const Delivery& delivery) override {
    hashed.push_back(delivery.path);
    return source_->content_hash(delivery);
  }

  std::vector<std::string> opened;
  std::vector<std::string> hashed;

 private:
  std::unique_ptr<Source> source_;
  std::mutex mutex_;
};

/// A lake and a folder of deliveries on disk, and all that is needed to land.
class World {
 public:
  explicit World(std::string root) : root_(std::move(root)) {}

  /// Lands what was delivered before `before`.
  Result<LandReport> land(const std::string& before, std::int64_t generation = 1,
                          const std::function<void(LandSpec&)>& change = nullptr) {
    LandSpec spec = spec_of(before, generation);
    if (change) change(spec);
    return ingest::land(lake_, *session_, *source_, spec);
  }
  /// What a landing would say of itself now.
  std::string key(const std::string& before) {
    return *key_of_landing(lake_, *session_, *source_, spec_of(before, 1));
  }
  /// From now on it is known what is read.
  WatchedSource& watch() {
    auto watched = std::make_unique<WatchedSource>(std::move(source_));
    WatchedSource& source = *watched;
    source_ = std::move(watched);
    return source;
  }
  void open_source(FileSourceSpec spec) { source_ = *open_file_source(std::move(spec), *files_); }

  void deliver(const std::string& path, std::string_view content) {
    ASSERT_TRUE(files_->put(path, content).ok());
  }
  void touch(const std::string& path) {
    const std::filesystem::path file = root_ + "/in/" + path;
    std::filesystem::last_write_time(
        file, std::filesystem::last_write_time(file) + std::chrono::hours(1));
  }
  void withdraw(const std::string& path) { ASSERT_TRUE(files_->remove(path).ok()); }

  /// The answer as "a|b" lines; nothing when the table is not there.
  std::vector<std::string> rows(const std::string& name, const std::string& columns = "*",
                                const std::string& order = "_file, _row") {
    std::vector<std::string> lines;
    auto snapshot = lake_.snapshot(table(name));
    if (!snapshot.ok()) return {"no table"};
    EXPECT_TRUE(session_->define_scan("asked", *(*snapshot)->scan()).ok());
    const auto batches = session_->collect("SELECT " + columns + " FROM asked ORDER BY " + order);
    EXPECT_TRUE(batches.ok()) << batches.error().message();
    for (const columnar::RecordBatch& batch : *batches)
      for (std::size_t row = 0; row < batch.row_count(); ++row) {
        std::string line;
        for (std::size_t i = 0; i < batch.schema().size(); ++i)
          line += (i == 0 ? "" : "|") +
                  (batch.column(i).is_null(row) ? "-" : batch.column(i).to_string(row));
        lines.push_back(line);
      }
    return lines;
  }
  std::vector<std::string> ids() { return rows("raw.flights", "id", "id, _file"); }
  lake::SnapshotPtr snapshot() { return *lake_.snapshot(table("raw.flights")); }
  engine::Session& session() { return *session_; }
  lake::Lake& lake() { return lake_; }
  Source& source() { return *source_; }

 private:
  static LandSpec spec_of(const std::string& before, std::int64_t generation) {
    return {.table = table("raw.flights"),
            .event_time = "departs",
            .before = at(before),
            .writer = {"weekly/land/" + before + "/raw.flights", generation}};
  }

  std::string root_;
  std::unique_ptr<storage::ObjectStore> files_ = *storage::open_local_store(root_ + "/in");
  std::unique_ptr<storage::ObjectStore> store_ = *storage::open_local_store(root_ + "/lake");
  std::unique_ptr<engine::Engine> engine_ = *engine::open_duckdb({.threads = 2});
  ManualClock clock_{at("2026-01-01T00:00:00Z")};
  lake::Lake lake_{*store_, *engine_, clock_};
  std::unique_ptr<engine::Session> session_ = *engine_->open_session();
  std::unique_ptr<Source> source_ = *open_file_source(flights(), *files_);
};

class Land : public testing::Test {
 protected:
  /// Three days: the flight that lands after midnight stands in the file of the next day.
  void deliver_three_days() {
    world_.deliver("flights-2013-01-01.jsonl",
                   flight(1, "2013-01-01T10:00:00Z", "2013-01-01T12:00:00Z") +
                       flight(2, "2013-01-01T11:00:00Z", "2013-01-01T13:00:00Z"));
    world_.deliver("flights-2013-01-02.jsonl.gz",
                   gzipped(flight(3, "2013-01-01T23:30:00Z", "2013-01-02T01:00:00Z") +
                           flight(4, "2013-01-02T10:00:00Z", "2013-01-02T12:00:00Z")));
    world_.deliver("flights-2013-01-03.jsonl",
                   flight(5, "2013-01-03T10:00:00Z", "2013-01-03T12:00:00Z"));
  }
  void expect_ids(const std::vector<std::string>& ids) { EXPECT_EQ(world_.ids(), ids); }

  TemporaryFolder folder_ = *TemporaryFolder::make();
  World world_{folder_.path()};
};

#define ASSERT_OK(result) ASSERT_TRUE((result).ok()) << (result).error().message()

TEST_F(Land, PutsEveryRowIntoThePartitionOfItsEventWithWhereItCameFrom) {
  deliver_three_days();
  const auto report = world_.land("2013-01-03T00:00:00Z");
  ASSERT_OK(report);
  EXPECT_EQ(report->deliveries_landed, 2);
  EXPECT_EQ(report->rows_landed, 4);
  EXPECT_EQ(report->rows_late, 1);
  EXPECT_EQ(report->partitions, 2);
  EXPECT_TRUE(report->changed);
  EXPECT_EQ(
      world_.rows("raw.flights"),
      (std::vector<std::string>{
          "1|2013-01-01T10:00:00Z|5|2013-01-01T12:00:00Z|flights-2013-01-01.jsonl|1|2013-01-01",
          "2|2013-01-01T11:00:00Z|5|2013-01-01T13:00:00Z|flights-2013-01-01.jsonl|2|2013-01-01",
          "3|2013-01-01T23:30:00Z|5|2013-01-02T01:00:00Z|flights-2013-01-02.jsonl.gz|1|"
          "2013-01-01",
          "4|2013-01-02T10:00:00Z|5|2013-01-02T12:00:00Z|flights-2013-01-02.jsonl.gz|2|"
          "2013-01-02"}));
  EXPECT_EQ(world_.snapshot()->partition_columns(), std::vector<std::string>{"event_date"});
  EXPECT_EQ(world_.rows("raw.flights__rejected"), std::vector<std::string>{"no table"});
}

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

TEST_F(Land, KeepsABadRowWithItsReasonAndLandsTheOthers) {
  world_.deliver("flights-2013-01-01.jsonl",
                 flight(1, "2013-01-01T10:00:00Z", "2013-01-01T12:00:00Z") +
                     flight(2, "2013-01-01T11:00:00Z", "2013-01-01T13:00:00Z", "\"five\"") +
                     "{\"id\": \xff}\n" +
                     flight(3, "2013-01-01T11:00:00Z", "2013-01-01T13:00:00Z") +
                     flight(4, "2013-01-01T11:00:00Z", "2013-01-01T13:00:00Z"));
  const auto report = world_.land("2013-01-02T00:00:00Z");
  ASSERT_OK(report);
  EXPECT_EQ(report->rows_read, 5);
  EXPECT_EQ(report->rows_rejected, 2);
  EXPECT_EQ(
      report->first_rejected,
      (std::vector<std::string>{
          "flights-2013-01-01.jsonl:2: column \"delay\" is INTEGER, found the string \"five\"",
          "flights-2013-01-01.jsonl:3: is not valid UTF-8"}));
  expect_ids({"1", "3", "4"});
  EXPECT_EQ(world_.rows("raw.flights__rejected", "*", "row_number"),
            (std::vector<std::string>{
                "flights|flights-2013-01-01.jsonl|2|column \"delay\" is INTEGER, found the string "
                "\"five\"|delay|{\"id\": 2, \"departs\": \"2013-01-01T11:00:00Z\", \"delay\": "
                "\"five\", \"landed\": \"2013-01-01T13:00:00Z\"}|2013-01-01T23:59:59.999999Z",
                "flights|flights-2013-01-01.jsonl|3|is not valid UTF-8|-|{\"id\": "
                "\\xFF}|2013-01-01T23:59:59.999999Z"}));
}

TEST_F(Land, RefusesAllForOneDeliveryThatCannotBeReadAndKeepsTheReasonOnce) {
  deliver_three_days();
  const std::string whole = gzipped(flight(3, "2013-01-01T23:30:00Z", "2013-01-02T01:00:00Z"));
  world_.deliver("flights-2013-01-02.jsonl.gz", whole.substr(0, whole.size() - 9));
  for (int attempt = 0; attempt < 2; ++attempt) {
    const auto report = world_.land("2013-01-04T00:00:00Z");
    ASSERT_FALSE(report.ok());
    EXPECT_EQ(report.error().code(), ErrorCode::Corruption);
    EXPECT_TRUE(report.error().message().starts_with(
        "landing raw.flights: 1 of 3 deliveries cannot be landed, so nothing was landed: "
        "flights-2013-01-02.jsonl.gz ends in the middle of its gzip data"))
        << report.error().message();
    expect_ids({"no table"});
    EXPECT_EQ(world_.rows("raw.flights__rejected", "file, row_number, raw", "file"),
              std::vector<std::string>{"flights-2013-01-02.jsonl.gz|-|-"});
  }
  world_.deliver("flights-2013-01-02.jsonl.gz", whole);
  ASSERT_OK(world_.land("2013-01-04T00:00:00Z"));
  expect_ids({"1", "2", "3", "5"});
}

TEST_F(Land, RefusesADeliveryWithTooManyBadRows) {
  std::string text;
  for (int id = 0; id < 40; ++id)
    text += flight(id, "2013-01-01T10:00:00Z", "2013-01-01T12:00:00Z", id < 11 ? "true" : "1");
  world_.deliver("flights-2013-01-01.jsonl", text);
  const auto report = world_.land("2013-01-02T00:00:00Z");
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.error().code(), ErrorCode::DataQuality);
  EXPECT_NE(report.error().message().find(
                "flights-2013-01-01.jsonl: 11 of 40 rows are bad, 10 are allowed (max_bad_share "
                "0.01, at least 10 rows, at most half); the first: flights-2013-01-01.jsonl:1: "
                "column \"delay\" is INTEGER, found "
                "true"),
            std::string::npos)
      << report.error().message();
  expect_ids({"no table"});
  EXPECT_EQ(world_.rows("raw.flights__rejected", "row_number", "row_number").size(), 11U);
  ASSERT_OK(world_.land("2013-01-02T00:00:00Z", 1,
                        [](LandSpec& spec) { spec.limits.max_bad_share = 0.3; }));
  EXPECT_EQ(world_.ids().size(), 29U);
  EXPECT_EQ(world_.rows("raw.flights__rejected", "row_number", "row_number").size(), 11U);
}

TEST_F(Land, CanLeaveABadDeliveryOutUntilItIsWhole) {
  const auto skip = [](LandSpec& spec) { spec.on_bad_file = OnBadFile::Skip; };
  deliver_three_days();
  world_.deliver("flights-2013-01-02.jsonl.gz", "");
  const auto report = world_.land("2013-01-03T00:00:00Z", 1, skip);
  ASSERT_OK(report);
  ASSERT_EQ(report->skipped.size(), 1U);
  EXPECT_TRUE(report->skipped[0].starts_with("flights-2013-01-02.jsonl.gz is empty"));
  EXPECT_EQ(report->deliveries_landed, 1);
  expect_ids({"1", "2"});
  deliver_three_days();
  const auto next = world_.land("2013-01-04T00:00:00Z", 1, skip);
  ASSERT_OK(next);
  EXPECT_EQ(next->deliveries_landed, 2);
  expect_ids({"1", "2", "3", "4", "5"});
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

TEST_F(Land, RefusesALinkByNameAndReportsWhatHasNoRows) {
  deliver_three_days();
  const std::filesystem::path in = folder_.path() + "/in";
  std::filesystem::rename(in / "flights-2013-01-01.jsonl", in / "real");
  std::filesystem::create_symlink("real", in / "flights-2013-01-01.jsonl");
  std::filesystem::create_symlink("nowhere", in / "flights-2013-01-02.jsonl");
  world_.deliver("flights-2013-13-03.jsonl", "x");
  const auto report = world_.land("2013-01-04T00:00:00Z");
  ASSERT_FALSE(report.ok());
  EXPECT_NE(report.error().message().find(
                "1 of 3 deliveries cannot be landed, so nothing was landed: "
                "flights-2013-01-01.jsonl is a symbolic link to a file, which is not followed"),
            std::string::npos)
      << report.error().message();
  const auto skipping = world_.land("2013-01-04T00:00:00Z", 1,
                                    [](LandSpec& spec) { spec.on_bad_file = OnBadFile::Skip; });
  ASSERT_OK(skipping);
  EXPECT_EQ(skipping->skipped.size(), 1U);
  EXPECT_EQ(skipping->passed_over,
            (std::vector<std::string>{
                "flights-2013-01-02.jsonl is a symbolic link that leads nowhere",
                "flights-2013-13-03.jsonl nearly fits 'flights-{date}.jsonl*', but has no day "
                "where {date} stands"}));
  expect_ids({"3", "4", "5"});
  std::filesystem::rename(in / "real", in / "flights-2013-01-01.jsonl");
  ASSERT_OK(world_.land("2013-01-05T00:00:00Z"));
  expect_ids({"1", "2", "3", "4", "5"});
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

TEST_F(Land, GivesTheSameTableWithAnyNumberOfThreads) {
  std::string hash;
  for (const int threads : {1, 7}) {
    const TemporaryFolder folder = *TemporaryFolder::make();
    World world(folder.path());
    for (int day = 1; day <= 9; ++day) {
      std::string text;
      for (int id = 0; id < 500 * (day % 3) + 100; ++id)
        text += flight(
            id, "2013-01-0" + std::to_string(day - (id % 7 == 0 && day > 1 ? 1 : 0)) + "T10:00:00Z",
            "2013-01-0" + std::to_string(day) + "T12:00:00Z");
      world.deliver("flights-2013-01-0" + std::to_string(day) + ".jsonl.gz", gzipped(text));
    }
    ASSERT_OK(
        world.land("2013-02-01T00:00:00Z", 1, [&](LandSpec& spec) { spec.threads = threads; }));
    if (hash.empty()) hash = world.snapshot()->content_hash();
    EXPECT_EQ(world.snapshot()->content_hash(), hash);
  }
}

TEST_F(Land, TakesACsvWithoutDateAsItWasDeclared) {
  FileSourceSpec spec;
  spec.name = "planes";
  spec.pattern = "planes.csv";
  spec.format = FileFormat::Csv;
  spec.delivered = at("2013-01-01T00:00:00Z");
  spec.columns = Schema({{"tail", simple(Kind::String), false}, {"seats", simple(Kind::Int32)}});
  world_.open_source(spec);
  world_.deliver("planes.csv", "seats,tail\n55,N1\nmany,N2\n,N3\n4,N4\n");
  const auto report =
      world_.land("2013-01-06T00:00:00Z", 1, [](LandSpec& land) { land.event_time.clear(); });
  ASSERT_OK(report);
  EXPECT_EQ(report->rows_late, 0);
  EXPECT_EQ(world_.rows("raw.flights"),
            (std::vector<std::string>{"N1|55|2013-01-01T00:00:00Z|planes.csv|2",
                                      "N3|-|2013-01-01T00:00:00Z|planes.csv|4",
                                      "N4|4|2013-01-01T00:00:00Z|planes.csv|5"}));
}

TEST_F(Land, AddsAColumnThatTheSourceDeclaresAnew) {
  deliver_three_days();
  ASSERT_OK(world_.land("2013-01-03T00:00:00Z"));
  FileSourceSpec spec = flights();
  std::vector<Field> fields = spec.columns.fields();
  fields.push_back({"carrier", simple(Kind::String), true});
  spec.columns = Schema(fields);
  world_.open_source(spec);
  ASSERT_OK(world_.land("2013-01-04T00:00:00Z"));
  EXPECT_EQ(world_.rows("raw.flights", "id, carrier", "id").back(), "5|-");
}

TEST_F(Land, SaysWhyNothingIsDelivered) {
  world_.deliver("other/flights-2013-01-01.jsonl", "");
  FileSourceSpec spec = flights();
  world_.open_source(spec);
  const auto said = [&](const std::string& before) {
    const auto report = world_.land(before);
    return report.ok() ? report->why_nothing : report.error().message();
  };
  const std::string nothing = said("2013-01-02T00:00:00Z");
  EXPECT_NE(nothing.find("before 2013-01-02T00:00:00Z: no file fits the pattern "
                         "'flights-{date}.jsonl*', and there is no other; check"),
            std::string::npos)
      << nothing;
  deliver_three_days();
  const std::string later = said("2013-01-01T00:00:00Z");
  EXPECT_NE(later.find(": the first of 3 files, flights-2013-01-01.jsonl was delivered at "
                       "2013-01-01T23:59:59.999999Z; check"),
            std::string::npos)
      << later;
  ASSERT_OK(world_.land("2013-01-04T00:00:00Z"));
  EXPECT_EQ(said("2013-01-05T00:00:00Z"), "");

  spec.pattern = "flight-{date}.jsonl";
  world_.open_source(spec);
  EXPECT_EQ(said("2013-01-06T00:00:00Z"),
            "no file fits the pattern 'flight-{date}.jsonl'; there is "
            "flights-2013-01-01.jsonl and 2 more");
}

TEST_F(Land, SaysThatAFileWithoutADateIsDeliveredWhenItWasWritten) {
  world_.deliver("flights.jsonl", flight(1, "2013-01-01T10:00:00Z", "2013-01-01T12:00:00Z"));
  FileSourceSpec spec = flights();
  spec.pattern = "flights.jsonl";
  world_.open_source(spec);
  const auto report = world_.land("2013-01-02T00:00:00Z");
  ASSERT_FALSE(report.ok());
  const std::string& said = report.error().message();
  EXPECT_NE(said.find(": flights.jsonl was delivered at 20"), std::string::npos) << said;
  EXPECT_NE(said.find(", when it was last written; put {date} into the pattern, or say with "
                      "'delivered' when it came; check"),
            std::string::npos)
      << said;
}

TEST_F(Land, SaysHowToGoOnWhenTheSourceNoLongerFitsItsTable) {
  deliver_three_days();
  ASSERT_OK(world_.land("2013-01-02T00:00:00Z"));
  const std::string remedy =
      "; take that back, or give the table of the source another name ('table: raw.flights_2')";
  const auto refused = [&](const std::function<void(LandSpec&)>& change) {
    const auto report = world_.land("2013-01-03T00:00:00Z", 1, change);
    EXPECT_FALSE(report.ok());
    return report.ok() ? "" : report.error().message();
  };
  const std::string partition = refused([](LandSpec& spec) { spec.event_time = ""; });
  EXPECT_NE(partition.find("the table is partitioned by event_date, and the source no longer names "
                           "its 'event_time'" +
                           remedy),
            std::string::npos)
      << partition;

  FileSourceSpec spec = flights();
  spec.columns = Schema({{"id", simple(Kind::Int64), false},
                         {"departs", simple(Kind::Timestamp), false},
                         {"delay", simple(Kind::Float64), true},
                         {"landed", simple(Kind::Timestamp), false}});
  world_.open_source(spec);
  const std::string type = refused({});
  EXPECT_NE(type.find("the column 'delay' is INTEGER in the table, and the source declares DOUBLE "
                      "now" +
                      remedy),
            std::string::npos)
      << type;

  world_.open_source(flights());
  ASSERT_OK(world_.land("2013-01-03T00:00:00Z"));
}

TEST_F(Land, SaysThatATableWithoutPartitionsCannotGetAnEventTime) {
  deliver_three_days();
  ASSERT_OK(world_.land("2013-01-02T00:00:00Z", 1, [](LandSpec& spec) { spec.event_time = ""; }));
  const auto report = world_.land("2013-01-03T00:00:00Z");
  ASSERT_FALSE(report.ok());
  EXPECT_NE(report.error().message().find("the table was made without an 'event_time'"),
            std::string::npos)
      << report.error().message();
}

TEST_F(Land, ReportsMembersThatNobodyDeclared) {
  world_.deliver(
      "flights-2013-01-01.jsonl",
      "{\"gate\": 4, " + flight(1, "2013-01-01T10:00:00Z", "2013-01-01T12:00:00Z").substr(1));
  const auto report = world_.land("2013-01-02T00:00:00Z");
  ASSERT_OK(report);
  EXPECT_EQ(report->unknown_members, (std::map<std::string, std::int64_t>{{"gate", 1}}));
}

TEST_F(Land, RefusesASpecThatCannotBe) {
  deliver_three_days();
  struct Case {
    const char* why;
    std::function<void(LandSpec&)> change;
    std::string message;
  };
  const std::vector<Case> cases = {
      {"writer", [](auto& s) { s.writer.app_id = ""; }, "needs a writer"},
      {"generation", [](auto& s) { s.writer.generation = 0; }, "needs a writer"},
      {"column", [](auto& s) { s.event_time = "depart"; },
       "which source flights does not declare; did you mean 'departs'?"},
      {"nullable", [](auto& s) { s.event_time = "delay"; }, "must be a required TIMESTAMP"},
      {"taken", [](auto& s) { s.partition = "ID"; }, "have a column \"ID\" already"},
      {"share", [](auto& s) { s.limits.max_bad_share = 2; }, "a share from 0 to 1"},
      {"too early", [](auto& s) { s.before = at("2012-01-01"); },
       "has delivered nothing before 2012-01-01T00:00:00Z"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    const auto report = world_.land("2013-01-03T00:00:00Z", 1, c.change);
    ASSERT_FALSE(report.ok());
    EXPECT_NE(report.error().message().find(c.message), std::string::npos)
        << report.error().message();
  }
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
