#include "engine/parquet_write.h"

#include <algorithm>
#include <filesystem>

#include <fmt/core.h>

#include "base/id.h"
#include "base/suggest.h"
#include "base/text.h"
#include "engine/duckdb_connection.h"
#include "engine/parquet_statistics.h"
#include "sql/names.h"

namespace millrace::engine {

namespace {

/// Where a file ends and the next one begins, when the order does not matter. Compaction aims at
/// 128 MB to 1 GB too.
constexpr std::string_view kFileSize = "512MB";

Status check_partition_columns(const columnar::Schema& schema, const ParquetWrite& write) {
  for (const std::string& name : write.partition_by) {
    std::optional<std::size_t> column = schema.index_of(name);
    if (!column) {
      return Error(ErrorCode::Invalid, fmt::format("partition column '{}' is not in the answer{}",
                                                   name, suggestion(name, schema.names())));
    }
    const columnar::DataType& type = schema[*column].type;
    if (type.is_nested() || type.kind == columnar::Kind::Binary) {
      return Error(
          ErrorCode::Invalid,
          fmt::format("partition column '{}' is a {}; partition by a number, text, date or "
                      "timestamp",
                      name, columnar::to_sql(type)));
    }
  }
  if (write.partition_by.size() >= schema.size()) {
    return Error(ErrorCode::Invalid,
                 "every column is a partition column, so the files would hold none");
  }
  return {};
}

std::string folder_of(const ParquetWrite& write) {
  std::string folder = write.folder;
  while (folder.size() > 1 && folder.back() == '/') folder.pop_back();
  return folder;
}

}  // namespace

Result<std::string> copy_statement(std::string_view select, const columnar::Schema& schema,
                                   const ParquetWrite& write, std::string_view prefix) {
  if (write.folder.find('\0') != std::string::npos || write.folder.empty()) {
    return Error(ErrorCode::Invalid, "the folder to write to is empty or holds a NUL character");
  }
  TRY(check_partition_columns(schema, write));
  std::string options = "FORMAT parquet, COMPRESSION zstd, RETURN_STATS";
  if (write.rows_per_group) options += fmt::format(", ROW_GROUP_SIZE {}", *write.rows_per_group);
  std::string target = folder_of(write);
  if (!write.partition_by.empty()) {
    INVARIANT(!write.ordered, "ordered partitions are written one by one");
    std::string columns;
    for (const std::string& name : write.partition_by) {
      columns += (columns.empty() ? "" : ", ") + sql::quote_identifier(name);
    }
    options +=
        fmt::format(", PARTITION_BY ({}), APPEND, FILENAME_PATTERN '{}-{{uuid}}'", columns, prefix);
  } else if (write.ordered) {
    target += fmt::format("/{}-{}.parquet", prefix, new_uuid());
    options += ", WRITE_EMPTY_FILE false";
  } else {
    options += fmt::format(
        ", WRITE_EMPTY_FILE false, FILE_SIZE_BYTES '{}', APPEND, FILENAME_PATTERN '{}-{{uuid}}'",
        kFileSize, prefix);
  }
  return fmt::format("COPY (\n{}\n) TO {} ({})", select, sql::quote_literal(target), options);
}

void remove_files_of(const std::string& folder, std::string_view prefix) {
  namespace fs = std::filesystem;
  std::error_code error;  // what cannot be deleted stays, and its folder's owner finds it
  for (fs::recursive_directory_iterator at(folder, error), end; !error && at != end;
       at.increment(error)) {
    if (at->path().filename().string().starts_with(prefix)) fs::remove(at->path(), error);
  }
}

namespace {

/// One vector of a chunk.
class Values {
 public:
  explicit Values(duckdb_vector vector) : vector_(vector) {}

  bool is_null(idx_t row) const {
    std::uint64_t* validity = duckdb_vector_get_validity(vector_);
    return validity != nullptr && !duckdb_validity_row_is_valid(validity, row);
  }
  std::uint64_t count(idx_t row) const {
    return static_cast<std::uint64_t*>(duckdb_vector_get_data(vector_))[row];
  }
  std::string text(idx_t row) const {
    duckdb_string_t& text = static_cast<duckdb_string_t*>(duckdb_vector_get_data(vector_))[row];
    return {duckdb_string_t_data(&text), duckdb_string_t_length(text)};
  }
  /// A MAP's entries of a row: calls `entry` with keys, values and their row.
  template <typename Entry>
  void each(idx_t row, const Entry& entry) const {
    if (is_null(row)) return;
    auto range = static_cast<duckdb_list_entry*>(duckdb_vector_get_data(vector_))[row];
    duckdb_vector entries = duckdb_list_vector_get_child(vector_);
    Values keys(duckdb_struct_vector_get_child(entries, 0));
    Values values(duckdb_struct_vector_get_child(entries, 1));
    for (idx_t i = range.offset; i < range.offset + range.length; ++i) entry(keys, values, i);
  }

