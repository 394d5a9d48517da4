#include "columnar/record_batch.h"

#include <fmt/core.h>

#include "base/suggest.h"

namespace millrace::columnar {

namespace {

/// Keeps far away from overflow when lengths, offsets and widths are multiplied.
constexpr std::int64_t kMostRows = std::int64_t{1} << 40U;

std::int64_t buffer_count(Kind kind) {
  switch (kind) {
    case Kind::String:
    case Kind::Binary:
      return 3;
    case Kind::Struct:
      return 1;
    default:
      return 2;
  }
}

std::size_t child_count(const DataType& type) {
  return type.kind == Kind::Map ? 1 : type.children.size();
}

/// Looks at one array as if its memory might be hostile, as far as the C interface allows.
class ArrayChecker {
 public:
  /// `rows`: how many the parent needs.
  Status check(const DataType& type, const ArrowArray* array, std::int64_t rows) const {
    TRY(check_shape(array, buffer_count(type.kind), child_count(type), rows));
    TRY(check_validity(*array));
    switch (type.kind) {
      case Kind::Struct:
        return check_children(type, *array, array->offset + array->length);
      case Kind::List:
        return check_list(type.children[0].type, *array, array->children[0]);
      case Kind::Map:
        return check_map(type, *array);
      case Kind::String:
      case Kind::Binary:
        return check_text(*array);
      default:
        if (array->length > 0 && array->buffers[1] == nullptr)
          return fail("its values are missing");
        return {};
    }
  }

  Status check_shape(const ArrowArray* array, std::int64_t buffers, std::size_t children,
                     std::int64_t rows) const {
    if (array == nullptr) return fail("its array is missing");
    if (array->release == nullptr) return fail("its array was released already");
    if (array->length < 0 || array->offset < 0 || array->length > kMostRows ||
        array->offset > kMostRows) {
      return fail(fmt::format("length {} with offset {}", array->length, array->offset));
    }
    if (array->length < rows) {
      return fail(fmt::format("it has {} rows, expected {}", array->length, rows));
    }
    if (array->dictionary != nullptr) return fail("it is dictionary-encoded");
    if (array->n_buffers != buffers || array->buffers == nullptr) {
      return fail(fmt::format("it has {} buffers, expected {}", array->n_buffers, buffers));
    }
    if (array->n_children != static_cast<std::int64_t>(children) ||
        (children > 0 && array->children == nullptr)) {
      return fail(fmt::format("it has {} children, expected {}", array->n_children, children));
    }
    return {};
  }

  std::string path;

 private:
  Error fail(std::string_view what) const {
    return {ErrorCode::Invalid, fmt::format("{} of a record batch: {}", path, what)};
  }

  Status check_validity(const ArrowArray& array) const {
    if (array.null_count > 0 && array.length > 0 && array.buffers[0] == nullptr) {
      return fail(fmt::format("{} nulls without a validity bitmap", array.null_count));
    }
    if (array.null_count < -1 || array.null_count > array.length) {
      return fail(fmt::format("{} nulls in {} rows", array.null_count, array.length));
    }
    return {};
  }

  Status check_children(const DataType& type, const ArrowArray& array, std::int64_t rows) const {
    for (std::size_t i = 0; i < type.children.size(); ++i) {
      TRY(child(type.children[i].name).check(type.children[i].type, array.children[i], rows));
    }
    return {};
  }

  ArrayChecker child(const std::string& name) const { return {path + " field '" + name + "'"}; }

  Result<std::int64_t> last_offset(const ArrowArray& array) const {
    const auto* offsets = static_cast<const std::int32_t*>(array.buffers[1]);
    if (array.length == 0) return 0;
    if (offsets == nullptr) return fail("its offsets are missing");
    offsets += array.offset;
    if (offsets[0] < 0) return fail("an offset is negative");
    for (std::int64_t row = 0; row < array.length; ++row) {
      if (offsets[row + 1] < offsets[row]) {
        return fail(fmt::format("the offsets go backwards at row {}", row));
      }
    }
    return offsets[array.length];
  }

  Status check_text(const ArrowArray& array) const {
    if (TRY(last_offset(array)) > 0 && array.buffers[2] == nullptr) {
      return fail("its text is missing");
    }
    return {};
  }

