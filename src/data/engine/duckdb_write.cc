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
  constexpr std::string_view kept_rows = "temp.millrace_ordered_rows";
  TRY(connection_.run(
      fmt::format("CREATE OR REPLACE TEMP TABLE {} AS\n{}", kept_rows.substr(5), select)));
  std::vector<WrittenFile> files;
  Status written = [&]() -> Status {
    for (const PartitionValues& values :
         TRY(partitions_of(std::string(kept_rows), schema, write))) {
      std::vector<WrittenFile> file =
          TRY(write_partition(std::string(kept_rows), values, schema, write));
      std::ranges::move(file, std::back_inserter(files));
    }
    return {};
  }();
  (void)connection_.run(fmt::format("DROP TABLE IF EXISTS {}", kept_rows));
  TRY(std::move(written));
  std::ranges::sort(files, {}, &WrittenFile::relative_path);
  return files;
}

Result<std::vector<DuckdbSession::PartitionValues>> DuckdbSession::partitions_of(
    const std::string& rows, const columnar::Schema& schema, const ParquetWrite& write) {
  std::string columns;
  for (const std::string& name : write.partition_by) {
    columns += fmt::format("{}CAST({} AS VARCHAR)", columns.empty() ? "" : ", ",
                           sql::quote_identifier(name));
  }
  Prepared prepared =
      TRY(connection_.prepare(fmt::format("SELECT DISTINCT {} FROM {}", columns, rows)));
  std::unique_ptr<Answer> answer = TRY(connection_.stream(prepared));
  ResultColumns texts = TRY(columns_of(*answer));
  std::unique_ptr<columnar::BatchReader> reader =
      TRY(read_current(std::move(answer), std::move(texts.schema)));
  std::vector<PartitionValues> partitions;
  while (std::optional<columnar::RecordBatch> batch = TRY(reader->next())) {
    for (std::size_t row = 0; row < batch->row_count(); ++row) {
      PartitionValues& values = partitions.emplace_back();
      for (std::size_t i = 0; i < write.partition_by.size(); ++i) {
        std::optional<std::string> value;
        if (!batch->column(i).is_null(row)) value = std::string(batch->column(i).text(row));
        values.emplace_back(schema[*schema.index_of(write.partition_by[i])].name, std::move(value));
      }
    }
  }
  return partitions;
}

Result<std::vector<WrittenFile>> DuckdbSession::write_partition(const std::string& rows,
                                                                const PartitionValues& values,
                                                                const columnar::Schema& schema,
                                                                const ParquetWrite& write) {
  std::string condition;
  std::string kept;
  std::vector<columnar::Field> fields;
  for (const columnar::Field& field : schema.fields()) {
    auto value = std::ranges::find(values, field.name, &PartitionValues::value_type::first);
    std::string name = sql::quote_identifier(field.name);
    if (value == values.end()) {
      fields.push_back(field);
      kept += (kept.empty() ? "" : ", ") + name;
      continue;
    }
    condition += fmt::format(
        "{}{} IS NOT DISTINCT FROM CAST({} AS {})", condition.empty() ? "" : " AND ", name,
        value->second ? sql::quote_literal(*value->second) : "NULL", columnar::to_sql(field.type));
  }
  std::string folder = partition_folder(values);
  ParquetWrite one = write;
  one.partition_by.clear();
  one.folder += "/" + folder;
  TRY(make_folders(one.folder));
  std::vector<WrittenFile> files =
      TRY(copy_to_files(fmt::format("SELECT {} FROM {} WHERE {}", kept, rows, condition),
                        columnar::Schema(std::move(fields)), one));
  for (WrittenFile& file : files) {
    file.relative_path.insert(0, folder + "/");
    for (const auto& [name, value] : values) {
      columnar::Kind kind = schema[*schema.index_of(name)].type.kind;
      file.partition_values[name] =
          value ? std::optional(partition_text(kind, *value)) : std::nullopt;
    }
  }
  return files;
}

}  // namespace millrace::engine
