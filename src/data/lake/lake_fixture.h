#pragma once

// A lake for tests: on disk or in memory, with a clock that the test moves.

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/result_fixture.h"
#include "engine/engine.h"
#include "lake/lake.h"
#include "storage/object_store.h"

namespace millrace::lake {

inline TableName table(std::string_view name) {
  return *TableName::parse(name);
}

class LakeTest : public testing::Test {
 protected:
  void SetUp() override {
    store_ = good(storage::open_local_store(folder_.path()));
    use(*store_);
  }

  /// Puts the lake on another store: a flaky one, or one in memory.
  void use(storage::ObjectStore& store) {
    engine_ = good(engine::open_duckdb({.threads = 2}));
    session_ = good(engine_->open_session());
    lake_ = std::make_unique<Lake>(store, *engine_, clock_);
  }

  Result<Committed> write(std::string_view name, std::string_view select,
                          const WriteSpec& spec = {}) {
    clock_.advance(std::chrono::seconds(1));
    return lake_->write(*session_, table(name), select, spec);
  }

  SnapshotPtr snapshot(std::string_view name) { return good(lake_->snapshot(table(name))); }

  /// The rows of a snapshot, ordered, as "1|a;2|b".
  std::string rows(const Snapshot& snapshot, const Predicate& predicate = {}) {
    good(session_->define_scan("read_back", good(snapshot.scan(predicate))));
    return ask("SELECT * FROM read_back ORDER BY ALL");
  }
  std::string rows(std::string_view name) { return rows(*snapshot(name)); }

  std::string ask(std::string_view sql) {
    std::string text;
    for (const columnar::RecordBatch& batch : good(session_->collect(sql))) {
      for (std::size_t row = 0; row < batch.row_count(); ++row) {
        text += text.empty() ? "" : ";";
        for (std::size_t i = 0; i < batch.schema().size(); ++i) {
          text += i == 0 ? "" : "|";
          text += batch.column(i).is_null(row) ? "NULL" : batch.column(i).to_string(row);
        }
      }
    }
    return text;
  }

  /// Every Parquet file under the table's folder that no version of its log names.
  std::vector<std::string> orphans(std::string_view name);

  TemporaryFolder folder_ = *TemporaryFolder::make();
  ManualClock clock_{*parse_instant("2013-12-01T00:00:00Z")};
  std::unique_ptr<storage::ObjectStore> store_;
  std::unique_ptr<engine::Engine> engine_;
  std::unique_ptr<engine::Session> session_;
  std::unique_ptr<Lake> lake_;
};

inline std::vector<std::string> LakeTest::orphans(std::string_view name) {
  const std::string folder = table(name).folder() + "/";
  std::vector<std::string> found;
  std::vector<std::string> known;
  for (const storage::ObjectInfo& object : good(lake_->store().list(folder))) {
    if (object.key.find("/_delta_log/") == std::string::npos) {
      found.push_back(object.key.substr(folder.size()));
    } else if (object.key.ends_with(".json")) {
      for (const AddFile& add : good(read_commit(lake_->store(), object.key)).adds) {
        known.push_back(add.file.key());
      }
    }
  }
  std::erase_if(found, [&](const std::string& path) {
    return std::ranges::find(known, path) != known.end();
  });
  return found;
}

}  // namespace millrace::lake
