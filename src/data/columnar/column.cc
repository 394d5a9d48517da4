#include <cstring>

#include "columnar/record_batch.h"
#include "columnar/value_text.h"

namespace millrace::columnar {

namespace {

template <typename T>
T load(const void* buffer, std::size_t i) {
  T value;
  std::memcpy(&value, static_cast<const char*>(buffer) + i * sizeof(T), sizeof(T));
  return value;
}

bool bit_at(const void* buffer, std::size_t i) {
  return (static_cast<const std::uint8_t*>(buffer)[i / 8] >> (i % 8) & 1U) != 0;
}

}  // namespace

bool Column::is_null(std::size_t row) const {
  const void* validity = array_->buffers[0];
  return validity != nullptr && !bit_at(validity, start_ + row);
}

std::size_t Column::null_count() const {
  if (array_->buffers[0] == nullptr || array_->null_count == 0) return 0;
  std::size_t count = 0;
  for (std::size_t row = 0; row < size_; ++row) count += is_null(row) ? 1 : 0;
  return count;
}

bool Column::boolean(std::size_t row) const {
  return bit_at(array_->buffers[1], start_ + row);
}

std::int64_t Column::integer(std::size_t row) const {
  const void* values = array_->buffers[1];
  std::size_t i = start_ + row;
  switch (type_->kind) {
    case Kind::Int8:
      return load<std::int8_t>(values, i);
    case Kind::Int16:
      return load<std::int16_t>(values, i);
    case Kind::Int32:
    case Kind::Date:
      return load<std::int32_t>(values, i);
    case Kind::Int64:
    case Kind::Timestamp:
    case Kind::TimestampNtz:
      return load<std::int64_t>(values, i);
    default:
      INVARIANT(false, "integer() is for integers, dates and moments");
      return 0;
  }
}

double Column::number(std::size_t row) const {
  const void* values = array_->buffers[1];
  std::size_t i = start_ + row;
  switch (type_->kind) {
    case Kind::Float32:
      return load<float>(values, i);
    case Kind::Float64:
      return load<double>(values, i);
    case Kind::Decimal:
      return decimal_to_double(load<Int128>(values, i), type_->scale);
    default:
      return static_cast<double>(integer(row));
  }
}

std::string_view Column::text(std::size_t row) const {
  INVARIANT(type_->kind == Kind::String || type_->kind == Kind::Binary,
            "text() is for strings and binary");
  auto first = load<std::int32_t>(array_->buffers[1], start_ + row);
  auto last = load<std::int32_t>(array_->buffers[1], start_ + row + 1);
  if (first == last) return {};
  return {static_cast<const char*>(array_->buffers[2]) + first,
          static_cast<std::size_t>(last - first)};
}

std::pair<std::size_t, std::size_t> Column::range(std::size_t row) const {
  INVARIANT(type_->kind == Kind::List || type_->kind == Kind::Map, "range() is for lists and maps");
  return {load<std::int32_t>(array_->buffers[1], start_ + row),
          load<std::int32_t>(array_->buffers[1], start_ + row + 1)};
}

Column Column::child(std::size_t i) const {
  const DataType& type = type_->children.at(i).type;
  switch (type_->kind) {
    case Kind::Struct:
      return {type, *array_->children[i], start_, size_};
    case Kind::Map: {
      const ArrowArray& entries = *array_->children[0];
      return {type, *entries.children[i], static_cast<std::size_t>(entries.offset),
              static_cast<std::size_t>(entries.length)};
    }
    default:
      return {type, *array_->children[i]};
  }
}

std::string Column::to_string(std::size_t row) const {
  if (is_null(row)) return "";
  switch (type_->kind) {
    case Kind::Boolean:
      return boolean(row) ? "true" : "false";
    case Kind::Float32:
      return float_text(load<float>(array_->buffers[1], start_ + row));
    case Kind::Float64:
      return double_text(number(row));
    case Kind::Decimal:
      return decimal_text(load<Int128>(array_->buffers[1], start_ + row), type_->scale);
    case Kind::String:
      return std::string(text(row));
    case Kind::Binary:
      return binary_text(text(row));
    case Kind::Date:
      return date_text(integer(row));
    case Kind::Timestamp:
      return timestamp_text(integer(row), Zone::Utc);
    case Kind::TimestampNtz:
      return timestamp_text(integer(row), Zone::None);
    case Kind::List:
    case Kind::Struct:
    case Kind::Map:
      return to_json(row).dump();
    default:
      return std::to_string(integer(row));
  }
}

Json Column::to_json(std::size_t row) const {
  if (is_null(row)) return nullptr;
  switch (type_->kind) {
    case Kind::Boolean:
      return boolean(row);
    case Kind::Int8:
    case Kind::Int16:
    case Kind::Int32:
    case Kind::Int64:
      return integer(row);
    case Kind::Float32:
    case Kind::Float64:
      return number(row);
    case Kind::Decimal: {
      auto value = load<Int128>(array_->buffers[1], start_ + row);
      if (type_->scale == 0 && value == static_cast<std::int64_t>(value)) {
        return static_cast<std::int64_t>(value);
      }
      return to_string(row);
    }
    case Kind::List:
    case Kind::Struct:
    case Kind::Map:
      return nested_json(row);
    default:
      return to_string(row);
  }
}

Json Column::nested_json(std::size_t row) const {
  if (type_->kind == Kind::Struct) {
    Json object = Json::object();
    for (std::size_t i = 0; i < type_->children.size(); ++i) {
      object.as_object().emplace_back(type_->children[i].name, child(i).to_json(row));
    }
    return object;
  }
  auto [first, last] = range(row);
  if (type_->kind == Kind::List) {
    Json array = Json::array();
    Column elements = child(0);
    for (std::size_t i = first; i < last; ++i) array.push(elements.to_json(i));
    return array;
  }
  Json object = Json::object();
  Column keys = child(0);
  Column values = child(1);
  for (std::size_t i = first; i < last; ++i) {
    object.as_object().emplace_back(keys.to_string(i), values.to_json(i));
  }
  return object;
}

}  // namespace millrace::columnar
