#pragma once

// The FlatBuffers tables of Arrow's Message.fbs and Schema.fbs, as far as we use them, over the
// library's Table and Verifier: what flatc would generate, without a generator in the build. A table
// is read only after its verify() was true. For the .cc files of arrow_ipc.h alone.

#include <cstdint>
#include <cstring>

#include <flatbuffers/flatbuffers.h>

#include "columnar/schema.h"

namespace millrace::columnar::ipc {

/// Where a table's field number n stands in its vtable.
constexpr flatbuffers::voffset_t slot(int n) {
  return static_cast<flatbuffers::voffset_t>(4 + 2 * n);
}

enum class MetadataVersion : std::int16_t { V4 = 3, V5 = 4 };
enum class HeaderKind : std::uint8_t { None, Schema, DictionaryBatch, RecordBatch };

/// The members of the union Type that have a name here; 0..26 exist.
enum class TypeId : std::uint8_t {
  Int = 2,
  FloatingPoint = 3,
  Binary = 4,
  Utf8 = 5,
  Bool = 6,
  Decimal = 7,
  Date = 8,
  Timestamp = 10,
  List = 12,
  Struct = 13,
  Map = 17,
};
/// As Schema.fbs calls it, for messages: "Utf8View".
std::string_view type_name(std::uint8_t id);

namespace detail {
template <typename T>
bool verify_vector_of_tables(flatbuffers::Verifier& verifier,
                             const flatbuffers::Vector<flatbuffers::Offset<T>>* tables) {
  if (!verifier.VerifyVector(tables)) return false;
  for (flatbuffers::uoffset_t i = 0; tables != nullptr && i < tables->size(); ++i) {
    // Get() follows an offset, which must lead to a place in the buffer first.
    if (verifier.VerifyOffset(tables->Data() + i * sizeof(flatbuffers::uoffset_t), 0) == 0)
      return false;
    if (!tables->Get(i)->verify(verifier)) return false;
  }
  return true;
}
}  // namespace detail

/// Any member of the union Type: of each we need one or two numbers.
struct TypeTable : private flatbuffers::Table {
  std::int32_t bit_width(std::int32_t absent) const {
    return number(absent == 128 ? 2 : 0, absent);
  }
  bool is_signed() const { return GetField<std::uint8_t>(slot(1), 0) != 0; }
  std::int32_t precision() const { return number(0, 0); }
  std::int32_t scale() const { return number(1, 0); }
  /// FloatingPoint: half, single, double. Date: days, milliseconds. Timestamp: s, ms, us, ns.
  std::int16_t unit(std::int16_t absent) const { return GetField<std::int16_t>(slot(0), absent); }
  const flatbuffers::String* timezone() const {
    return GetPointer<const flatbuffers::String*>(slot(1));
  }

  bool verify(flatbuffers::Verifier& verifier, std::uint8_t id) const {
    return VerifyTableStart(verifier) && verify_fields(verifier, static_cast<TypeId>(id)) &&
           verifier.EndTable();
  }

 private:
  std::int32_t number(int field, std::int32_t absent) const {
    return GetField<std::int32_t>(slot(field), absent);
  }
  bool verify_fields(const flatbuffers::Verifier& verifier, TypeId id) const {
    switch (id) {
      case TypeId::Int:
        return VerifyField<std::int32_t>(verifier, slot(0), 4) &&
               VerifyField<std::uint8_t>(verifier, slot(1), 1);
      case TypeId::Decimal:
        return VerifyField<std::int32_t>(verifier, slot(0), 4) &&
               VerifyField<std::int32_t>(verifier, slot(1), 4) &&
               VerifyField<std::int32_t>(verifier, slot(2), 4);
      case TypeId::FloatingPoint:
      case TypeId::Date:
        return VerifyField<std::int16_t>(verifier, slot(0), 2);
      case TypeId::Timestamp:
        return VerifyField<std::int16_t>(verifier, slot(0), 2) && VerifyOffset(verifier, slot(1)) &&
               verifier.VerifyString(timezone());
      default:
        return true;
    }
  }
};

struct FieldTable : private flatbuffers::Table {
  using Children = flatbuffers::Vector<flatbuffers::Offset<FieldTable>>;

  const flatbuffers::String* name() const {
    return GetPointer<const flatbuffers::String*>(slot(0));
  }
  bool nullable() const { return GetField<std::uint8_t>(slot(1), 0) != 0; }
  std::uint8_t type_id() const { return GetField<std::uint8_t>(slot(2), 0); }
  const TypeTable* type() const { return GetPointer<const TypeTable*>(slot(3)); }
  bool is_dictionary() const { return CheckField(slot(4)); }
  const Children* children() const { return GetPointer<const Children*>(slot(5)); }

