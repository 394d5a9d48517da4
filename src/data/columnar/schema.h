#pragma once

// What a table's columns are called and hold.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace millrace::columnar {

/// The types that the lake (Delta), the engine and Arrow all have.
enum class Kind : std::uint8_t {
  Boolean,
  Int8,
  Int16,
  Int32,
  Int64,
  Float32,
  Float64,
  Decimal,  // precision 1..38, scale 0..precision
  String,   // UTF-8
  Binary,
  Date,          // days since 1970
  Timestamp,     // a moment: microseconds of UTC since 1970
  TimestampNtz,  // a wall clock without zone: microseconds since 1970-01-01 00:00:00
  List,          // one child, "element"
  Struct,        // its fields as children
  Map,           // two children, "key" and "value"
};

constexpr bool is_floating(Kind kind) {
  return kind == Kind::Float32 || kind == Kind::Float64;
}

struct Field;

struct DataType {
  Kind kind = Kind::String;
  std::uint8_t precision = 0;  // Decimal
  std::uint8_t scale = 0;      // Decimal
  std::vector<Field> children;

  bool operator==(const DataType&) const;
  bool is_integer() const { return kind >= Kind::Int8 && kind <= Kind::Int64; }
  bool is_floating() const { return columnar::is_floating(kind); }
  bool is_numeric() const { return kind >= Kind::Int8 && kind <= Kind::Decimal; }
  bool is_nested() const { return kind >= Kind::List; }
};

struct Field {
  std::string name;
  DataType type;
  bool nullable = true;

  bool operator==(const Field&) const = default;
};

DataType simple(Kind kind);
DataType decimal(int precision, int scale);
DataType list_of(DataType element);
DataType struct_of(std::vector<Field> fields);
DataType map_of(DataType key, DataType value);

/// The columns of a table, in order. Names are unique without regard to case, as the lake's
/// protocol demands.
class Schema {
 public:
  Schema() = default;
  explicit Schema(std::vector<Field> fields) : fields_(std::move(fields)) {}

  const std::vector<Field>& fields() const { return fields_; }
  std::size_t size() const { return fields_.size(); }
  const Field& operator[](std::size_t i) const { return fields_[i]; }
  /// Without regard to case.
  std::optional<std::size_t> index_of(std::string_view name) const;
  std::vector<std::string> names() const;

  bool operator==(const Schema&) const = default;

 private:
  std::vector<Field> fields_;
};

/// As users write types and as DuckDB prints them: "BIGINT", "DECIMAL(10,2)", "VARCHAR[]",
/// "STRUCT(a INTEGER)", "MAP(VARCHAR, BIGINT)", "TIMESTAMP WITH TIME ZONE". to_sql gives that text;
/// parse_type also takes the usual other spellings (INT, LONG, STRING, TEXT, BOOL, DOUBLE,
/// TIMESTAMPTZ, TIMESTAMP). Errors: Invalid with a suggestion.
std::string to_sql(const DataType& type);
Result<DataType> parse_type(std::string_view text);

}  // namespace millrace::columnar
