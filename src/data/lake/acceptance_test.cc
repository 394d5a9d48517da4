// Tables that others wrote (delta-io/delta-kernel-rs, kernel/tests/golden_data): what they hold,
// and which of them must be refused.
//
// They lie in $MILLRACE_ACCEPTANCE/delta_golden, one NAME.tar.zst each (CONTRIBUTING.md). Skipped
// where the variable is not set, and a failure where the folder that it names has none.

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>

#include <archive.h>
#include <archive_entry.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "engine/engine.h"
#include "lake/lake.h"
#include "sql/names.h"
#include "storage/object_store.h"

namespace millrace::lake {
namespace {

namespace fs = std::filesystem;

/// None when MILLRACE_ACCEPTANCE is not set.
std::optional<fs::path> golden_folder() {
  const char* given = std::getenv("MILLRACE_ACCEPTANCE");
  if (given == nullptr) return std::nullopt;
  return fs::path(given) / "delta_golden";
}

std::vector<std::string> golden_names() {
  std::vector<std::string> names;
  std::error_code absent;
  for (const auto& entry : fs::directory_iterator(golden_folder().value_or(""), absent)) {
    const std::string name = entry.path().filename().string();
    const std::string ending = ".tar.zst";
    if (name.ends_with(ending)) names.push_back(name.substr(0, name.size() - ending.size()));
  }
  std::ranges::sort(names);
  if (names.empty()) names.emplace_back("none");
  return names;
}

void extract(const fs::path& archive_path, const fs::path& into) {
  archive* reader = archive_read_new();
  archive_read_support_filter_all(reader);
  archive_read_support_format_all(reader);
  ASSERT_EQ(archive_read_open_filename(reader, archive_path.c_str(), 65536), ARCHIVE_OK)
      << archive_error_string(reader);
  archive_entry* entry = nullptr;
  while (archive_read_next_header(reader, &entry) == ARCHIVE_OK) {
    const fs::path path = into / archive_entry_pathname(entry);
    if (archive_entry_filetype(entry) == AE_IFDIR) {
      fs::create_directories(path);
      continue;
    }
    fs::create_directories(path.parent_path());
    std::ofstream file(path, std::ios::binary);
    const void* bytes = nullptr;
    std::size_t size = 0;
    la_int64_t offset = 0;
    while (archive_read_data_block(reader, &bytes, &size, &offset) == ARCHIVE_OK) {
      file.seekp(offset);
      file.write(static_cast<const char*>(bytes), static_cast<std::streamsize>(size));
    }
  }
  archive_read_free(reader);
}

/// Must be refused, with a word of the reason.
const std::map<std::string, std::pair<ErrorCode, std::string>> kRefused = {
    {"deltalog-invalid-protocol-version", {ErrorCode::Unsupported, "version 99"}},
    {"deltalog-state-reconstruction-without-metadata", {ErrorCode::Corruption, "metaData"}},
    {"deltalog-state-reconstruction-without-protocol", {ErrorCode::Corruption, "protocol"}},
    {"data-reader-absolute-paths-escaped-chars", {ErrorCode::Corruption, "metaData"}},
    {"update-deleted-directory", {ErrorCode::Corruption, "schemaString"}},
    {"versions-not-contiguous", {ErrorCode::Corruption, "00000000000000000001.json"}},
};

/// Logs without data files: how many files are active.
const std::map<std::string, std::size_t> kActiveFiles = {
    {"canonicalized-paths-normal-a", 0},
    {"canonicalized-paths-normal-b", 0},
    {"canonicalized-paths-special-a", 0},
};

/// In the folder of tables "hive" those that have other than ten rows.
const std::map<std::string, std::int64_t> kRowsInFolder = {
    {"deltatbl-partition-prune", 5},
    {"deltatbl-map-types-correctly", 1},
};

class Golden : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (GetParam() == "none") {
      const auto folder = golden_folder();
      ASSERT_FALSE(folder.has_value())
          << "MILLRACE_ACCEPTANCE names a folder without tables: " << folder->string();
      GTEST_SKIP() << "set MILLRACE_ACCEPTANCE to the folder that holds delta_golden";
    }
    extract(*golden_folder() / (GetParam() + ".tar.zst"), folder_.path());
    root_ = fs::path(folder_.path());
    if (!fs::exists(root_ / "delta")) root_ /= GetParam();
    ASSERT_TRUE(fs::exists(root_ / "delta"));
    store_ = *storage::open_local_store(root_.string());
    engine_ = *engine::open_duckdb({.threads = 2});
    session_ = *engine_->open_session();
    clock_ = make_system_clock();
    lake_ = std::make_unique<Lake>(*store_, *engine_, *clock_);
  }

