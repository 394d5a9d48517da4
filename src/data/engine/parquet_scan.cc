#include "engine/parquet_scan.h"

#include <algorithm>
#include <set>

#include <fmt/core.h>

#include "sql/names.h"

namespace millrace::engine {

namespace {

using columnar::Field;

/// Names that read_parquet gives a meaning of its own. A file's column of such a name is read under
/// another, because it would hide the number of the file.
constexpr std::string_view kVirtual[] = {"file_index", "file_row_number", "filename"};

std::string inner_name(const std::string& name) {
  return std::ranges::find(kVirtual, sql::fold_case(name)) == std::end(kVirtual) ? name
                                                                                 : "column " + name;
}

/// read_parquet takes patterns; a path that looks like one is written so that it names itself.
Result<std::string> as_pattern(const std::string& path) {
  if (path.find('\0') != std::string::npos) {
    return Error(ErrorCode::Invalid, "a file's path holds a NUL character");
  }
  if (path.find_first_of("*?[") == std::string::npos) return path;
  if (path.find('\\') != std::string::npos) {
    return Error(ErrorCode::Unsupported,
                 fmt::format("the path '{}' holds a backslash beside '*', '?' or '['; rename the "
                             "file or its folder",
                             path));
  }
  std::string pattern;
  for (char c : path) {
    pattern += c == '*' || c == '?' || c == '[' ? fmt::format("[{}]", c) : std::string(1, c);
  }
  return pattern;
}

std::string value_sql(const std::optional<std::string>& value) {
  return value ? sql::quote_literal(*value) : "NULL";
}

class ScanWriter {
 public:
  explicit ScanWriter(const TableScan& scan) : scan_(scan) {}

  Result<std::string> write() {
    if (scan_.schema.size() == 0) return Error(ErrorCode::Invalid, "a scan without columns");
    if (scan_.files.empty()) return empty();
    TRY(find_partition_columns());
    std::string columns;
    for (const Field& field : scan_.schema.fields()) {
      columns += columns.empty() ? "" : ", ";
      columns += TRY(column(field))
      +" AS " + sql::quote_identifier(field.name);
    }
    std::string files = TRY(file_list());
    return fmt::format("SELECT {} FROM read_parquet([{}], hive_partitioning = false, schema = {})",
                       columns, files, file_schema());
  }

 private:
  std::string empty() const {
    std::string columns;
    for (const Field& field : scan_.schema.fields()) {
      columns += fmt::format("{}CAST(NULL AS {}) AS {}", columns.empty() ? "" : ", ",
                             columnar::to_sql(field.type), sql::quote_identifier(field.name));
    }
    return "SELECT " + columns + " WHERE false";
  }

  Status find_partition_columns() {
    for (const auto& [name, value] : scan_.files[0].partition_values) {
      if (!scan_.schema.index_of(name)) {
        return Error(ErrorCode::Invalid,
                     fmt::format("partition column '{}' of {} is not in the schema", name,
                                 scan_.files[0].path));
      }
      partition_columns_.insert(name);
    }
    for (const ScanFile& file : scan_.files) {
      bool same = std::ranges::equal(file.partition_values, partition_columns_, {},
                                     [](const auto& value) { return value.first; });
      if (!same) {
        return Error(ErrorCode::Invalid, fmt::format("{} has other partition columns than {}",
                                                     file.path, scan_.files[0].path));
      }
    }
    return {};
  }

  bool is_partition(const std::string& name) const {
    return std::ranges::any_of(partition_columns_, [&](const std::string& partition) {
      return sql::fold_case(partition) == sql::fold_case(name);
    });
  }

  const std::optional<std::string>& value_of(const ScanFile& file, const std::string& name) const {
    return std::ranges::find_if(file.partition_values,
                                [&](const auto& value) {
                                  return sql::fold_case(value.first) == sql::fold_case(name);
                                })
        ->second;
  }

  Result<std::string> column(const Field& field) const {
    if (!is_partition(field.name)) return sql::quote_identifier(inner_name(field.name));
    if (field.type.is_nested()) {
      return Error(ErrorCode::Invalid, fmt::format("partition column '{}' is a {}", field.name,
                                                   columnar::to_sql(field.type)));
    }
    const std::optional<std::string>& first = value_of(scan_.files[0], field.name);
    std::string list;
    bool constant = true;
    for (const ScanFile& file : scan_.files) {
      const std::optional<std::string>& value = value_of(file, field.name);
      if (value && value->find('\0') != std::string::npos) {
        return Error(ErrorCode::Invalid,
                     fmt::format("the partition value of '{}' holds a NUL character", field.name));
      }
      constant = constant && value == first;
      list += (list.empty() ? "" : ", ") + value_sql(value);
    }
    std::string type = columnar::to_sql(field.type);
    if (constant) return fmt::format("CAST({} AS {})", value_sql(first), type);
    return fmt::format("(CAST([{}] AS {}[]))[CAST(file_index AS BIGINT) + 1]", list, type);
  }

  Result<std::string> file_list() const {
    std::string list;
    for (const ScanFile& file : scan_.files) {
      list += (list.empty() ? "" : ", ") + sql::quote_literal(TRY(as_pattern(file.path)));
    }
    return list;
  }

  std::string file_schema() const {
    std::string members;
    for (const Field& field : scan_.schema.fields()) {
      if (is_partition(field.name)) continue;
      members += fmt::format("{}{}: {{name: {}, type: {}, default_value: NULL}}",
                             members.empty() ? "" : ", ", sql::quote_literal(field.name),
                             sql::quote_literal(inner_name(field.name)),
                             sql::quote_literal(columnar::to_sql(field.type)));
    }
    // The map may not be empty: a table of partition columns alone still counts its rows.
    if (members.empty()) members = "'': {name: 'no column', type: 'BOOLEAN', default_value: NULL}";
    return "MAP {" + members + "}";
  }

  const TableScan& scan_;
  std::set<std::string> partition_columns_;
};

}  // namespace

Result<std::string> scan_select(const TableScan& scan) {
  for (const Field& field : scan.schema.fields()) {
    if (field.name.find('\0') != std::string::npos) {
      return Error(ErrorCode::Invalid, "a column's name holds a NUL character");
    }
  }
  return ScanWriter(scan).write();
}

}  // namespace millrace::engine
