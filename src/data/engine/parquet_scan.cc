#include "engine/parquet_scan.h"

#include <algorithm>
#include <set>

#include <fmt/core.h>

#include "base/text.h"
#include "sql/names.h"

namespace millrace::engine {

namespace {

using columnar::Field;

/// Names that read_parquet gives a meaning of its own. A file's column of such a name is read under
/// another, because it would hide the number of the file.
constexpr std::string_view kVirtual[] = {"file_index", "file_row_number", "filename"};

std::string inner_name(const std::string& name) {
  return std::ranges::find(kVirtual, fold_case(name)) == std::end(kVirtual) ? name
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

std::string value_sql(const std::optional<std::string>& value, columnar::Kind kind) {
  if (!value) return "NULL";
  // A cast would read backslashes in it as codes.
  if (kind == columnar::Kind::Binary) return fmt::format("encode({})", sql::quote_literal(*value));
  return sql::quote_literal(*value);
}

/// An expression over a value as the files have it, with the names of its fields as the schema has
/// them. DuckDB casts structs by the names of their fields, so they are taken apart and put
/// together again.
std::string renamed(const std::string& value, const columnar::DataType& stored,
                    const columnar::DataType& type) {
  if (stored == type) return value;
  if (type.kind == columnar::Kind::List) {
    return fmt::format("list_transform({}, lambda x: {})", value,
                       renamed("x", stored.children[0].type, type.children[0].type));
  }
  if (type.kind == columnar::Kind::Map) {
    return fmt::format(
        "map_from_entries(list_transform(map_entries({}), lambda x: struct_pack(\"key\" := {}, "
        "\"value\" := {})))",
        value, renamed("x.key", stored.children[0].type, type.children[0].type),
        renamed("x.value", stored.children[1].type, type.children[1].type));
  }
  std::string fields;
  for (std::size_t i = 0; i < type.children.size(); ++i) {
    const std::string field = value + "." + sql::quote_identifier(stored.children[i].name);
    fields += fmt::format("{}{} := {}", fields.empty() ? "" : ", ",
                          sql::quote_identifier(type.children[i].name),
                          renamed(field, stored.children[i].type, type.children[i].type));
  }
  return fmt::format("CASE WHEN {} IS NULL THEN NULL ELSE struct_pack({}) END", value, fields);
}

/// Whether two types differ in nothing but the names of structs' fields.
bool same_shape(const columnar::DataType& a, const columnar::DataType& b) {
  return a.kind == b.kind && a.precision == b.precision && a.scale == b.scale &&
         std::ranges::equal(a.children, b.children, [](const Field& x, const Field& y) {
           return same_shape(x.type, y.type);
         });
}

/// "[1,5,7]", which DuckDB casts to a list ten times faster than it parses one.
std::string number_list(const std::vector<std::int64_t>& numbers) {
  std::string text = "[";
  for (const std::int64_t number : numbers) {
    if (text.size() > 1) text += ',';
    text += std::to_string(number);
  }
  return text + "]";
}

class ScanWriter {
 public:
  explicit ScanWriter(const TableScan& scan) : scan_(scan) {}

  Result<std::string> write() {
    if (scan_.schema.size() == 0) return Error(ErrorCode::Invalid, "a scan without columns");
    if (scan_.files.empty()) return empty();
    TRY(find_partition_columns());
    TRY(check_stored());
    std::string columns;
    for (std::size_t i = 0; i < scan_.schema.size(); ++i) {
      columns += columns.empty() ? "" : ", ";
      columns += TRY(column(i)) + " AS " + sql::quote_identifier(scan_.schema[i].name);
    }
    std::string files = TRY(file_list());
    return fmt::format(
        "SELECT {} FROM read_parquet([{}], hive_partitioning = false, schema = {}){}", columns,
        files, file_schema(), without_deleted());
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
      return fold_case(partition) == fold_case(name);
    });
  }

  const std::optional<std::string>& value_of(const ScanFile& file, const std::string& name) const {
    return std::ranges::find_if(
               file.partition_values,
               [&](const auto& value) { return fold_case(value.first) == fold_case(name); })
        ->second;
  }

  Status check_stored() const {
    const auto fits = [](const Field& stored, const Field& field) {
      return same_shape(stored.type, field.type);
    };
    if (!scan_.stored.empty() && !std::ranges::equal(scan_.stored, scan_.schema.fields(), fits)) {
      return Error(ErrorCode::Invalid, "the columns of the files are not those of the schema");
    }
    if (!scan_.field_ids.empty() && scan_.field_ids.size() != scan_.schema.size()) {
      return Error(ErrorCode::Invalid, "each column needs a field id, or none");
    }
    return {};
  }

  /// A column of the schema as the files have it.
  const Field& stored(std::size_t i) const {
    return scan_.stored.empty() ? scan_.schema[i] : scan_.stored[i];
  }

  Result<std::string> column(std::size_t i) const {
    const Field& field = scan_.schema[i];
    if (!is_partition(field.name)) {
      return renamed(sql::quote_identifier(inner_name(field.name)), stored(i).type, field.type);
    }
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
      list += (list.empty() ? "" : ", ") + value_sql(value, field.type.kind);
    }
    std::string type = columnar::to_sql(field.type);
    if (constant) return fmt::format("CAST({} AS {})", value_sql(first, field.type.kind), type);
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
    for (std::size_t i = 0; i < scan_.schema.size(); ++i) {
      const std::string& name = scan_.schema[i].name;
      const bool has_id = !scan_.field_ids.empty() && scan_.field_ids[i].has_value();
      if (is_partition(name) || (!scan_.field_ids.empty() && !has_id)) continue;
      members += fmt::format(
          "{}{}: {{name: {}, type: {}, default_value: NULL}}", members.empty() ? "" : ", ",
          has_id ? std::to_string(*scan_.field_ids[i]) : sql::quote_literal(stored(i).name),
          sql::quote_literal(inner_name(name)),
          sql::quote_literal(columnar::to_sql(stored(i).type)));
    }
    // The map may not be empty: a table of partition columns alone still counts its rows.
    if (members.empty()) members = "'': {name: 'no column', type: 'BOOLEAN', default_value: NULL}";
    return "MAP {" + members + "}";
  }

  /// The rows that no longer count, by the number of their file and their own.
  std::string without_deleted() const {
    std::string rows;
    for (std::size_t i = 0; i < scan_.files.size(); ++i) {
      const auto& deleted = scan_.files[i].deleted_rows;
      if (deleted == nullptr || deleted->empty()) continue;
      rows += fmt::format("{}({}, CAST('{}' AS BIGINT[]))", rows.empty() ? "" : ", ", i,
                          number_list(*deleted));
    }
    if (rows.empty()) return rows;
    return fmt::format(
        " ANTI JOIN (SELECT \"file\", unnest(\"rows\") AS \"row\" FROM (VALUES {}) AS "
        "files(\"file\", \"rows\")) AS deleted ON deleted.\"file\" = file_index AND "
        "deleted.\"row\" = file_row_number",
        rows);
  }

  const TableScan& scan_;
  std::set<std::string> partition_columns_;
};

}  // namespace

Result<std::string> scan_select(const TableScan& scan) {
  for (const std::vector<Field>* fields : {&scan.schema.fields(), &scan.stored}) {
    for (const Field& field : *fields) {
      if (field.name.find('\0') != std::string::npos) {
        return Error(ErrorCode::Invalid, "a column's name holds a NUL character");
      }
    }
  }
  return ScanWriter(scan).write();
}

}  // namespace millrace::engine
