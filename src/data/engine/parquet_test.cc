// Scans of files, and files made of answers.

#include <algorithm>
#include <filesystem>

#include <gtest/gtest.h>

#include "base/file.h"
#include "base/result_fixture.h"
#include "engine/engine.h"
#include "sql/names.h"

namespace millrace::engine {
namespace {

using columnar::Kind;
using columnar::Schema;

class ParquetTest : public testing::Test {
 protected:
  void SetUp() override {
    engine_ = *open_duckdb({.threads = 4});
    session_ = *engine_->open_session();
  }

  std::string path(const std::string& name) const { return folder_.path() + "/" + name; }

  /// Writes one file with the given rows and returns its path.
  std::string make_file(const std::string& name, const std::string& select) {
    std::filesystem::create_directories(std::filesystem::path(path(name)).parent_path());
    Status made = session_->execute("copy (" + select + ") to " +
                                    sql::quote_literal(path("file.tmp")) + " (format parquet)");
    EXPECT_TRUE(made.ok()) << made.error().message();
    std::filesystem::rename(path("file.tmp"), path(name));
    return path(name);
  }

  std::string ask(std::string_view sql) {
    auto batches = session_->collect(sql);
    if (!batches.ok()) {
      return std::string(to_string(batches.error().code())) + ": " + batches.error().message();
    }
    std::string text;
    for (const auto& batch : *batches) {
      for (std::size_t row = 0; row < batch.row_count(); ++row) {
        text += text.empty() ? "" : ";";
        for (std::size_t i = 0; i < batch.schema().size(); ++i) {
          text += (i == 0 ? "" : "|") +
                  (batch.column(i).is_null(row) ? "NULL" : batch.column(i).to_string(row));
        }
      }
    }
    return text;
  }

  std::vector<WrittenFile> write(std::string_view select, ParquetWrite options) {
    if (options.folder.empty()) options.folder = path("out");
    std::filesystem::create_directories(options.folder);
    auto files = session_->write_parquet(select, options);
    EXPECT_TRUE(files.ok()) << files.error().message();
    return files.ok() ? *std::move(files) : std::vector<WrittenFile>();
  }

  TableScan scan_of(const std::vector<WrittenFile>& files, Schema schema,
                    const std::string& folder = "out") {
    TableScan scan{std::move(schema), {}};
    for (const WrittenFile& file : files) {
      scan.files.push_back({path(folder) + "/" + file.relative_path, file.partition_values});
    }
    return scan;
  }

