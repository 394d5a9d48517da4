// The schema of a stream, both ways.

#include <array>

#include <fmt/core.h>

#include "base/utf8.h"
#include "columnar/arrow_ipc.h"
#include "columnar/arrow_ipc_tables.h"

namespace millrace::columnar {
namespace ipc {

namespace fb = flatbuffers;

std::string_view type_name(std::uint8_t id) {
  constexpr std::array<std::string_view, 27> names = {
      "none",          "Null",      "Int",           "FloatingPoint",
      "Binary",        "Utf8",      "Bool",          "Decimal",
      "Date",          "Time",      "Timestamp",     "Interval",
      "List",          "Struct",    "Union",         "FixedSizeBinary",
      "FixedSizeList", "Map",       "Duration",      "LargeBinary",
      "LargeUtf8",     "LargeList", "RunEndEncoded", "BinaryView",
      "Utf8View",      "ListView",  "LargeListView"};
  return id < names.size() ? names[id] : "unknown";
}

std::string framed(fb::FlatBufferBuilder& builder, HeaderKind kind, fb::uoffset_t header,
                   std::int64_t body_bytes) {
  const fb::uoffset_t start = builder.StartTable();
  builder.AddElement<std::int64_t>(slot(3), body_bytes, 0);
  builder.AddOffset(slot(2), fb::Offset<void>(header));
  builder.AddElement<std::int16_t>(slot(0), static_cast<std::int16_t>(MetadataVersion::V5), 0);
  builder.AddElement<std::uint8_t>(slot(1), static_cast<std::uint8_t>(kind), 0);
  builder.Finish(fb::Offset<MessageTable>(builder.EndTable(start)));
  std::string message(8, '\xFF');
  message.append(reinterpret_cast<const char*>(builder.GetBufferPointer()), builder.GetSize());
  message.resize((message.size() + 7) / 8 * 8, '\0');
  const auto metadata_bytes = static_cast<std::int32_t>(message.size() - 8);
  std::memcpy(message.data() + 4, &metadata_bytes, 4);
  return message;
}

namespace {

// ---- a schema of ours as tables

TypeId id_of(Kind kind) {
  switch (kind) {
    case Kind::Boolean:
      return TypeId::Bool;
    case Kind::Int8:
    case Kind::Int16:
    case Kind::Int32:
    case Kind::Int64:
      return TypeId::Int;
    case Kind::Float32:
    case Kind::Float64:
      return TypeId::FloatingPoint;
    case Kind::Decimal:
      return TypeId::Decimal;
    case Kind::String:
      return TypeId::Utf8;
    case Kind::Binary:
      return TypeId::Binary;
    case Kind::Date:
      return TypeId::Date;
    case Kind::Timestamp:
    case Kind::TimestampNtz:
      return TypeId::Timestamp;
    case Kind::List:
      return TypeId::List;
    case Kind::Struct:
      return TypeId::Struct;
    case Kind::Map:
      return TypeId::Map;
  }
  INVARIANT(false, "every kind has an Arrow type");
  return TypeId::Utf8;
}

std::int32_t bits_of(Kind kind) {
  return 8 << (static_cast<int>(kind) - static_cast<int>(Kind::Int8));
}

fb::uoffset_t add_type(fb::FlatBufferBuilder& builder, const DataType& type) {
  constexpr std::int16_t kSingle = 1, kDouble = 2, kDays = 0, kMicroseconds = 2;
  fb::Offset<fb::String> zone;
  if (type.kind == Kind::Timestamp) zone = builder.CreateString("UTC");
  const fb::uoffset_t start = builder.StartTable();
  switch (id_of(type.kind)) {
    case TypeId::Int:
      builder.AddElement<std::int32_t>(slot(0), bits_of(type.kind), 0);
      builder.AddElement<std::uint8_t>(slot(1), 1, 0);
      break;
    case TypeId::FloatingPoint:
      builder.AddElement<std::int16_t>(slot(0), type.kind == Kind::Float32 ? kSingle : kDouble, 0);
      break;
    case TypeId::Decimal:
      builder.AddElement<std::int32_t>(slot(0), type.precision, 0);
      builder.AddElement<std::int32_t>(slot(1), type.scale, 0);
      break;
    case TypeId::Date:
      builder.AddElement<std::int16_t>(slot(0), kDays, 1);
      break;
    case TypeId::Timestamp:
      if (!zone.IsNull()) builder.AddOffset(slot(1), zone);
      builder.AddElement<std::int16_t>(slot(0), kMicroseconds, 0);
      break;
    default:
      break;
  }
  return builder.EndTable(start);
}

fb::Offset<FieldTable> add_field(fb::FlatBufferBuilder& builder, const Field& field);

fb::Offset<FieldTable> add_field(fb::FlatBufferBuilder& builder, std::string_view name,
                                 bool nullable, const DataType& type,
                                 const std::vector<fb::Offset<FieldTable>>& children) {
  const auto children_at = builder.CreateVector(children);
  const auto name_at = builder.CreateString(name.data(), name.size());
  const fb::uoffset_t type_at = add_type(builder, type);
  const fb::uoffset_t start = builder.StartTable();
  builder.AddOffset(slot(5), children_at);
  builder.AddOffset(slot(3), fb::Offset<void>(type_at));
  builder.AddOffset(slot(0), name_at);
  builder.AddElement<std::uint8_t>(slot(2), static_cast<std::uint8_t>(id_of(type.kind)), 0);
  builder.AddElement<std::uint8_t>(slot(1), nullable ? 1 : 0, 0);
  return {builder.EndTable(start)};
}

fb::Offset<FieldTable> add_field(fb::FlatBufferBuilder& builder, const Field& field) {
  std::vector<fb::Offset<FieldTable>> children;
  for (const Field& child : field.type.children) children.push_back(add_field(builder, child));
  if (field.type.kind == Kind::Map)
    children = {add_field(builder, "entries", false, simple(Kind::Struct), children)};
  return add_field(builder, field.name, field.nullable, field.type, children);
}

// ---- tables as a schema of ours

std::string_view text_of(const fb::String* text) {
  return text == nullptr ? std::string_view() : std::string_view(text->c_str(), text->size());
}

std::size_t children_in(const FieldTable& field) {
  return field.children() == nullptr ? 0 : field.children()->size();
}

class SchemaReading {
 public:
  Result<std::vector<Field>> fields(const FieldTable::Children* tables, const std::string& path) {
    std::vector<Field> fields;
    for (fb::uoffset_t i = 0; tables != nullptr && i < tables->size(); ++i) {
      const FieldTable& table = *tables->Get(i);
      const std::string_view name = text_of(table.name());
      if (!is_utf8(name) || name.find('\0') != std::string_view::npos)
        return Error(ErrorCode::Invalid,
                     fmt::format("the name of {} {} is no text",
                                 path.empty() ? "column" : path + " field", i + 1));
      const std::string its_path = path.empty() ? fmt::format("column '{}'", name)
                                                : fmt::format("{} field '{}'", path, name);
      DataType type = TRY(type_of(table, its_path));
      fields.push_back({std::string(name), std::move(type), table.nullable()});
    }
    return fields;
  }

