#include "engine/duckdb_types.h"

#include <fmt/core.h>

#include "sql/names.h"

namespace millrace::engine {

namespace {

using columnar::Kind;

LakeType exactly(Kind kind) {
  return {columnar::simple(kind), true};
}

LakeType by_cast(Kind kind) {
  return {columnar::simple(kind), false};
}

Result<LakeType> list_type(LogicalType element, bool exact, const std::string& column) {
  LakeType type = TRY(lake_type(element.get(), column));
  return LakeType{columnar::list_of(std::move(type.type)), exact && type.exact};
}

Result<LakeType> map_type(duckdb_logical_type type, const std::string& column) {
  LogicalType key_type(duckdb_map_type_key_type(type));
  LogicalType value_type(duckdb_map_type_value_type(type));
  LakeType key = TRY(lake_type(key_type.get(), column));
  LakeType value = TRY(lake_type(value_type.get(), column));
  return LakeType{columnar::map_of(std::move(key.type), std::move(value.type)),
                  key.exact && value.exact};
}

Result<LakeType> struct_type(duckdb_logical_type type, const std::string& column) {
  std::vector<columnar::Field> fields;
  bool exact = true;
  for (idx_t i = 0; i < duckdb_struct_type_child_count(type); ++i) {
    std::string name = take_text(duckdb_struct_type_child_name(type, i));
    LogicalType child(duckdb_struct_type_child_type(type, i));
    LakeType field = TRY(lake_type(child.get(), fmt::format("{}.{}", column, name)));
    exact = exact && field.exact;
    fields.push_back({std::move(name), std::move(field.type)});
  }
  return LakeType{columnar::struct_of(std::move(fields)), exact};
}

Result<LakeType> nested_type(duckdb_logical_type type, const std::string& column) {
  switch (duckdb_get_type_id(type)) {
    case DUCKDB_TYPE_LIST:
      return list_type(LogicalType(duckdb_list_type_child_type(type)), true, column);
    case DUCKDB_TYPE_ARRAY:
      return list_type(LogicalType(duckdb_array_type_child_type(type)), false, column);
    case DUCKDB_TYPE_MAP:
      return map_type(type, column);
    case DUCKDB_TYPE_STRUCT:
      return struct_type(type, column);
    default:
      return Error(
          ErrorCode::Unsupported,
          fmt::format("column '{}' has a type of DuckDB that no table of the lake holds "
                      "(UNION, VARIANT or GEOMETRY); cast it in the query, to VARCHAR or to "
                      "a STRUCT",
                      column));
  }
}

}  // namespace

Result<LakeType> lake_type(duckdb_logical_type type, const std::string& column) {
  switch (duckdb_get_type_id(type)) {
    case DUCKDB_TYPE_BOOLEAN:
      return exactly(Kind::Boolean);
    case DUCKDB_TYPE_TINYINT:
      return exactly(Kind::Int8);
    case DUCKDB_TYPE_SMALLINT:
      return exactly(Kind::Int16);
    case DUCKDB_TYPE_INTEGER:
      return exactly(Kind::Int32);
    case DUCKDB_TYPE_BIGINT:
      return exactly(Kind::Int64);
    case DUCKDB_TYPE_FLOAT:
      return exactly(Kind::Float32);
    case DUCKDB_TYPE_DOUBLE:
      return exactly(Kind::Float64);
    case DUCKDB_TYPE_VARCHAR:
      return exactly(Kind::String);
    case DUCKDB_TYPE_BLOB:
      return exactly(Kind::Binary);
    case DUCKDB_TYPE_DATE:
      return exactly(Kind::Date);
    case DUCKDB_TYPE_TIMESTAMP_TZ:
      return exactly(Kind::Timestamp);
    case DUCKDB_TYPE_TIMESTAMP:
      return exactly(Kind::TimestampNtz);
    case DUCKDB_TYPE_DECIMAL:
      return LakeType{columnar::decimal(duckdb_decimal_width(type), duckdb_decimal_scale(type))};
    case DUCKDB_TYPE_UTINYINT:
      return by_cast(Kind::Int16);
    case DUCKDB_TYPE_USMALLINT:
    case DUCKDB_TYPE_SQLNULL:
      return by_cast(Kind::Int32);
    case DUCKDB_TYPE_UINTEGER:
    case DUCKDB_TYPE_HUGEINT:
      return by_cast(Kind::Int64);
    case DUCKDB_TYPE_UBIGINT:
      return LakeType{columnar::decimal(20, 0), false};
    case DUCKDB_TYPE_UHUGEINT:
      return LakeType{columnar::decimal(38, 0), false};
    case DUCKDB_TYPE_TIMESTAMP_S:
    case DUCKDB_TYPE_TIMESTAMP_MS:
    case DUCKDB_TYPE_TIMESTAMP_NS:
      return by_cast(Kind::TimestampNtz);
    case DUCKDB_TYPE_ENUM:
    case DUCKDB_TYPE_UUID:
    case DUCKDB_TYPE_TIME:
    case DUCKDB_TYPE_TIME_TZ:
    case DUCKDB_TYPE_TIME_NS:
    case DUCKDB_TYPE_INTERVAL:
    case DUCKDB_TYPE_BIT:
    case DUCKDB_TYPE_BIGNUM:
      return by_cast(Kind::String);
    default:
      return nested_type(type, column);
  }
}

namespace {

Status add_column(ResultColumns& columns, std::vector<columnar::Field>& fields, const char* name,
                  duckdb_logical_type type) {
  LakeType lake = TRY(lake_type(type, name == nullptr ? "" : name));
  columns.exact = columns.exact && lake.exact;
  fields.push_back({name == nullptr ? "" : name, std::move(lake.type)});
  return {};
}

}  // namespace

Result<std::optional<ResultColumns>> columns_of(const Prepared& statement) {
  ResultColumns columns;
  std::vector<columnar::Field> fields;
  idx_t count = duckdb_prepared_statement_column_count(statement.get());
  for (idx_t i = 0; i < count; ++i) {
    LogicalType type(duckdb_prepared_statement_column_logical_type(statement.get(), i));
    if (!type || duckdb_get_type_id(type.get()) == DUCKDB_TYPE_INVALID) {
      return std::optional<ResultColumns>();
    }
    std::string name =
        take_text(const_cast<char*>(duckdb_prepared_statement_column_name(statement.get(), i)));
    TRY(add_column(columns, fields, name.c_str(), type.get()));
  }
  columns.schema = columnar::Schema(std::move(fields));
  return std::optional(std::move(columns));
}

Result<ResultColumns> columns_of(Answer& answer) {
  ResultColumns columns;
  std::vector<columnar::Field> fields;
  for (idx_t i = 0; i < answer.column_count(); ++i) {
    LogicalType type(duckdb_column_logical_type(answer.get(), i));
    TRY(add_column(columns, fields, duckdb_column_name(answer.get(), i), type.get()));
  }
  columns.schema = columnar::Schema(std::move(fields));
  return columns;
}

std::string cast_to(const columnar::Schema& schema, std::string_view select) {
  std::string sql = "SELECT ";
  for (std::size_t i = 0; i < schema.size(); ++i) {
    sql += fmt::format("{}CAST(#{} AS {}) AS {}", i == 0 ? "" : ", ", i + 1,
                       columnar::to_sql(schema[i].type), sql::quote_identifier(schema[i].name));
  }
  return sql + fmt::format(" FROM (\n{}\n)", select);
}

}  // namespace millrace::engine