  TemporaryFolder folder_ = *TemporaryFolder::make();
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Session> session_;
};

TEST_F(ParquetTest, FilesOfDifferentAgesReadAsOneTable) {
  TableScan scan;
  scan.schema = Schema({{"b", columnar::simple(Kind::String)},
                        {"day", columnar::simple(Kind::Date)},
                        {"a", columnar::simple(Kind::Int64)},
                        {"st", columnar::struct_of({{"x", columnar::simple(Kind::Int32)},
                                                    {"y", columnar::simple(Kind::String)}})}});
  scan.files = {
      {make_file("1.parquet", "select 1::int as a, 'one' as b, {'x': 5} as st"),
       {{"day", "2013-12-01"}}},
      {make_file("2.parquet", "select {'y': 'q', 'x': 6} as st, 2::bigint as a"),
       {{"day", std::nullopt}}},
      {make_file("3.parquet", "select 'three' as b, 3::smallint as a, 99 as unknown"),
       {{"day", "2013-12-03"}}},
  };
  auto defined = session_->define_scan("raw.t", scan);
  ASSERT_TRUE(defined.ok()) << defined.error().message();
  EXPECT_EQ(ask("select * from raw.t order by a"),
            "one|2013-12-01|1|{\"x\":5,\"y\":null};NULL|NULL|2|{\"x\":6,\"y\":\"q\"};"
            "three|2013-12-03|3|NULL");
  EXPECT_EQ(session_->collect("select * from raw.t")->at(0).schema(), scan.schema);
  EXPECT_EQ(ask("select a from raw.t where day = date '2013-12-03'"), "3");
  EXPECT_EQ(ask("select a from raw.t where day is null"), "2");
  EXPECT_EQ(ask("select count(*), count(day) from raw.t"), "3|2");
}

TEST_F(ParquetTest, ATableWithoutFilesIsEmptyWithItsTypes) {
  TableScan scan{Schema({{"a", columnar::decimal(10, 2)},
                         {"l", columnar::list_of(columnar::simple(Kind::Timestamp))}}),
                 {}};
  ASSERT_TRUE(session_->define_scan("raw.t", scan).ok());
  auto rows = *session_->query("select * from raw.t");
  EXPECT_EQ(rows->schema(), scan.schema);
  EXPECT_FALSE(rows->next()->has_value());
}

TEST_F(ParquetTest, PartitionValuesAreConstantsOfTheDeclaredType) {
  std::string file = make_file("1.parquet", "select 1 as a");
  TableScan scan{Schema({{"a", columnar::simple(Kind::Int64)},
                         {"t", columnar::simple(Kind::Timestamp)},
                         {"n", columnar::decimal(9, 2)},
                         {"s", columnar::simple(Kind::String)},
                         {"b", columnar::simple(Kind::Boolean)}}),
                 {}};
  scan.files = {
      {file, {{"t", "2013-12-01T05:00:00.5Z"}, {"n", "1.50"}, {"s", "it's"}, {"b", "true"}}}};
  ASSERT_TRUE(session_->define_scan("t", scan).ok());
  EXPECT_EQ(ask("select * from t"), "1|2013-12-01T05:00:00.5Z|1.50|it's|true");
  scan.files.push_back({make_file("2.parquet", "select 2 as a"),
                        {{"t", std::nullopt}, {"n", "2"}, {"s", ""}, {"b", "false"}}});
  ASSERT_TRUE(session_->define_scan("t", scan).ok());
  EXPECT_EQ(ask("select * from t order by a"),
            "1|2013-12-01T05:00:00.5Z|1.50|it's|true;2|NULL|2.00||false");
}

TEST_F(ParquetTest, PathsAreTakenLiterally) {
  TableScan scan{
      Schema({{"a", columnar::simple(Kind::Int64)}, {"p", columnar::simple(Kind::String)}}), {}};
  const std::vector<std::string> names = {
      "it's.parquet",       "a*.parquet",        "ab.parquet",        "q?.parquet",
      "qx.parquet",         "[z].parquet",       "z.parquet",         "{x,y}.parquet",
      "x.parquet",          "sp ace%20.parquet", "p=1/p=2/h.parquet", "\"; --.parquet",
      "back\\slash.parquet"};
  std::string expected;
  for (std::size_t i = 0; i < names.size(); ++i) {
    scan.files.push_back(
        {make_file(names[i], "select " + std::to_string(i) + " as a"), {{"p", names[i]}}});
    expected += (i == 0 ? "" : ";") + std::to_string(i) + "|" + names[i];
  }
  auto defined = session_->define_scan("t", scan);
  ASSERT_TRUE(defined.ok()) << defined.error().message();
  EXPECT_EQ(ask("select * from t order by a"), expected);
  scan.files = {{folder_.path() + "/back\\slash*.parquet", {{"p", "x"}}}};
  EXPECT_EQ(session_->define_scan("t", scan).error().code(), ErrorCode::Unsupported);
}

TEST_F(ParquetTest, ColumnsMayHaveAnyName) {
  TableScan scan;
  scan.schema = Schema({{"file_index", columnar::simple(Kind::Int64)},
                        {"filename", columnar::simple(Kind::String)},
                        {"it's \"odd\"", columnar::simple(Kind::Int64)},
                        {"p", columnar::simple(Kind::Int32)}});
  std::string columns = "as file_index, 'f' as filename, 7 as \"it's \"\"odd\"\"\"";
  scan.files = {{make_file("1.parquet", "select 10 " + columns), {{"p", "1"}}},
                {make_file("2.parquet", "select 20 " + columns), {{"p", "2"}}}};
  auto defined = session_->define_scan("t", scan);
  ASSERT_TRUE(defined.ok()) << defined.error().message();
  EXPECT_EQ(ask("select * from t order by 1"), "10|f|7|1;20|f|7|2");
}

TEST_F(ParquetTest, ATableOfPartitionColumnsAloneCountsItsRows) {
  TableScan scan{Schema({{"p", columnar::simple(Kind::Int32)}}), {}};
  scan.files = {{make_file("1.parquet", "select i from range(3) t(i)"), {{"p", "1"}}},
                {make_file("2.parquet", "select i from range(2) t(i)"), {{"p", "2"}}}};
  auto defined = session_->define_scan("t", scan);
  ASSERT_TRUE(defined.ok()) << defined.error().message();
  EXPECT_EQ(ask("select p, count(*) from t group by p order by p"), "1|3;2|2");
}

TEST_F(ParquetTest, WhatDoesNotFitTheSchemaIsAnError) {
  TableScan scan{Schema({{"a", columnar::simple(Kind::Int32)}}), {}};
  scan.files = {{make_file("1.parquet", "select 5000000000 as a"), {}}};
  ASSERT_TRUE(session_->define_scan("t", scan).ok());
  EXPECT_HAS(ask("select * from t"), "invalid: Conversion Error");
  scan.files = {{path("absent.parquet"), {}}};
  EXPECT_HAS(session_->define_scan("t", scan).error().message(), "absent.parquet");
  scan.files = {{path("1.parquet"), {{"p", "1"}}}};
  EXPECT_HAS(session_->define_scan("t", scan).error().message(), "'p'");
  scan.schema =
      Schema({{"a", columnar::simple(Kind::Int32)}, {"p", columnar::simple(Kind::Int32)}});
  scan.files = {{path("1.parquet"), {{"p", "1"}}}, {path("1.parquet"), {}}};
  EXPECT_HAS(session_->define_scan("t", scan).error().message(), "other partition columns");
}

TEST_F(ParquetTest, WrittenFilesSayWhatALogNeeds) {
  auto files = write(
      "select i::integer as id, case when i % 10 = 0 then null else 'name' || i end as name, "
      "i % 2 = 0 as even, i / 4.0::double as v, timestamptz '2013-12-01 00:00:00.5+00' + "
      "to_hours(i) as at, "
      "timestamp '2013-12-01' + to_hours(i) as wall, date '2013-12-01' + i::int as day, "
      "(i * 1.25)::decimal(9, 2) as price, {'x': i, 'y': {'z': 's' || i}} as st, [i] as list, "
      "encode('b') as bytes, null::bigint as nothing, sum(i) over () as total "
      "from range(100) t(i)",
      {});
  ASSERT_EQ(files.size(), 1U);
  const WrittenFile& file = files[0];
  EXPECT_TRUE(file.relative_path.starts_with("part-")) << file.relative_path;
  EXPECT_EQ(file.size_bytes, std::filesystem::file_size(path("out/" + file.relative_path)));
  EXPECT_EQ(file.row_count, 100);
  EXPECT_TRUE(file.partition_values.empty());
  auto expect = [&](const std::string& column, std::string_view min, std::string_view max,
                    int nulls) {
    SCOPED_TRACE(column);
    ASSERT_TRUE(file.statistics.contains(column));
    const ColumnStatistics& statistics = file.statistics.at(column);
    EXPECT_EQ(statistics.min.value_or("-"), min);
    EXPECT_EQ(statistics.max.value_or("-"), max);
    EXPECT_EQ(statistics.null_count, nulls);
    EXPECT_FALSE(statistics.has_nan);
  };
  expect("id", "0", "99", 0);
  expect("name", "name1", "name99", 10);
  expect("even", "false", "true", 0);
  expect("v", "0.0", "24.75", 0);
  expect("at", "2013-12-01 00:00:00.5+00", "2013-12-05 03:00:00.5+00", 0);
  expect("wall", "2013-12-01 00:00:00", "2013-12-05 03:00:00", 0);
  expect("day", "2013-12-01", "2014-03-10", 0);
  expect("price", "0.00", "123.75", 0);
  expect("st.x", "0", "99", 0);
  expect("st.y.z", "s0", "s99", 0);
  expect("bytes", "-", "-", 0);
  expect("nothing", "-", "-", 100);
  expect("total", "4950", "4950", 0);
  EXPECT_FALSE(file.statistics.contains("list.element"));
  EXPECT_EQ(ask("select compression from parquet_metadata('" + path("out/" + file.relative_path) +
                "') limit 1"),
            "ZSTD");
}

TEST_F(ParquetTest, ExtremesThatBoundNothingAreLeftOut) {
  auto files = write(
      "select * from (values ('a' || repeat('x', 300), 1.5::double, 'inf'::double, "
      "date '0044-03-15 (BC)', 'infinity'::timestamp, 1), "
      "('b' || repeat('é', 300), 'nan', 1, date '2013-01-01', timestamp '2013-01-01', 2)) "
      "t(s, v, w, d, ts, \"a.b\")",
      {});
  ASSERT_EQ(files.size(), 1U);
  auto& statistics = files[0].statistics;
  EXPECT_EQ(statistics["s"].min, "a" + std::string(255, 'x')) << "cut, and still a bound";
  EXPECT_EQ(statistics["s"].max, "c") << "cut, and still a bound";
  EXPECT_TRUE(statistics["v"].has_nan);
  EXPECT_EQ(statistics["v"].min, std::nullopt);
  EXPECT_EQ(statistics["w"].max, std::nullopt);
  EXPECT_EQ(statistics["w"].min, "1.0");
  EXPECT_EQ(statistics["d"].min, std::nullopt);
  EXPECT_EQ(statistics["d"].max, "2013-01-01");
  EXPECT_EQ(statistics["ts"].max, std::nullopt);
  EXPECT_EQ(statistics["v"].null_count, 0);
  EXPECT_FALSE(statistics.contains("a.b"));
}

TEST_F(ParquetTest, PartitionsBecomeFoldersAndReadBack) {
  Schema schema({{"id", columnar::simple(Kind::Int64)},
                 {"d", columnar::simple(Kind::Date)},
                 {"p", columnar::simple(Kind::String)},
                 {"at", columnar::simple(Kind::Timestamp)}});
  std::string rows =
      "select i as id, case when i % 3 = 0 then null else date '2013-12-01' + (i % 2)::int end as "
      "d, "
      "'p/' || (i % 2) || ' é%=\"''*?[' as p, timestamptz '2013-12-01 10:00:00.5+00' as at "
      "from range(100) t(i)";
  auto files = write(rows, {.partition_by = {"d", "P", "at"}});
  ASSERT_EQ(files.size(), 4U);
  std::int64_t count = 0;
  for (const WrittenFile& file : files) {
    count += file.row_count;
    EXPECT_EQ(file.partition_values.size(), 3U);
    EXPECT_EQ(file.partition_values.at("at"), "2013-12-01T10:00:00.5Z");
    EXPECT_EQ(file.statistics.size(), 1U) << "partition columns leave the files";
    EXPECT_TRUE(std::filesystem::exists(path("out/" + file.relative_path))) << file.relative_path;
    EXPECT_HAS(file.relative_path, "p=p%2F");
  }
  EXPECT_EQ(count, 100);
  auto defined = session_->define_scan("t", scan_of(files, schema));
  ASSERT_TRUE(defined.ok()) << defined.error().message();
  EXPECT_EQ(ask("select * from t order by id"), ask(rows));
}

TEST_F(ParquetTest, AFolderThatHoldsFilesKeepsThem) {
  auto first = write("select 1 as a, 1 as p", {.partition_by = {"p"}});
  auto second = write("select 2 as a, 1 as p", {.partition_by = {"p"}});
  auto third = write("select 3 as a, 1 as p", {});
  auto fourth = write("select 4 as a, 1 as p", {.ordered = true});
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path("out"))) {
    count += entry.is_regular_file() ? 1 : 0;
  }
  EXPECT_EQ(count, 4U);
}

