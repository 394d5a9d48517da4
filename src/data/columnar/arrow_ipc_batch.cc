// A record batch's message as a batch.

#include <array>
#include <limits>

#include <fmt/core.h>

#include "base/utf8.h"
#include "columnar/arrow_ipc_body.h"
#include "columnar/value_width.h"

namespace millrace::columnar::ipc {
namespace {

Error invalid(std::string message) {
  return {ErrorCode::Invalid, std::move(message)};
}

/// What one array of a batch points to; its private_data.
struct Part {
  explicit Part(std::shared_ptr<const Body> its_body) : body(std::move(its_body)) {}
  Part(const Part&) = delete;
  Part& operator=(const Part&) = delete;
  ~Part() {
    for (ArrowArray& child : children)
      if (child.release != nullptr) child.release(&child);
  }

  std::shared_ptr<const Body> body;
  const void* buffers[3] = {nullptr, nullptr, nullptr};
  std::vector<ArrowArray> children;
  std::vector<ArrowArray*> pointers;
};

ArrowArray array_of(std::unique_ptr<Part> part, FieldNode node, std::int64_t buffers) {
  for (ArrowArray& child : part->children) part->pointers.push_back(&child);
  ArrowArray array{};
  array.length = node.length;
  array.null_count = node.null_count;
  array.n_buffers = buffers;
  array.buffers = part->buffers;
  array.n_children = static_cast<std::int64_t>(part->children.size());
  array.children = part->pointers.data();
  array.release = [](ArrowArray* released) {
    delete static_cast<Part*>(released->private_data);
    released->release = nullptr;
  };
  array.private_data = part.release();
  return array;
}

/// A column of text whose characters are looked at once the offsets are known to be in order.
struct TextToCheck {
  std::string path;
  const std::uint8_t* validity;  // or null
  const std::int32_t* offsets;
  const char* text;
  std::int64_t rows;

  Status check() const {
    if (rows == 0) return {};
    const std::int32_t last = offsets[rows];
    const bool whole = is_utf8({text + offsets[0], static_cast<std::size_t>(last - offsets[0])});
    const auto parts_characters = [&](std::int32_t at) {
      return at == last || (text[at] & 0xC0) != 0x80;
    };
    for (std::int64_t row = 0; row < rows; ++row) {
      // Within text that is UTF-8 as a whole, what lies between two characters is, too.
      if (whole && parts_characters(offsets[row]) && parts_characters(offsets[row + 1])) continue;
      // What stands under a null is no one's.
      if (validity != nullptr && (validity[row / 8] >> (row % 8) & 1) == 0) continue;
      if (!is_utf8(
              {text + offsets[row], static_cast<std::size_t>(offsets[row + 1] - offsets[row])}))
        return invalid(fmt::format("{}: the text of row {} is not UTF-8", path, row));
    }
    return {};
  }
};

/// Makes one batch's arrays out of its table and its body. Nothing of the table is believed.
class BatchReading {
 public:
  BatchReading(const BatchTable& table, std::shared_ptr<const Body> body)
      : nodes_(table.nodes()), places_(table.buffers()), body_(std::move(body)) {}

  Result<RecordBatch> read(const std::shared_ptr<const Schema>& schema, std::int64_t rows) {
    auto part = std::make_unique<Part>(body_);
    for (const Field& field : schema->fields())
      part->children.push_back(TRY(array("column '" + field.name + "'", field.type, rows)));
    if (next_node_ != nodes_.size() || next_place_ != places_.size())
      return invalid(fmt::format("it describes {} arrays of {} buffers, its columns are {} of {}",
                                 nodes_.size(), places_.size(), next_node_, next_place_));
    RecordBatch batch = TRY(RecordBatch::adopt(
        schema, array_of(std::move(part), {.length = rows, .null_count = 0}, 1)));
    for (const TextToCheck& text : texts_) TRY(text.check());
    return batch;
  }

 private:
  Result<FieldNode> next_node(const std::string& path, std::int64_t rows) {
    if (next_node_ == nodes_.size()) return invalid(path + ": nothing describes it");
    const FieldNode node = nodes_[next_node_++];
    if (node.length != rows)
      return invalid(fmt::format("{} has {} rows, expected {}", path, node.length, rows));
    if (node.null_count < 0 || node.null_count > node.length)
      return invalid(fmt::format("{} has {} nulls in {} rows", path, node.null_count, node.length));
    return node;
  }