 private:
  static Error unsupported(const FieldTable& field, const std::string& path) {
    return {ErrorCode::Unsupported,
            fmt::format("{} has the Arrow type {}{}, which no type of a table has; cast it first",
                        path, type_name(field.type_id()), details(field))};
  }

  /// What of its type is not ours, where a type's name alone does not say it.
  static std::string details(const FieldTable& field) {
    const TypeTable* type = field.type();
    if (type == nullptr) return " without its details";
    switch (static_cast<TypeId>(field.type_id())) {
      case TypeId::Int:
        return fmt::format(" of {} bits{}", type->bit_width(0),
                           type->is_signed() ? "" : ", unsigned");
      case TypeId::FloatingPoint:
        return " of half precision";
      case TypeId::Decimal:
        return fmt::format("({},{}) of {} bits", type->precision(), type->scale(),
                           type->bit_width(128));
      case TypeId::Date:
        return " in milliseconds";
      case TypeId::Timestamp:
        return " in other units than microseconds";
      default:
        return "";
    }
  }

  Result<DataType> type_of(const FieldTable& field, const std::string& path) {
    if (field.is_dictionary())
      return Error(ErrorCode::Unsupported, path + " is dictionary-encoded; send it decoded");
    if (field.type() == nullptr) return unsupported(field, path);
    if (const auto plain = plain_type_of(field)) return *plain;
    switch (static_cast<TypeId>(field.type_id())) {
      case TypeId::Struct:
        return struct_of(TRY(fields(field.children(), path)));
      case TypeId::List:
        return list_from(field, path);
      case TypeId::Map:
        return map_from(field, path);
      default:
        return unsupported(field, path);
    }
  }

