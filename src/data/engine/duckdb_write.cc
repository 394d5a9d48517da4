// Answers that go to files.

#include <algorithm>
#include <iterator>

#include <fmt/core.h>

#include "base/file.h"
#include "base/id.h"
#include "engine/duckdb_arrow.h"
#include "engine/duckdb_session.h"
#include "engine/duckdb_types.h"
#include "engine/parquet_write.h"
#include "sql/names.h"
#include "sql/statement_text.h"

namespace millrace::engine {

namespace {

/// The column by which kept rows stay in order; no answer has one of this name.
constexpr std::string_view kNumber = "\"millrace: row number\"";

std::string column_names(const columnar::Schema& schema) {
  std::string names;
  for (const columnar::Field& field : schema.fields()) {
    names += (names.empty() ? "" : ", ") + sql::quote_identifier(field.name);
  }
  return names;
}

}  // namespace

Result<std::vector<WrittenFile>> DuckdbSession::write_parquet(std::string_view select,
                                                              const ParquetWrite& write) {
  begin();
  std::string statement(TRY(sql::single_statement(select)));
  Prepared prepared = TRY(connection_.prepare(statement));
  if (duckdb_prepared_statement_type(prepared.get()) != DUCKDB_STATEMENT_TYPE_SELECT) {
    return Error(ErrorCode::Invalid, "only a SELECT's answer can be written to files");
  }
  std::optional<ResultColumns> columns = TRY(columns_of(prepared));
  if (!columns) return Error(ErrorCode::Invalid, "a SELECT to be written has no parameters");
  if (!columns->exact) statement = cast_to(columns->schema, statement);
  file_prefix_ = "part-" + new_uuid();
  Result<std::vector<WrittenFile>> files =
      write.ordered && !write.partition_by.empty()
          ? write_ordered_partitions(statement, columns->schema, write)
          : copy_to_files(statement, columns->schema, write);
  if (!files.ok()) remove_files_of(write.folder, file_prefix_);
  return files;
}

Result<std::vector<WrittenFile>> DuckdbSession::copy_to_files(const std::string& select,
                                                              const columnar::Schema& schema,
                                                              const ParquetWrite& write) {
  Prepared copying =
      TRY(connection_.prepare(TRY(copy_statement(select, schema, write, file_prefix_))));
  std::unique_ptr<Answer> answer = TRY(connection_.stream(copying));
  return read_written_files(*answer, schema, write);
}

Result<std::vector<WrittenFile>> DuckdbSession::write_ordered_partitions(
    const std::string& select, const columnar::Schema& schema, const ParquetWrite& write) {
  ParquetWrite unordered = write;
  unordered.ordered = false;
  TRY(copy_statement(select, schema, unordered, file_prefix_));  // for its checks
  std::string order;
  for (const std::string& name : write.partition_by) order += sql::quote_identifier(name) + ", ";
  constexpr std::string_view kept_rows = "temp.millrace_ordered_rows";
  // Sorted, because one COPY of each partition out of rows in their own order reads all of them
  // each time: 2,000 partitions of 2,000 rows took 90 s so, and a fifth of that sorted.
  TRY(connection_.run_cancellable(fmt::format(
      "CREATE OR REPLACE TEMP TABLE {} AS SELECT {} FROM (SELECT *, row_number() OVER () AS "
      "{} FROM (\n{}\n)) ORDER BY {}{}",
      kept_rows.substr(5), column_names(schema), kNumber, select, order, kNumber)));
  std::vector<WrittenFile> files;
  Status written = [&]() -> Status {
    for (const PartitionRun& run : TRY(partitions_of(std::string(kept_rows), schema, write))) {
      std::vector<WrittenFile> file =
          TRY(write_partition(std::string(kept_rows), run, schema, write));
      std::ranges::move(file, std::back_inserter(files));
    }
    return {};
  }();
  (void)connection_.run(fmt::format("DROP TABLE IF EXISTS {}", kept_rows));
  TRY(std::move(written));
  std::ranges::sort(files, {}, &WrittenFile::relative_path);
  return files;
}

Result<std::vector<DuckdbSession::PartitionRun>> DuckdbSession::partitions_of(
    const std::string& rows, const columnar::Schema& schema, const ParquetWrite& write) {
  std::string texts;
  std::string columns;
  for (const std::string& name : write.partition_by) {
    const std::string quoted = sql::quote_identifier(name);
    texts += fmt::format("CAST({} AS VARCHAR), ", quoted);
    columns += (columns.empty() ? "" : ", ") + quoted;
  }
  Prepared prepared = TRY(connection_.prepare(
      fmt::format("SELECT {}min(rowid), max(rowid), count(*) FROM {} GROUP BY {} ORDER BY "
                  "min(rowid)",
                  texts, rows, columns)));
  std::unique_ptr<Answer> answer = TRY(connection_.stream(prepared));
  ResultColumns found = TRY(columns_of(*answer));
  std::unique_ptr<columnar::BatchReader> reader =
      TRY(read_current(std::move(answer), std::move(found.schema)));
  std::vector<PartitionRun> runs;
  while (std::optional<columnar::RecordBatch> batch = TRY(reader->next())) {
    const std::size_t first = write.partition_by.size();
    for (std::size_t row = 0; row < batch->row_count(); ++row) {
      PartitionRun& run = runs.emplace_back();
      for (std::size_t i = 0; i < first; ++i) {
        std::optional<std::string> value;
        if (!batch->column(i).is_null(row)) value = std::string(batch->column(i).text(row));
        run.values.emplace_back(schema[*schema.index_of(write.partition_by[i])].name,
                                std::move(value));
      }
      run.first = batch->column(first).integer(row);
      run.count = batch->column(first + 2).integer(row);
      INVARIANT(batch->column(first + 1).integer(row) - run.first + 1 == run.count,
                "rows that are sorted by partition stand together");
    }
  }
  return runs;
}

Result<std::vector<WrittenFile>> DuckdbSession::write_partition(const std::string& rows,
                                                                const PartitionRun& run,
                                                                const columnar::Schema& schema,
                                                                const ParquetWrite& write) {
  const auto is_partition = [&](const columnar::Field& field) {
    return std::ranges::any_of(run.values,
                               [&](const auto& value) { return value.first == field.name; });
  };
  std::vector<columnar::Field> fields = schema.fields();
  std::erase_if(fields, is_partition);
  const columnar::Schema kept(std::move(fields));
  std::string folder = partition_folder(run.values);
  ParquetWrite one = write;
  one.partition_by.clear();
  one.folder += "/" + folder;
  TRY(make_folders(one.folder));
  std::vector<WrittenFile> files =
      TRY(copy_to_files(fmt::format("SELECT {} FROM {} WHERE rowid >= {} AND rowid < {}",
                                    column_names(kept), rows, run.first, run.first + run.count),
                        kept, one));
  for (WrittenFile& file : files) {
    file.relative_path.insert(0, folder + "/");
    for (const auto& [name, value] : run.values) {
      columnar::Kind kind = schema[*schema.index_of(name)].type.kind;
      file.partition_values[name] =
          value ? std::optional(partition_text(kind, *value)) : std::nullopt;
    }
  }
  return files;
}

}  // namespace millrace::engine
