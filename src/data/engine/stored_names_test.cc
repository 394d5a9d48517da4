// Scans of files that others wrote: other names inside, field ids, rows deleted beside the file.

#include <filesystem>

#include <gtest/gtest.h>

#include "base/file.h"
#include "engine/engine.h"
#include "sql/names.h"

namespace millrace::engine {
namespace {

using columnar::Field;
using columnar::Kind;
using columnar::Schema;
using columnar::simple;

class StoredNames : public testing::Test {
 protected:
  void SetUp() override {
    engine_ = *open_duckdb({.threads = 2});
    session_ = *engine_->open_session();
  }

  std::string make_file(const std::string& name, const std::string& select,
                        const std::string& options = "") {
    const std::string path = folder_.path() + "/" + name;
    const Status made = session_->execute("COPY (" + select + ") TO " + sql::quote_literal(path) +
                                          " (FORMAT parquet" + options + ")");
    EXPECT_TRUE(made.ok()) << made.error().message();
    return path;
  }

  /// Defines t, then the rows of `sql` as "1|a;2|b", or the error.
  std::string ask(const TableScan& scan, std::string_view sql) {
    const Status defined = session_->define_scan("t", scan);
    if (!defined.ok()) return defined.error().message();
    const auto batches = session_->collect(sql);
    if (!batches.ok()) return batches.error().message();
    std::string text;
    for (const columnar::RecordBatch& batch : *batches) {
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

  static std::shared_ptr<const std::vector<std::int64_t>> deleted(std::vector<std::int64_t> rows) {
    return std::make_shared<const std::vector<std::int64_t>>(std::move(rows));
  }

  TemporaryFolder folder_ = *TemporaryFolder::make();
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Session> session_;
};

TEST_F(StoredNames, NamesAreTranslatedAtEveryDepth) {
  const columnar::DataType stored_struct =
      columnar::struct_of({{"col-x", simple(Kind::Int64)}, {"col-y", simple(Kind::String)}});
  const columnar::DataType read_struct =
      columnar::struct_of({{"x", simple(Kind::Int64)}, {"it's \"y\"", simple(Kind::String)}});
  TableScan scan;
  scan.schema = Schema({{"a", simple(Kind::Int64)},
                        {"s", read_struct},
                        {"l", columnar::list_of(read_struct)},
                        {"m", columnar::map_of(simple(Kind::String), read_struct)}});
  scan.stored = {{"col-a", simple(Kind::Int64)},
                 {"col-s", stored_struct},
                 {"col-l", columnar::list_of(stored_struct)},
                 {"col-m", columnar::map_of(simple(Kind::String), stored_struct)}};
  const std::string value = "{'col-x': i, 'col-y': 'v' || i}";
  const std::string all = "SELECT i AS \"col-a\", " + value + " AS \"col-s\", [" + value +
                          ", NULL] AS \"col-l\", MAP {'k': " + value + "} AS \"col-m\"";
  scan.files = {{make_file("1.parquet", all + " FROM range(1) r(i)"), {}},
                {make_file("2.parquet",
                           "SELECT 7 AS \"col-a\", NULL::STRUCT(\"col-x\" BIGINT, "
                           "\"col-y\" VARCHAR) AS \"col-s\""),
                 {}}};
  EXPECT_EQ(ask(scan, "SELECT * FROM t ORDER BY a"),
            R"(0|{"x":0,"it's \"y\"":"v0"}|[{"x":0,"it's \"y\"":"v0"},null]|)"
            R"({"k":{"x":0,"it's \"y\"":"v0"}};7|NULL|NULL|NULL)");
  EXPECT_EQ(ask(scan, "SELECT l[1].x FROM t WHERE s.x = 0"), "0");
}

TEST_F(StoredNames, FieldIdsFindColumnsWhateverTheirNames) {
  TableScan scan;
  scan.schema =
      Schema({{"a", simple(Kind::Int64)}, {"b", simple(Kind::String)}, {"c", simple(Kind::Int32)}});
  scan.stored = {
      {"x1", simple(Kind::Int64)}, {"x2", simple(Kind::String)}, {"x3", simple(Kind::Int32)}};
  scan.field_ids = {1, 2, 3};
  scan.files = {
      {make_file("1.parquet", "SELECT 1::BIGINT AS p, 'one' AS q", ", FIELD_IDS {p: 1, q: 2}"), {}},
      {make_file("2.parquet", "SELECT 'two' AS p, 2::BIGINT AS q", ", FIELD_IDS {p: 2, q: 1}"),
       {}}};
  EXPECT_EQ(ask(scan, "SELECT * FROM t ORDER BY a"), "1|one|NULL;2|two|NULL");
}

TEST_F(StoredNames, DeletedRowsAreNoRows) {
  TableScan scan;
  scan.schema = Schema({{"a", simple(Kind::Int64)}, {"p", simple(Kind::String)}});
  const auto file = [&](const std::string& name, const std::string& partition,
                        std::vector<std::int64_t> rows) {
    return ScanFile{make_file(name, "SELECT range AS a FROM range(5)"),
                    {{"p", partition}},
                    deleted(std::move(rows))};
  };
  scan.files = {file("1.parquet", "x", {0, 3}), file("2.parquet", "y", {}),
                file("3.parquet", "z", {0, 1, 2, 3, 4})};
  EXPECT_EQ(ask(scan, "SELECT * FROM t ORDER BY p, a"), "1|x;2|x;4|x;0|y;1|y;2|y;3|y;4|y");
  EXPECT_EQ(ask(scan, "SELECT a FROM t WHERE p = 'x' AND a > 1 ORDER BY a"), "2;4");
  EXPECT_EQ(ask(scan, "SELECT count(*) FROM t"), "8");
  std::vector<std::int64_t> many(100'000);
  for (std::size_t i = 0; i < many.size(); ++i) many[i] = static_cast<std::int64_t>(i * 2);
  scan.files = {{make_file("big.parquet", "SELECT range AS a FROM range(200000)"),
                 {{"p", "x"}},
                 deleted(many)}};
  EXPECT_EQ(ask(scan, "SELECT count(*), min(a), sum(a % 2) FROM t"), "100000|1|100000");
}

TEST_F(StoredNames, ColumnsThatDoNotMatchAreRefused) {
  TableScan scan{Schema({{"a", simple(Kind::Int64)}}),
                 {{make_file("1.parquet", "SELECT 1 AS a"), {}}}};
  scan.stored = {{"x", simple(Kind::String)}};
  EXPECT_EQ(ask(scan, "SELECT 1"), "table t: the columns of the files are not those of the schema");
  scan.stored = {};
  scan.field_ids = {1, 2};
  EXPECT_EQ(ask(scan, "SELECT 1"), "table t: each column needs a field id, or none");
}

TEST_F(StoredNames, BinaryPartitionValuesAreTheirBytes) {
  TableScan scan{Schema({{"a", simple(Kind::Int64)}, {"p", simple(Kind::Binary)}}), {}};
  scan.files = {{make_file("1.parquet", "SELECT 1 AS a"), {{"p", "\\x41"}}},
                {make_file("2.parquet", "SELECT 2 AS a"), {{"p", "ü"}}}};
  EXPECT_EQ(ask(scan, "SELECT octet_length(p) FROM t ORDER BY a"), "4;2");
}

}  // namespace
}  // namespace millrace::engine
