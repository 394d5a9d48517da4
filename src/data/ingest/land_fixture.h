#pragma once

// A lake and a folder of deliveries on disk, and all that a landing needs.

#include <filesystem>
#include <mutex>

#include <gtest/gtest.h>

#include "base/file.h"
#include "ingest/file_source.h"
#include "ingest/land.h"
#include "ingest/source_contract.h"

namespace millrace::ingest {

using columnar::Field;
using columnar::Kind;
using columnar::Schema;
using columnar::simple;

inline lake::TableName table(const std::string& name) {
  return *lake::TableName::parse(name);
}

inline FileSourceSpec flights() {
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

inline std::string flight(int id, const std::string& departs, const std::string& landed,
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

}  // namespace millrace::ingest
