#include "engine/arrow_slice.h"

#include <vector>

#include "columnar/value_width.h"

namespace millrace::engine {

namespace {

using columnar::DataType;
using columnar::Kind;

/// What one array of a slice points to; its private_data.
struct Part {
  std::shared_ptr<const columnar::RecordBatch> batch;
  std::vector<std::uint8_t> validity;
  std::vector<std::uint8_t> bits;
  std::vector<std::int32_t> offsets;
  const void* buffers[3] = {nullptr, nullptr, nullptr};
  std::vector<ArrowArray> children;
  std::vector<ArrowArray*> pointers;
};

void release_part(ArrowArray* array) {
  auto* part = static_cast<Part*>(array->private_data);
  for (ArrowArray& child : part->children) {
    if (child.release != nullptr) child.release(&child);
  }
  delete part;
  array->release = nullptr;
}

std::vector<std::uint8_t> shifted_bits(const void* bitmap, std::int64_t first, std::int64_t count) {
  const auto* bytes = static_cast<const std::uint8_t*>(bitmap);
  std::vector<std::uint8_t> bits(static_cast<std::size_t>((count + 7) / 8) + 1);
  for (std::int64_t i = 0; i < count; ++i) {
    std::int64_t from = first + i;
    auto bit = static_cast<unsigned>(bytes[from / 8] >> (from % 8) & 1);
    bits[static_cast<std::size_t>(i / 8)] |= static_cast<std::uint8_t>(bit << (i % 8));
  }
  return bits;
}

ArrowArray finish(std::unique_ptr<Part> part, const ArrowArray& from, std::int64_t count) {
  for (ArrowArray& child : part->children) part->pointers.push_back(&child);
  ArrowArray array{};
  array.length = count;
  array.null_count = part->buffers[0] == nullptr ? 0 : -1;
  array.n_buffers = from.n_buffers;
  array.buffers = part->buffers;
  array.n_children = static_cast<std::int64_t>(part->children.size());
  array.children = part->pointers.data();
  array.release = release_part;
  array.private_data = part.release();
  return array;
}

class Slicer {
 public:
  explicit Slicer(std::shared_ptr<const columnar::RecordBatch> batch) : batch_(std::move(batch)) {}

  /// Rows [first, first + count) of the array, counted from the beginning of its buffers.
  ArrowArray slice(const DataType& type, const ArrowArray& from, std::int64_t first,
                   std::int64_t count) const {
    std::unique_ptr<Part> part = start(from, first, count);
    switch (type.kind) {
      case Kind::Boolean:
        if (count > 0) part->bits = shifted_bits(from.buffers[1], first, count);
        part->buffers[1] = part->bits.data();
        break;
      case Kind::Struct:
        add_fields(*part, type, from, first, count);
        break;
      case Kind::List:
      case Kind::Map:
        add_elements(*part, type, from, first, count);
        break;
      default:
        part->buffers[1] = entered(
            from.buffers[1], first * static_cast<std::int64_t>(columnar::width_of(type.kind)));
        if (from.n_buffers == 3) part->buffers[2] = from.buffers[2];
    }
    return finish(std::move(part), from, count);
  }

  ArrowArray whole(std::int64_t first, std::int64_t count) const {
    const ArrowArray& from = batch_->arrow();
    auto part = std::make_unique<Part>();
    part->batch = batch_;
    for (std::size_t i = 0; i < batch_->schema().size(); ++i) {
      const ArrowArray& column = *from.children[i];
      part->children.push_back(
          slice(batch_->schema()[i].type, column, column.offset + from.offset + first, count));
    }
    return finish(std::move(part), from, count);
  }

 private:
  static const void* entered(const void* buffer, std::int64_t bytes) {
    return buffer == nullptr ? nullptr : static_cast<const char*>(buffer) + bytes;
  }

  std::unique_ptr<Part> start(const ArrowArray& from, std::int64_t first,
                              std::int64_t count) const {
    auto part = std::make_unique<Part>();
    part->batch = batch_;
    if (from.buffers[0] != nullptr && from.null_count != 0 && count > 0) {
      part->validity = shifted_bits(from.buffers[0], first, count);
      part->buffers[0] = part->validity.data();
    }
    return part;
  }

  void add_fields(Part& part, const DataType& type, const ArrowArray& from, std::int64_t first,
                  std::int64_t count) const {
    for (std::size_t i = 0; i < type.children.size(); ++i) {
      const ArrowArray& field = *from.children[i];
      part.children.push_back(slice(type.children[i].type, field, field.offset + first, count));
    }
  }

  void add_elements(Part& part, const DataType& type, const ArrowArray& from, std::int64_t first,
                    std::int64_t count) const {
    const auto* offsets = static_cast<const std::int32_t*>(from.buffers[1]);
    std::int32_t base = count > 0 ? offsets[first] : 0;
    part.offsets.push_back(0);
    for (std::int64_t i = 1; i <= count; ++i) part.offsets.push_back(offsets[first + i] - base);
    part.buffers[1] = part.offsets.data();
    const ArrowArray& elements = *from.children[0];
    std::int64_t start_at = elements.offset + base;
    if (type.kind == Kind::List) {
      part.children.push_back(
          slice(type.children[0].type, elements, start_at, part.offsets.back()));
    } else {
      DataType entries = columnar::struct_of(type.children);
      part.children.push_back(slice(entries, elements, start_at, part.offsets.back()));
    }
  }

  std::shared_ptr<const columnar::RecordBatch> batch_;
};

}  // namespace

ArrowArray slice_rows(std::shared_ptr<const columnar::RecordBatch> batch, std::int64_t first,
                      std::int64_t count) {
  return Slicer(std::move(batch)).whole(first, count);
}

}  // namespace millrace::engine