TEST_F(ParquetTest, FoldersMayHaveAnyName) {
  std::string odd = "it's [o]d*? d=1 %20";
  Schema schema({{"a", columnar::simple(Kind::Int32)}, {"p", columnar::simple(Kind::Int32)}});
  for (bool ordered : {false, true}) {
    for (bool partitioned : {false, true}) {
      std::string folder = odd + (ordered ? "1" : "2") + (partitioned ? "3" : "4");
      std::vector<std::string> by;
      if (partitioned) by = {"p"};
      auto files = write("select 1 as a, 2 as p",
                         {.folder = path(folder), .partition_by = by, .ordered = ordered});
      ASSERT_EQ(files.size(), 1U);
      auto defined = session_->define_scan("t", scan_of(files, schema, folder));
      ASSERT_TRUE(defined.ok()) << defined.error().message();
      EXPECT_EQ(ask("select * from t"), "1|2");
    }
  }
}

TEST_F(ParquetTest, AnEmptyAnswerMakesNoFile) {
  EXPECT_TRUE(write("select 1 as a, 2 as p where false", {}).empty());
  EXPECT_TRUE(write("select 1 as a, 2 as p where false", {.ordered = true}).empty());
  EXPECT_TRUE(write("select 1 as a, 2 as p where false", {.partition_by = {"p"}}).empty());
  EXPECT_TRUE(std::filesystem::is_empty(path("out")));
}

