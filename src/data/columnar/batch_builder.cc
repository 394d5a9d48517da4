#include <algorithm>
#include <cstring>
#include <limits>

#include <fmt/core.h>

#include "columnar/record_batch.h"
#include "columnar/value_text.h"
#include "columnar/value_width.h"

namespace millrace::columnar {

namespace {

bool is_text(Kind kind) {
  return kind == Kind::String || kind == Kind::Binary;
}

/// One byte a value while building; bits when finished.
std::vector<std::uint8_t> pack_bits(const std::vector<std::uint8_t>& bytes) {
  std::vector<std::uint8_t> bits((bytes.size() + 7) / 8);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bits[i / 8] |= static_cast<std::uint8_t>((bytes[i] & 1U) << (i % 8));
  }
  return bits;
}

/// The buffers of one finished column, or of the whole (no buffers, but children).
struct Owned {
  std::vector<std::uint8_t> validity;
  std::vector<std::uint8_t> values;
  std::string text;
  const void* buffers[3] = {nullptr, nullptr, nullptr};
  std::vector<ArrowArray> children;
  std::vector<ArrowArray*> pointers;
};

void release_owned(ArrowArray* array) {
  auto* owned = static_cast<Owned*>(array->private_data);
  for (ArrowArray& child : owned->children) {
    if (child.release != nullptr) child.release(&child);
  }
  delete owned;
  array->release = nullptr;
}

/// A buffer that is there even when it holds nothing.
const void* address(const void* data) {
  static const std::uint64_t nothing[2] = {0, 0};
  return data == nullptr ? nothing : data;
}

ArrowArray owning_array(std::unique_ptr<Owned> owned, std::size_t length, std::int64_t buffers) {
  ArrowArray array{};
  array.length = static_cast<std::int64_t>(length);
  array.n_buffers = buffers;
  array.buffers = owned->buffers;
  array.n_children = static_cast<std::int64_t>(owned->children.size());
  array.children = owned->pointers.data();
  array.release = release_owned;
  array.private_data = owned.release();
  return array;
}

struct ColumnBuilder {
  DataType type;
  std::vector<std::uint8_t> valid;   // one byte a value
  std::vector<std::uint8_t> values;  // fixed width; for text the ends, without the leading zero
  std::string text;
  std::size_t nulls = 0;

  std::size_t size() const { return valid.size(); }

  template <typename T>
  void append(T value) {
    valid.push_back(1);
    put(value);
  }

  template <typename T>
  void put(T value) {
    std::size_t before = values.size();
    values.resize(before + sizeof(T));
    std::memcpy(values.data() + before, &value, sizeof(T));
  }

  template <typename T>
  void append_integer(std::int64_t value) {
    INVARIANT(value >= std::numeric_limits<T>::min() && value <= std::numeric_limits<T>::max(),
              "an appended integer fits its column");
    append(static_cast<T>(value));
  }

  void append_null() {
    valid.push_back(0);
    ++nulls;
    if (is_text(type.kind)) {
      put(static_cast<std::int32_t>(text.size()));
    } else {
      values.resize(values.size() + width_of(type.kind));
    }
  }

  void truncate(std::size_t rows) {
    if (size() <= rows) return;
    nulls -= static_cast<std::size_t>(std::count(valid.begin() + static_cast<std::ptrdiff_t>(rows),
                                                 valid.end(), std::uint8_t{0}));
    valid.resize(rows);
    values.resize(rows * width_of(type.kind));
    if (!is_text(type.kind)) return;
    std::int32_t end = 0;
    if (rows > 0) std::memcpy(&end, values.data() + values.size() - 4, 4);
    text.resize(static_cast<std::size_t>(end));
  }

  ArrowArray finish() {
    auto owned = std::make_unique<Owned>();
    std::size_t length = size();
    if (nulls > 0) owned->validity = pack_bits(valid);
    owned->buffers[0] = nulls > 0 ? owned->validity.data() : nullptr;
    if (type.kind == Kind::Boolean) {
      owned->values = pack_bits(values);
    } else if (is_text(type.kind)) {
      owned->values.assign(4, 0);
      owned->values.insert(owned->values.end(), values.begin(), values.end());
      owned->text = std::move(text);
    } else {
      owned->values = std::move(values);
    }
    owned->buffers[1] = address(owned->values.empty() ? nullptr : owned->values.data());
    owned->buffers[2] = address(owned->text.data());
    ArrowArray array = owning_array(std::move(owned), length, is_text(type.kind) ? 3 : 2);
    array.null_count = static_cast<std::int64_t>(nulls);
    valid.clear();
    values.clear();
    text.clear();
    nulls = 0;
    return array;
  }
};

}  // namespace