  Status check_list(const DataType& element, const ArrowArray& array,
                    const ArrowArray* child) const {
    std::int64_t rows = TRY(last_offset(array));
    return ArrayChecker{path + " element"}.check(element, child, rows);
  }

  Status check_map(const DataType& type, const ArrowArray& array) const {
    std::int64_t rows = TRY(last_offset(array));
    const ArrowArray* entries = array.children[0];
    TRY(ArrayChecker{path + " entries"}.check_shape(entries, 1, 2, rows));
    return check_children(type, *entries, entries->offset + entries->length);
  }
};

Status check_batch(const Schema& schema, const ArrowArray& array) {
  ArrayChecker table{"the whole"};
  TRY(table.check_shape(&array, 1, schema.size(), 0));
  if (array.null_count != 0 && array.buffers[0] != nullptr) {
    const auto* bits = static_cast<const std::uint8_t*>(array.buffers[0]);
    for (std::int64_t row = array.offset; row < array.offset + array.length; ++row) {
      if ((bits[row / 8] >> (row % 8) & 1) == 0) {
        return Error(ErrorCode::Invalid, "a record batch has a row that is null as a whole");
      }
    }
  }
  for (std::size_t i = 0; i < schema.size(); ++i) {
    ArrayChecker column{"column '" + schema[i].name + "'"};
    TRY(column.check(schema[i].type, array.children[i], array.offset + array.length));
  }
  return {};
}

class MemoryReader final : public BatchReader {
 public:
  MemoryReader(std::shared_ptr<const Schema> schema, std::vector<RecordBatch> batches)
      : schema_(std::move(schema)), batches_(std::move(batches)) {}

  const Schema& schema() const override { return *schema_; }

  Result<std::optional<RecordBatch>> next() override {
    while (next_ < batches_.size()) {
      RecordBatch& batch = batches_[next_++];
      if (batch.row_count() > 0) return std::optional(std::move(batch));
    }
    return std::optional<RecordBatch>();
  }

 private:
  std::shared_ptr<const Schema> schema_;
  std::vector<RecordBatch> batches_;
  std::size_t next_ = 0;
};

void release(ArrowArray& array) {
  if (array.release != nullptr) array.release(&array);
  array = ArrowArray{};
}

}  // namespace

RecordBatch::RecordBatch(std::shared_ptr<const Schema> schema, ArrowArray array)
    : schema_(std::move(schema)), array_(array) {}

RecordBatch::RecordBatch(RecordBatch&& other) noexcept
    : schema_(std::move(other.schema_)), array_(std::exchange(other.array_, ArrowArray{})) {}

RecordBatch& RecordBatch::operator=(RecordBatch&& other) noexcept {
  if (this != &other) {
    release(array_);
    schema_ = std::move(other.schema_);
    array_ = std::exchange(other.array_, ArrowArray{});
  }
  return *this;
}

RecordBatch::~RecordBatch() {
  release(array_);
}

Result<RecordBatch> RecordBatch::adopt(std::shared_ptr<const Schema> schema, ArrowArray array) {
  RecordBatch batch(std::move(schema), array);
  TRY(check_batch(*batch.schema_, batch.array_));
  return batch;
}

Column RecordBatch::column(std::size_t i) const {
  INVARIANT(i < schema_->size(), "a column's number is below the schema's size");
  return {(*schema_)[i].type, *array_.children[i], static_cast<std::size_t>(array_.offset),
          row_count()};
}

Result<Column> RecordBatch::column(std::string_view name) const {
  std::optional<std::size_t> i = schema_->index_of(name);
  if (!i) {
    return Error(ErrorCode::NotFound,
                 fmt::format("no column '{}'{}", name, suggestion(name, schema_->names())));
  }
  return column(*i);
}

ArrowArray RecordBatch::release_arrow() && {
  return std::exchange(array_, ArrowArray{});
}

std::unique_ptr<BatchReader> read_batches(std::shared_ptr<const Schema> schema,
                                          std::vector<RecordBatch> batches) {
  return std::make_unique<MemoryReader>(std::move(schema), std::move(batches));
}

}  // namespace millrace::columnar