  std::vector<std::string> differences() {
    std::string files;
    for (const auto& entry : fs::recursive_directory_iterator(root_ / "expected")) {
      if (entry.path().extension() != ".parquet") continue;
      files += (files.empty() ? "" : ", ") + sql::quote_literal(entry.path().string());
    }
    const std::string expected = "SELECT COLUMNS(*) FROM read_parquet([" + files +
                                 "], hive_partitioning = false, union_by_name = true)";
    const Status defined = session_->execute("CREATE TEMP TABLE expected AS " + expected);
    EXPECT_TRUE(defined.ok()) << defined.error().message();
    std::string columns;
    const SnapshotPtr snapshot = *lake_->snapshot(*TableName::parse("delta"));
    for (const std::string& name : snapshot->schema().names()) {
      columns += (columns.empty() ? "" : ", ") + sql::quote_identifier(name);
    }
    const std::string ours = "SELECT " + columns + " FROM delta";
    const std::string theirs = "SELECT " + columns + " FROM expected";
    return {ours + " EXCEPT ALL " + theirs, theirs + " EXCEPT ALL " + ours};
  }

  /// A folder of tables whose names no table of ours can have, without expected rows.
  void read_each_of_a_folder() {
    std::vector<fs::path> tables;
    for (const auto& entry : fs::directory_iterator(root_ / "delta"))
      tables.push_back(entry.path());
    ASSERT_EQ(tables.size(), 11U);
    for (std::size_t i = 0; i < tables.size(); ++i) {
      SCOPED_TRACE(tables[i].filename().string());
      const std::string name = "table_" + std::to_string(i);
      fs::rename(tables[i], root_ / name);
      const Result<SnapshotPtr> snapshot = lake_->snapshot(*TableName::parse(name));
      ASSERT_TRUE(snapshot.ok()) << snapshot.error().message();
      const Result<engine::TableScan> scan = (*snapshot)->scan();
      ASSERT_TRUE(scan.ok()) << scan.error().message();
      ASSERT_TRUE(session_->define_scan(name, *scan).ok());
      const Result<Json> count = session_->scalar("SELECT count(*) FROM " + name);
      ASSERT_TRUE(count.ok()) << count.error().message();
      const auto other = kRowsInFolder.find(tables[i].filename().string());
      EXPECT_EQ(count->as_integer(), other == kRowsInFolder.end() ? 10 : other->second);
    }
  }

  TemporaryFolder folder_ = *TemporaryFolder::make();
  fs::path root_;
  std::unique_ptr<storage::ObjectStore> store_;
  std::unique_ptr<engine::Engine> engine_;
  std::unique_ptr<engine::Session> session_;
  std::unique_ptr<Clock> clock_;
  std::unique_ptr<Lake> lake_;
};

TEST_P(Golden, HoldsWhatItsAuthorsSay) {
  const Result<SnapshotPtr> snapshot = lake_->snapshot(*TableName::parse("delta"));
  if (const auto refused = kRefused.find(GetParam()); refused != kRefused.end()) {
    ASSERT_FALSE(snapshot.ok());
    EXPECT_EQ(snapshot.error().code(), refused->second.first);
    EXPECT_NE(snapshot.error().message().find(refused->second.second), std::string::npos)
        << snapshot.error().message();
    return;
  }
  if (GetParam() == "hive") return read_each_of_a_folder();
  ASSERT_TRUE(snapshot.ok()) << snapshot.error().message();
  if (const auto active = kActiveFiles.find(GetParam()); active != kActiveFiles.end()) {
    EXPECT_EQ((*snapshot)->files().size(), active->second);
    return;
  }
  const Result<engine::TableScan> scan = (*snapshot)->scan();
  if (!fs::exists(root_ / "expected")) {
    FAIL() << "nothing is known of " << GetParam() << ": " << (*snapshot)->files().size()
           << " active files";
  }
  ASSERT_TRUE(scan.ok()) << scan.error().message();
  const Status defined = session_->define_scan("delta", *scan);
  ASSERT_TRUE(defined.ok()) << defined.error().message();
  for (const std::string& sql : differences()) {
    const auto rows = session_->collect(sql);
    ASSERT_TRUE(rows.ok()) << rows.error().message();
    for (const columnar::RecordBatch& batch : *rows) {
      ADD_FAILURE() << batch.row_count() << " rows differ by " << sql << "\nthe first: "
                    << (*session_->collect("SELECT CAST(d AS VARCHAR) FROM (" + sql + ") d"))[0]
                           .column(0)
                           .text(0);
    }
  }
}

std::string test_name(const testing::TestParamInfo<std::string>& golden) {
  std::string name = golden.param;
  std::ranges::replace_if(
      name, [](char c) { return !std::isalnum(static_cast<unsigned char>(c)); }, '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Delta, Golden, testing::ValuesIn(golden_names()), test_name);

}  // namespace
}  // namespace millrace::lake