 private:
  duckdb_vector vector_;
};

std::map<std::string, std::string> text_map(const Values& map, idx_t row) {
  std::map<std::string, std::string> entries;
  map.each(row, [&](const Values& keys, const Values& values, idx_t i) {
    if (!values.is_null(i)) entries[keys.text(i)] = values.text(i);
  });
  return entries;
}

/// "a.b", or nothing when a name holds a dot itself and could be taken for a path.
std::optional<std::string> dotted(const std::vector<std::string>& path) {
  std::string text;
  for (const std::string& part : path) {
    if (part.find('.') != std::string::npos) return std::nullopt;
    text += (text.empty() ? "" : ".") + part;
  }
  return text;
}

void read_statistics(const Values& map, idx_t row, const columnar::Schema& schema,
                     WrittenFile& file) {
  map.each(row, [&](const Values& keys, const Values& values, idx_t i) {
    std::optional<std::vector<std::string>> path = parse_column_path(keys.text(i));
    if (!path) return;
    const columnar::DataType* type = type_at(schema, *path);
    std::optional<std::string> name = dotted(*path);
    if (type == nullptr || !name) return;
    file.statistics[*name] = statistics_of(*type, text_map(values, i));
  });
}

void read_partition(const Values& map, idx_t row, const columnar::Schema& schema,
                    const ParquetWrite& write, WrittenFile& file) {
  map.each(row, [&](const Values& keys, const Values& values, idx_t i) {
    std::size_t column = *schema.index_of(keys.text(i));
    std::optional<std::string> value;
    if (!values.is_null(i)) value = partition_text(schema[column].type.kind, values.text(i));
    file.partition_values[schema[column].name] = std::move(value);
  });
  INVARIANT(file.partition_values.size() == write.partition_by.size(),
            "COPY names the value of each partition column");
}

}  // namespace

std::string partition_folder(
    const std::vector<std::pair<std::string, std::optional<std::string>>>& values) {
  std::string folder;
  for (const auto& [name, value] : values) {
    folder += (folder.empty() ? "" : "/") + percent_encoded(name) + "=" +
              (value ? percent_encoded(*value) : "__HIVE_DEFAULT_PARTITION__");
  }
  return folder;
}

std::string partition_text(columnar::Kind kind, std::string value) {
  if (kind != columnar::Kind::Timestamp || !value.ends_with("+00")) return value;
  value.replace(value.size() - 3, 3, "Z");
  if (std::size_t space = value.find(' '); space != std::string::npos) value[space] = 'T';
  return value;
}

Result<std::vector<WrittenFile>> read_written_files(Answer& answer, const columnar::Schema& schema,
                                                    const ParquetWrite& write) {
  std::vector<WrittenFile> files;
  std::string prefix = folder_of(write) + "/";
  while (Chunk chunk = TRY(answer.next())) {
    auto column = [&](idx_t i) { return Values(duckdb_data_chunk_get_vector(chunk.get(), i)); };
    for (idx_t row = 0; row < duckdb_data_chunk_get_size(chunk.get()); ++row) {
      WrittenFile file;
      std::string path = column(0).text(row);
      if (!path.starts_with(prefix)) {
        return Error(ErrorCode::Internal,
                     fmt::format("DuckDB wrote {}, which is not in {}", path, write.folder));
      }
      file.relative_path = path.substr(prefix.size());
      file.row_count = static_cast<std::int64_t>(column(1).count(row));
      file.size_bytes = column(2).count(row);
      read_statistics(column(4), row, schema, file);
      read_partition(column(5), row, schema, write, file);
      files.push_back(std::move(file));
    }
  }
  std::ranges::sort(files, {}, &WrittenFile::relative_path);
  return files;
}

}  // namespace millrace::engine