  bool verify(flatbuffers::Verifier& verifier) const {
    return VerifyTableStart(verifier) && VerifyOffset(verifier, slot(0)) &&
           verifier.VerifyString(name()) && VerifyField<std::uint8_t>(verifier, slot(1), 1) &&
           VerifyField<std::uint8_t>(verifier, slot(2), 1) && VerifyOffset(verifier, slot(3)) &&
           (type() == nullptr || type()->verify(verifier, type_id())) &&
           VerifyOffset(verifier, slot(5)) &&
           detail::verify_vector_of_tables(verifier, children()) && verifier.EndTable();
  }
};

struct SchemaTable : private flatbuffers::Table {
  bool is_big_endian() const { return GetField<std::int16_t>(slot(0), 0) != 0; }
  const FieldTable::Children* fields() const {
    return GetPointer<const FieldTable::Children*>(slot(1));
  }

  bool verify(flatbuffers::Verifier& verifier) const {
    return VerifyTableStart(verifier) && VerifyField<std::int16_t>(verifier, slot(0), 2) &&
           VerifyOffset(verifier, slot(1)) && detail::verify_vector_of_tables(verifier, fields()) &&
           verifier.EndTable();
  }
};

/// Rows and nulls of one array; the arrays stand in the order of the schema's fields, each before
/// its children.
struct FieldNode {
  std::int64_t length;
  std::int64_t null_count;
};
/// Where one buffer lies in the message's body.
struct BufferPlace {
  std::int64_t offset;
  std::int64_t length;
};

/// A vector of structs, copied out one by one: nothing says that hostile ones are aligned.
template <typename T>
class Structs {
 public:
  explicit Structs(const flatbuffers::Vector<const T*>* vector) : vector_(vector) {}
  std::size_t size() const { return vector_ == nullptr ? 0 : vector_->size(); }
  T operator[](std::size_t i) const {
    T value;
    std::memcpy(&value, vector_->Data() + i * sizeof(T), sizeof(T));
    return value;
  }

 private:
  const flatbuffers::Vector<const T*>* vector_;
};

struct BatchTable : private flatbuffers::Table {
  std::int64_t length() const { return GetField<std::int64_t>(slot(0), 0); }
  Structs<FieldNode> nodes() const { return Structs<FieldNode>(raw<FieldNode>(1)); }
  Structs<BufferPlace> buffers() const { return Structs<BufferPlace>(raw<BufferPlace>(2)); }
  bool is_compressed() const { return CheckField(slot(3)); }

  bool verify(flatbuffers::Verifier& verifier) const {
    return VerifyTableStart(verifier) && VerifyField<std::int64_t>(verifier, slot(0), 8) &&
           VerifyOffset(verifier, slot(1)) && verifier.VerifyVector(raw<FieldNode>(1)) &&
           VerifyOffset(verifier, slot(2)) && verifier.VerifyVector(raw<BufferPlace>(2)) &&
           verifier.EndTable();
  }

 private:
  template <typename T>
  const flatbuffers::Vector<const T*>* raw(int field) const {
    return GetPointer<const flatbuffers::Vector<const T*>*>(slot(field));
  }
};

struct MessageTable : private flatbuffers::Table {
  std::int16_t version() const { return GetField<std::int16_t>(slot(0), 0); }
  HeaderKind kind() const { return static_cast<HeaderKind>(GetField<std::uint8_t>(slot(1), 0)); }
  /// Precondition: kind() is that of the table.
  const SchemaTable* schema() const { return GetPointer<const SchemaTable*>(slot(2)); }
  const BatchTable* batch() const { return GetPointer<const BatchTable*>(slot(2)); }
  std::int64_t body_length() const { return GetField<std::int64_t>(slot(3), 0); }

  bool verify(flatbuffers::Verifier& verifier) const {
    return VerifyTableStart(verifier) && VerifyField<std::int16_t>(verifier, slot(0), 2) &&
           VerifyField<std::uint8_t>(verifier, slot(1), 1) && VerifyOffset(verifier, slot(2)) &&
           verify_header(verifier) && VerifyField<std::int64_t>(verifier, slot(3), 8) &&
           verifier.EndTable();
  }

 private:
  bool verify_header(flatbuffers::Verifier& verifier) const {
    if (kind() == HeaderKind::Schema) return schema() != nullptr && schema()->verify(verifier);
    if (kind() == HeaderKind::RecordBatch) return batch() != nullptr && batch()->verify(verifier);
    return true;
  }
};

/// The columns that a schema message says. Errors: Invalid, Unsupported; they name the column.
Result<Schema> schema_of(const SchemaTable& table);

/// FF FF FF FF, the length, and the metadata of a message whose header is finished in `builder`.
std::string framed(flatbuffers::FlatBufferBuilder& builder, HeaderKind kind,
                   flatbuffers::uoffset_t header, std::int64_t body_bytes);

}  // namespace millrace::columnar::ipc
