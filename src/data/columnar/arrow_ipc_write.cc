// A batch as a message.

#include "columnar/arrow_ipc.h"
#include "columnar/arrow_ipc_tables.h"
#include "columnar/value_width.h"

namespace millrace::columnar {
namespace {

/// The bits [first, first + count) of a bitmap, from a byte's beginning on.
std::string bits_from(const void* bitmap, std::int64_t first, std::int64_t count) {
  const auto* bytes = static_cast<const std::uint8_t*>(bitmap) + first / 8;
  const auto shift = static_cast<unsigned>(first % 8);
  const auto size = static_cast<std::size_t>((count + 7) / 8);
  std::string bits(size, '\0');
  if (shift == 0) {
    std::memcpy(bits.data(), bytes, size);
  } else {
    const auto last = static_cast<std::size_t>((shift + count - 1) / 8);  // the last byte to read
    for (std::size_t i = 0; i < size; ++i) {
      const unsigned next = i < last ? bytes[i + 1] : 0U;
      bits[i] = static_cast<char>(bytes[i] >> shift | next << (8 - shift));
    }
  }
  // The bits behind the last one are no one's: zero, so that equal rows give equal bytes.
  if (count % 8 != 0) bits.back() = static_cast<char>(bits.back() & ((1U << (count % 8)) - 1));
  return bits;
}

std::int64_t ones_in(const std::string& bits) {
  std::int64_t ones = 0;
  for (const char byte : bits) ones += __builtin_popcount(static_cast<std::uint8_t>(byte));
  return ones;
}

/// Gathers the buffers of one batch after another in the order of the format.
class Body {
 public:
  /// Rows [first, first + count) of the array, counted from the beginning of its buffers.
  void add(const DataType& type, const ArrowArray& from, std::int64_t first, std::int64_t count) {
    add_node(from, first, count);
    switch (type.kind) {
      case Kind::Boolean:
        return add_buffer(count == 0 ? "" : bits_from(from.buffers[1], first, count));
      case Kind::String:
      case Kind::Binary: {
        const auto [start, end] = add_offsets(from, first, count);
        if (end > start)
          return add_buffer({static_cast<const char*>(from.buffers[2]) + start,
                             static_cast<std::size_t>(end - start)});
        return add_buffer("");
      }
      case Kind::List:
      case Kind::Map: {
        const auto [start, end] = add_offsets(from, first, count);
        const ArrowArray& elements = *from.children[0];
        if (type.kind == Kind::List)
          return add(type.children[0].type, elements, elements.offset + start, end - start);
        add_node(elements, elements.offset + start, end - start);
        return add_fields(type, elements, elements.offset + start, end - start);
      }
      case Kind::Struct:
        return add_fields(type, from, first, count);
      default: {
        const auto width = static_cast<std::int64_t>(width_of(type.kind));
        if (count == 0) return add_buffer("");
        return add_buffer({static_cast<const char*>(from.buffers[1]) + first * width,
                           static_cast<std::size_t>(count * width)});
      }
    }
  }

  std::vector<ipc::FieldNode> nodes;
  std::vector<ipc::BufferPlace> places;
  std::string bytes;

 private:
  void add_fields(const DataType& type, const ArrowArray& from, std::int64_t first,
                  std::int64_t count) {
    for (std::size_t i = 0; i < type.children.size(); ++i)
      add(type.children[i].type, *from.children[i], from.children[i]->offset + first, count);
  }

  void add_node(const ArrowArray& from, std::int64_t first, std::int64_t count) {
    std::int64_t nulls = 0;
    std::string validity;
    if (from.buffers[0] != nullptr && from.null_count != 0 && count > 0) {
      validity = bits_from(from.buffers[0], first, count);
      nulls = count - ones_in(validity);
    }
    nodes.push_back({count, nulls});
    add_buffer(nulls == 0 ? std::string_view() : validity);
  }

  /// The offsets from 0 on; returns which of the child's values they are.
  std::pair<std::int64_t, std::int64_t> add_offsets(const ArrowArray& from, std::int64_t first,
                                                    std::int64_t count) {
    std::vector<std::int32_t> offsets(static_cast<std::size_t>(count) + 1, 0);
    const auto* old = static_cast<const std::int32_t*>(from.buffers[1]) + first;
    const std::int32_t start = count > 0 ? old[0] : 0;
    for (std::size_t i = 1; i < offsets.size(); ++i) offsets[i] = old[i] - start;
    add_buffer({reinterpret_cast<const char*>(offsets.data()), offsets.size() * 4});
    return {start, start + offsets.back()};
  }

  void add_buffer(std::string_view buffer) {
    places.push_back(
        {static_cast<std::int64_t>(bytes.size()), static_cast<std::int64_t>(buffer.size())});
    bytes.append(buffer);
    bytes.resize((bytes.size() + 7) / 8 * 8, '\0');
  }
};

}  // namespace

std::string ipc_batch_message(const RecordBatch& batch) {
  const ArrowArray& whole = batch.arrow();
  Body body;
  for (std::size_t i = 0; i < batch.schema().size(); ++i) {
    const ArrowArray& column = *whole.children[i];
    body.add(batch.schema()[i].type, column, column.offset + whole.offset, whole.length);
  }
  flatbuffers::FlatBufferBuilder builder;
  const auto nodes = builder.CreateVectorOfStructs(body.nodes);
  const auto places = builder.CreateVectorOfStructs(body.places);
  const flatbuffers::uoffset_t start = builder.StartTable();
  builder.AddElement<std::int64_t>(ipc::slot(0), whole.length, 0);
  builder.AddOffset(ipc::slot(2), places);
  builder.AddOffset(ipc::slot(1), nodes);
  std::string message = ipc::framed(builder, ipc::HeaderKind::RecordBatch, builder.EndTable(start),
                                    static_cast<std::int64_t>(body.bytes.size()));
  message.append(body.bytes);
  return message;
}

}  // namespace millrace::columnar
