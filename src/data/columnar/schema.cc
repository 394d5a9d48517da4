#include "columnar/schema.h"

#include <algorithm>

#include "base/result.h"

namespace millrace::columnar {

namespace {

bool equal_without_case(std::string_view a, std::string_view b) {
  auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

}  // namespace

bool DataType::operator==(const DataType& other) const {
  return kind == other.kind && precision == other.precision && scale == other.scale &&
         children == other.children;
}

DataType simple(Kind kind) {
  DataType type;
  type.kind = kind;
  return type;
}

DataType decimal(int precision, int scale) {
  INVARIANT(precision >= 1 && precision <= 38 && scale >= 0 && scale <= precision,
            "a decimal has 1..38 digits, of which at most all stand after the point");
  DataType type = simple(Kind::Decimal);
  type.precision = static_cast<std::uint8_t>(precision);
  type.scale = static_cast<std::uint8_t>(scale);
  return type;
}

DataType list_of(DataType element) {
  DataType type = simple(Kind::List);
  type.children.push_back({"element", std::move(element)});
  return type;
}

DataType struct_of(std::vector<Field> fields) {
  DataType type = simple(Kind::Struct);
  type.children = std::move(fields);
  return type;
}

DataType map_of(DataType key, DataType value) {
  DataType type = simple(Kind::Map);
  type.children.push_back({"key", std::move(key), false});
  type.children.push_back({"value", std::move(value)});
  return type;
}

std::optional<std::size_t> Schema::index_of(std::string_view name) const {
  for (std::size_t i = 0; i < fields_.size(); ++i) {
    if (equal_without_case(fields_[i].name, name)) return i;
  }
  return std::nullopt;
}

std::vector<std::string> Schema::names() const {
  std::vector<std::string> names;
  names.reserve(fields_.size());
  for (const Field& field : fields_) names.push_back(field.name);
  return names;
}

}  // namespace millrace::columnar
