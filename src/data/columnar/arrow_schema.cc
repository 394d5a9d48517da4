// The schema of a table as the Arrow C data interface describes it, both ways.

#include <charconv>
#include <cstring>

#include <fmt/core.h>

#include "columnar/record_batch.h"

namespace millrace::columnar {

namespace {

constexpr int kDeepest = 64;
constexpr std::int64_t kMostChildren = 100'000;

/// What an ArrowSchema of ours points to; private_data owns it.
struct Description {
  std::string format;
  std::string name;
  std::vector<ArrowSchema> children;
  std::vector<ArrowSchema*> pointers;
};

void release_description(ArrowSchema* schema) {
  auto* description = static_cast<Description*>(schema->private_data);
  for (ArrowSchema& child : description->children) {
    if (child.release != nullptr) child.release(&child);
  }
  delete description;
  schema->release = nullptr;
}

std::string format_of(const DataType& type) {
  switch (type.kind) {
    case Kind::Boolean:
      return "b";
    case Kind::Int8:
      return "c";
    case Kind::Int16:
      return "s";
    case Kind::Int32:
      return "i";
    case Kind::Int64:
      return "l";
    case Kind::Float32:
      return "f";
    case Kind::Float64:
      return "g";
    case Kind::Decimal:
      return fmt::format("d:{},{}", type.precision, type.scale);
    case Kind::String:
      return "u";
    case Kind::Binary:
      return "z";
    case Kind::Date:
      return "tdD";
    case Kind::Timestamp:
      return "tsu:UTC";
    case Kind::TimestampNtz:
      return "tsu:";
    case Kind::List:
      return "+l";
    case Kind::Struct:
      return "+s";
    case Kind::Map:
      return "+m";
  }
  INVARIANT(false, "every kind has an Arrow format");
  return "";
}

ArrowSchema describe(const std::string& format, const std::string& name, bool nullable,
                     std::vector<ArrowSchema> children) {
  auto description = std::make_unique<Description>();
  description->format = format;
  description->name = name;
  description->children = std::move(children);
  for (ArrowSchema& child : description->children) description->pointers.push_back(&child);
  ArrowSchema schema{};
  schema.format = description->format.c_str();
  schema.name = description->name.c_str();
  schema.flags = nullable ? ARROW_FLAG_NULLABLE : 0;
  schema.n_children = static_cast<std::int64_t>(description->children.size());
  schema.children = description->pointers.data();
  schema.release = release_description;
  schema.private_data = description.release();
  return schema;
}

ArrowSchema describe(const Field& field) {
  std::vector<ArrowSchema> children;
  children.reserve(field.type.children.size());
  for (const Field& child : field.type.children) children.push_back(describe(child));
  if (field.type.kind == Kind::Map) {
    ArrowSchema entries = describe("+s", "entries", false, std::move(children));
    children.clear();
    children.push_back(entries);
  }
  return describe(format_of(field.type), field.name, field.nullable, std::move(children));
}

Result<DataType> type_from(const ArrowSchema& schema, const std::string& path, int depth);

Status check_description(const ArrowSchema& schema, const std::string& path, int depth) {
  auto invalid = [&](std::string_view what) {
    return Error(ErrorCode::Invalid, fmt::format("Arrow schema of {}: {}", path, what));
  };
  if (depth > kDeepest) return invalid(fmt::format("nested deeper than {} levels", kDeepest));
  if (schema.release == nullptr) return invalid("it was released already");
  if (schema.format == nullptr) return invalid("it has no format");
  if (schema.n_children < 0 || schema.n_children > kMostChildren) {
    return invalid(fmt::format("{} children", schema.n_children));
  }
  if (schema.n_children > 0 && schema.children == nullptr) return invalid("children are missing");
  for (std::int64_t i = 0; i < schema.n_children; ++i) {
    if (schema.children[i] == nullptr) return invalid("a child is missing");
  }
  return {};
}

Result<std::vector<Field>> fields_from(const ArrowSchema& schema, const std::string& path,
                                       int depth) {
  std::vector<Field> fields;
  for (std::int64_t i = 0; i < schema.n_children; ++i) {
    const ArrowSchema& child = *schema.children[i];
    std::string name = child.name == nullptr ? "" : child.name;
    std::string child_path =
        depth == 0 ? fmt::format("column '{}'", name) : fmt::format("{} field '{}'", path, name);
    DataType type = TRY(type_from(child, child_path, depth + 1));
    fields.push_back({std::move(name), std::move(type), (child.flags & ARROW_FLAG_NULLABLE) != 0});
  }
  return fields;
}

Error unsupported(const ArrowSchema& schema, const std::string& path) {
  return {ErrorCode::Unsupported,
          fmt::format("{} has the Arrow format '{}', which no type of a table has; cast it first",
                      path, std::string_view(schema.format).substr(0, 60))};
}

Result<DataType> decimal_from(const ArrowSchema& schema, const std::string& path) {
  std::string_view text = std::string_view(schema.format).substr(2);
  int numbers[3] = {0, 0, 128};
  const char* at = text.data();
  const char* end = text.data() + text.size();
  for (int i = 0; i < 3; ++i) {
    auto [next, error] = std::from_chars(at, end, numbers[i]);
    if (error != std::errc()) return unsupported(schema, path);
    at = next;
    if (at == end && i >= 1) break;
    if (at == end || *at != ',') return unsupported(schema, path);
    ++at;
  }
  if (at != end || numbers[2] != 128 || numbers[0] < 1 || numbers[0] > 38 || numbers[1] < 0 ||
      numbers[1] > numbers[0]) {
    return unsupported(schema, path);
  }
  return decimal(numbers[0], numbers[1]);
}

Result<DataType> map_from(const ArrowSchema& schema, const std::string& path, int depth) {
  const ArrowSchema& entries = *schema.children[0];
  TRY(check_description(entries, path, depth + 1));
  if (entries.n_children != 2) {
    return Error(ErrorCode::Invalid, fmt::format("Arrow schema of {}: a map's entries have two "
                                                 "children, found {}",
                                                 path, entries.n_children));
  }
  DataType key = TRY(type_from(*entries.children[0], path + " key", depth + 2));
  DataType value = TRY(type_from(*entries.children[1], path + " value", depth + 2));
  DataType type = map_of(std::move(key), std::move(value));
  type.children[1].nullable = (entries.children[1]->flags & ARROW_FLAG_NULLABLE) != 0;
  return type;
}

Result<DataType> nested_from(const ArrowSchema& schema, const std::string& path, int depth) {
  std::string_view format = schema.format;
  if (format == "+s") return struct_of(TRY(fields_from(schema, path, depth)));
  if (format != "+l" && format != "+m") return unsupported(schema, path);
  if (schema.n_children != 1) {
    return Error(ErrorCode::Invalid, fmt::format("Arrow schema of {}: expected one child, found {}",
                                                 path, schema.n_children));
  }
  if (format == "+m") return map_from(schema, path, depth);
  DataType type = list_of(TRY(type_from(*schema.children[0], path + " element", depth + 1)));
  type.children[0].nullable = (schema.children[0]->flags & ARROW_FLAG_NULLABLE) != 0;
  return type;
}

Result<DataType> type_from(const ArrowSchema& schema, const std::string& path, int depth) {
  TRY(check_description(schema, path, depth));
  std::string_view format = schema.format;
  if (schema.dictionary != nullptr) {
    return Error(ErrorCode::Unsupported,
                 fmt::format("{} is dictionary-encoded; send it decoded", path));
  }
  if (format.starts_with("d:")) return decimal_from(schema, path);
  if (format.starts_with("tsu:")) {
    return simple(format.size() > 4 ? Kind::Timestamp : Kind::TimestampNtz);
  }
  if (format.starts_with('+')) return nested_from(schema, path, depth);
  constexpr std::pair<std::string_view, Kind> plain[] = {
      {"b", Kind::Boolean}, {"c", Kind::Int8},    {"s", Kind::Int16},   {"i", Kind::Int32},
      {"l", Kind::Int64},   {"f", Kind::Float32}, {"g", Kind::Float64}, {"u", Kind::String},
      {"z", Kind::Binary},  {"tdD", Kind::Date},
  };
  for (const auto& [text, kind] : plain) {
    if (format == text) return simple(kind);
  }
  return unsupported(schema, path);
}

}  // namespace

ArrowSchemaHolder::ArrowSchemaHolder(const Schema& schema)
    : schema_(describe(Field{"", struct_of(schema.fields()), false})) {}

ArrowSchemaHolder::~ArrowSchemaHolder() {
  if (schema_.release != nullptr) schema_.release(&schema_);
}

Result<Schema> schema_from_arrow(const ArrowSchema& schema) {
  TRY(check_description(schema, "a table", 0));
  if (std::string_view(schema.format) != "+s") {
    return Error(ErrorCode::Invalid,
                 fmt::format("Arrow schema of a table: expected a struct of columns, found the "
                             "format '{}'",
                             std::string_view(schema.format).substr(0, 60)));
  }
  return Schema(TRY(fields_from(schema, "a table", 0)));
}

}  // namespace millrace::columnar