  /// The next buffer, of at least `needed` bytes, of `what` (its "values").
  Result<std::string_view> next_buffer(const std::string& path, std::string_view what,
                                       std::int64_t needed) {
    if (next_place_ == places_.size())
      return invalid(fmt::format("{}: its {} are missing", path, what));
    const BufferPlace place = places_[next_place_++];
    if (place.offset < 0 || place.length < 0 || place.offset > body_->size ||
        place.length > body_->size - place.offset || place.offset % 8 != 0)
      return invalid(fmt::format("{}: {} bytes of {} at byte {} are not in a body of {}", path,
                                 place.length, what, place.offset, body_->size));
    if (place.length < needed)
      return invalid(
          fmt::format("{}: its {} have {} bytes, expected {}", path, what, place.length, needed));
    // Of an empty buffer the address alone counts.
    alignas(8) static constexpr std::array<char, 8> nothing{};
    const char* data = place.length == 0 ? nothing.data() : body_->bytes.data() + place.offset;
    return std::string_view(data, static_cast<std::size_t>(place.length));
  }

  Status read_validity(Part& part, const std::string& path, FieldNode node) {
    const auto bits =
        TRY(next_buffer(path, "validity bits", node.null_count == 0 ? 0 : (node.length + 7) / 8));
    if (node.null_count > 0) part.buffers[0] = bits.data();
    return {};
  }

  Result<ArrowArray> array(const std::string& path, const DataType& type, std::int64_t rows) {
    const FieldNode node = TRY(next_node(path, rows));
    auto part = std::make_unique<Part>(body_);
    TRY(read_validity(*part, path, node));
    switch (type.kind) {
      case Kind::Struct:
        TRY(read_fields(*part, path, type, rows));
        break;
      case Kind::String:
      case Kind::Binary:
        TRY(read_text(*part, path, type, rows));
        break;
      case Kind::List:
      case Kind::Map:
        TRY(read_elements(*part, path, type, rows));
        break;
      case Kind::Boolean:
        part->buffers[1] = TRY(next_buffer(path, "values", (rows + 7) / 8)).data();
        break;
      default:
        part->buffers[1] =
            TRY(next_buffer(path, "values", rows * static_cast<std::int64_t>(width_of(type.kind))))
                .data();
    }
    const bool text = type.kind == Kind::String || type.kind == Kind::Binary;
    const std::int64_t buffers = text ? 3 : type.kind == Kind::Struct ? 1 : 2;
    return array_of(std::move(part), node, buffers);
  }

  Status read_fields(Part& part, const std::string& path, const DataType& type, std::int64_t rows) {
    for (const Field& field : type.children)
      part.children.push_back(TRY(array(path + " field '" + field.name + "'", field.type, rows)));
    return {};
  }

  /// Returns the last offset: how much of the child there must be. That they go up and begin at no
  /// negative one is looked at when the batch is adopted.
  Result<std::int64_t> read_offsets(Part& part, const std::string& path, std::int64_t rows) {
    const auto bytes = TRY(next_buffer(path, "offsets", rows == 0 ? 0 : (rows + 1) * 4));
    part.buffers[1] = bytes.data();
    std::int32_t last = 0;
    if (rows > 0) std::memcpy(&last, bytes.data() + rows * 4, 4);
    if (last < 0) return invalid(path + ": an offset is negative");
    return last;
  }

  Status read_text(Part& part, const std::string& path, const DataType& type, std::int64_t rows) {
    const std::int64_t needed = TRY(read_offsets(part, path, rows));
    part.buffers[2] = TRY(next_buffer(path, "characters", needed)).data();
    if (type.kind == Kind::String)
      texts_.push_back({path, static_cast<const std::uint8_t*>(part.buffers[0]),
                        static_cast<const std::int32_t*>(part.buffers[1]),
                        static_cast<const char*>(part.buffers[2]), rows});
    return {};
  }

  /// The elements may be more than the offsets say; their own count is what they have.
  Status read_elements(Part& part, const std::string& path, const DataType& type,
                       std::int64_t rows) {
    const std::int64_t needed = TRY(read_offsets(part, path, rows));
    const std::int64_t found = next_node_ < nodes_.size() ? nodes_[next_node_].length : needed;
    if (found < needed || found > std::numeric_limits<std::int32_t>::max())
      return invalid(fmt::format("{}: its elements are {}, expected {}", path, found, needed));
    DataType entries;
    if (type.kind == Kind::Map) entries = struct_of(type.children);
    const DataType& element = type.kind == Kind::Map ? entries : type.children[0].type;
    part.children.push_back(TRY(array(path + " element", element, found)));
    return {};
  }

  Structs<FieldNode> nodes_;
  Structs<BufferPlace> places_;
  std::shared_ptr<const Body> body_;
  std::size_t next_node_ = 0;
  std::size_t next_place_ = 0;
  std::vector<TextToCheck> texts_;
};

}  // namespace

Result<RecordBatch> read_batch(const BatchTable& table, std::int64_t rows,
                               std::shared_ptr<const Body> body,
                               const std::shared_ptr<const Schema>& schema) {
  return BatchReading(table, std::move(body)).read(schema, rows);
}

}  // namespace millrace::columnar::ipc