TEST_F(ParquetTest, OrderIsKept) {
  auto files = write("select hash(i)::decimal(20, 0) as h from range(1000000) t(i) order by h",
                     {.ordered = true, .rows_per_group = 50'000});
  ASSERT_EQ(files.size(), 1U);
  std::string file = sql::quote_literal(path("out/" + files[0].relative_path));
  EXPECT_EQ(ask("select count(*) from (select h, lag(h) over (order by file_row_number) as before "
                "from read_parquet(" +
                file + ", file_row_number = true)) where before > h"),
            "0");
  EXPECT_GE(
      session_->scalar("select count(distinct row_group_id) from parquet_metadata(" + file + ")")
          ->as_integer(),
      16);
}

TEST_F(ParquetTest, OrderIsKeptWithinPartitionsToo) {
  std::string rows =
      "select hash(i)::decimal(20, 0) as h, case when i % 3 = 0 then null else i % 3 end as p, "
      "'a~b_c.d-e ' || (i % 2) || '/é' as q, timestamptz '2013-12-01 00:00:00+00' as at "
      "from range(300000) t(i)";
  auto ordered = write(rows + " order by h", {.partition_by = {"p", "q", "at"}, .ordered = true});
  auto plain = write(rows, {.folder = path("plain"), .partition_by = {"p", "q", "at"}});
  ASSERT_EQ(ordered.size(), 6U);
  ASSERT_EQ(plain.size(), 6U);
  for (std::size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(ordered[i].partition_values, plain[i].partition_values);
    EXPECT_EQ(ordered[i].row_count, plain[i].row_count);
    EXPECT_EQ(std::filesystem::path(ordered[i].relative_path).parent_path(),
              std::filesystem::path(plain[i].relative_path).parent_path());
    std::string file = sql::quote_literal(path("out/" + ordered[i].relative_path));
    EXPECT_EQ(
        ask("select count(*) from (select h, lag(h) over (order by file_row_number) as before "
            "from read_parquet(" +
            file + ", file_row_number = true)) where before > h"),
        "0");
  }
}

TEST_F(ParquetTest, WhatCannotBeWrittenIsRefused) {
  auto refused = [&](std::string_view select, ParquetWrite options) {
    options.folder = path("out");
    auto files = session_->write_parquet(select, options);
    return files.ok()
               ? std::string("ok")
               : std::string(to_string(files.error().code())) + ": " + files.error().message();
  };
  EXPECT_HAS(refused("select 1 as day", {.partition_by = {"dya"}}), "did you mean 'day'");
  EXPECT_HAS(refused("select 1 as a", {.partition_by = {"a"}}), "invalid: every column");
  EXPECT_HAS(refused("select 1 as a, [1] as l", {.partition_by = {"l"}}),
             "invalid: partition column 'l'");
  EXPECT_HAS(refused("create table x (a int)", {}), "invalid: only a SELECT");
  EXPECT_HAS(refused("select 1) to '/tmp/x' (format csv); copy (select 1", {}), "invalid");
  EXPECT_HAS(refused("select nope", {}), "invalid: Binder Error");
  EXPECT_HAS(refused("select error('bad row') as a", {}), "bad row");
}

TEST_F(ParquetTest, AThousandPartitionsAreOneScan) {
  TableScan scan{
      Schema({{"id", columnar::simple(Kind::Int64)}, {"day", columnar::simple(Kind::Date)}}), {}};
  std::string file = make_file("1.parquet", "select 1 as id");
  for (int i = 0; i < 3000; ++i) {
    std::string name = path("copy-" + std::to_string(i) + ".parquet");
    std::filesystem::create_hard_link(file, name);
    scan.files.push_back({name, {{"day", std::to_string(1000 + i / 3) + "-01-01"}}});
  }
  ASSERT_TRUE(session_->define_scan("t", scan).ok());
  EXPECT_EQ(ask("select count(*), min(day), max(day), count(distinct day) from t"),
            "3000|1000-01-01|1999-01-01|1000");
  EXPECT_EQ(ask("select sum(id) from t where day >= date '1998-01-01'"), "6");
  std::string plan =
      *session_->explain("select sum(id) from t where day >= date '1998-01-01'", Plan::Bound);
  EXPECT_LT(plan.size(), 3000U) << plan;
  EXPECT_HAS(plan, "READ_PARQUET");
  EXPECT_EQ(plan.find("UNION"), std::string::npos);
}

}  // namespace
}  // namespace millrace::engine