  static std::optional<DataType> plain_type_of(const FieldTable& field) {
    const TypeTable& type = *field.type();
    switch (static_cast<TypeId>(field.type_id())) {
      case TypeId::Bool:
        return simple(Kind::Boolean);
      case TypeId::Utf8:
        return simple(Kind::String);
      case TypeId::Binary:
        return simple(Kind::Binary);
      case TypeId::Int:
        for (const Kind kind : {Kind::Int8, Kind::Int16, Kind::Int32, Kind::Int64})
          if (type.is_signed() && type.bit_width(0) == bits_of(kind)) return simple(kind);
        return std::nullopt;
      case TypeId::FloatingPoint:
        if (type.unit(0) == 1) return simple(Kind::Float32);
        if (type.unit(0) == 2) return simple(Kind::Float64);
        return std::nullopt;
      case TypeId::Decimal:
        if (type.bit_width(128) != 128 || type.precision() < 1 || type.precision() > 38 ||
            type.scale() < 0 || type.scale() > type.precision())
          return std::nullopt;
        return decimal(type.precision(), type.scale());
      case TypeId::Date:
        return type.unit(1) == 0 ? std::optional(simple(Kind::Date)) : std::nullopt;
      case TypeId::Timestamp:
        if (type.unit(0) != 2) return std::nullopt;
        return simple(text_of(type.timezone()).empty() ? Kind::TimestampNtz : Kind::Timestamp);
      default:
        return std::nullopt;
    }
  }

  Result<DataType> list_from(const FieldTable& field, const std::string& path) {
    if (children_in(field) != 1)
      return Error(ErrorCode::Invalid,
                   fmt::format("{}: a list has one child, found {}", path, children_in(field)));
    const FieldTable& element = *field.children()->Get(0);
    DataType type = list_of(TRY(type_of(element, path + " element")));
    type.children[0].nullable = element.nullable();
    return type;
  }

  Result<DataType> map_from(const FieldTable& field, const std::string& path) {
    const FieldTable* entries = children_in(field) == 1 ? field.children()->Get(0) : nullptr;
    if (entries == nullptr || static_cast<TypeId>(entries->type_id()) != TypeId::Struct ||
        children_in(*entries) != 2)
      return Error(ErrorCode::Invalid, path + ": a map has one child, a struct of key and value");
    DataType key = TRY(type_of(*entries->children()->Get(0), path + " key"));
    DataType value = TRY(type_of(*entries->children()->Get(1), path + " value"));
    DataType type = map_of(std::move(key), std::move(value));
    type.children[1].nullable = entries->children()->Get(1)->nullable();
    return type;
  }
};

}  // namespace

Result<Schema> schema_of(const SchemaTable& table) {
  if (table.is_big_endian())
    return Error(ErrorCode::Unsupported, "its values are big-endian; send them little-endian");
  return Schema(TRY(SchemaReading().fields(table.fields(), "")));
}

}  // namespace ipc

std::string ipc_schema_message(const Schema& schema) {
  flatbuffers::FlatBufferBuilder builder;
  std::vector<flatbuffers::Offset<ipc::FieldTable>> fields;
  for (const Field& field : schema.fields()) fields.push_back(ipc::add_field(builder, field));
  const auto fields_at = builder.CreateVector(fields);
  const flatbuffers::uoffset_t start = builder.StartTable();
  builder.AddOffset(ipc::slot(1), fields_at);
  return ipc::framed(builder, ipc::HeaderKind::Schema, builder.EndTable(start), 0);
}

}  // namespace millrace::columnar