struct BatchBuilder::State {
  std::shared_ptr<const Schema> schema;
  std::vector<ColumnBuilder> columns;
};

BatchBuilder::BatchBuilder(std::shared_ptr<const Schema> schema)
    : state_(std::make_unique<State>()) {
  for (const Field& field : schema->fields()) {
    INVARIANT(!field.type.is_nested(), "a BatchBuilder builds flat columns");
    state_->columns.emplace_back().type = field.type;
  }
  state_->schema = std::move(schema);
}

BatchBuilder::BatchBuilder(BatchBuilder&&) noexcept = default;
BatchBuilder::~BatchBuilder() = default;

void BatchBuilder::append_null(std::size_t column) {
  state_->columns.at(column).append_null();
}

void BatchBuilder::append_boolean(std::size_t column, bool value) {
  ColumnBuilder& to = state_->columns.at(column);
  INVARIANT(to.type.kind == Kind::Boolean, "append_boolean is for booleans");
  to.append(static_cast<std::uint8_t>(value ? 1 : 0));
}

void BatchBuilder::append_integer(std::size_t column, std::int64_t value) {
  ColumnBuilder& to = state_->columns.at(column);
  switch (to.type.kind) {
    case Kind::Int8:
      return to.append_integer<std::int8_t>(value);
    case Kind::Int16:
      return to.append_integer<std::int16_t>(value);
    case Kind::Int32:
    case Kind::Date:
      return to.append_integer<std::int32_t>(value);
    case Kind::Int64:
    case Kind::Timestamp:
    case Kind::TimestampNtz:
      return to.append(value);
    case Kind::Decimal:
      return to.append(static_cast<Int128>(value));
    default:
      INVARIANT(false, "append_integer is for integers, dates, moments and decimals");
  }
}

void BatchBuilder::append_number(std::size_t column, double value) {
  ColumnBuilder& to = state_->columns.at(column);
  INVARIANT(to.type.kind == Kind::Float32 || to.type.kind == Kind::Float64,
            "append_number is for floats");
  if (to.type.kind == Kind::Float32) return to.append(static_cast<float>(value));
  to.append(value);
}

void BatchBuilder::append_text(std::size_t column, std::string_view value) {
  ColumnBuilder& to = state_->columns.at(column);
  INVARIANT(is_text(to.type.kind), "append_text is for strings and binary");
  INVARIANT(to.text.size() + value.size() <= std::numeric_limits<std::int32_t>::max(),
            "a batch is finished before a column holds 2 GiB of text");
  to.text.append(value);
  to.append(static_cast<std::int32_t>(to.text.size()));
}

std::size_t BatchBuilder::row_count() const {
  std::size_t rows = state_->columns.empty() ? 0 : state_->columns[0].size();
  for (const ColumnBuilder& column : state_->columns) rows = std::min(rows, column.size());
  return rows;
}

std::size_t BatchBuilder::size_bytes() const {
  std::size_t bytes = 0;
  for (const ColumnBuilder& column : state_->columns) {
    bytes += column.valid.size() + column.values.size() + column.text.size();
  }
  return bytes;
}

void BatchBuilder::truncate(std::size_t rows) {
  for (ColumnBuilder& column : state_->columns) column.truncate(rows);
}

RecordBatch BatchBuilder::finish() {
  std::size_t rows = row_count();
  auto owned = std::make_unique<Owned>();
  for (ColumnBuilder& column : state_->columns) {
    INVARIANT(column.size() == rows, "every column got the same number of values");
    owned->children.push_back(column.finish());
  }
  for (ArrowArray& child : owned->children) owned->pointers.push_back(&child);
  Result<RecordBatch> batch =
      RecordBatch::adopt(state_->schema, owning_array(std::move(owned), rows, 1));
  INVARIANT(batch.ok(), "a built batch fits its schema");
  return *std::move(batch);
}

}  // namespace millrace::columnar
