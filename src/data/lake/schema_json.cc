#include "lake/schema_json.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/core.h>

namespace millrace::lake {

namespace {

using columnar::DataType;
using columnar::Field;
using columnar::Kind;

constexpr std::array<std::pair<std::string_view, Kind>, 12> kSimpleTypes = {{
    {"boolean", Kind::Boolean},
    {"byte", Kind::Int8},
    {"short", Kind::Int16},
    {"integer", Kind::Int32},
    {"long", Kind::Int64},
    {"float", Kind::Float32},
    {"double", Kind::Float64},
    {"string", Kind::String},
    {"binary", Kind::Binary},
    {"date", Kind::Date},
    {"timestamp", Kind::Timestamp},
    {"timestamp_ntz", Kind::TimestampNtz},
}};

constexpr std::string_view kPhysicalName = "delta.columnMapping.physicalName";
constexpr std::string_view kFieldId = "delta.columnMapping.id";

Error broken_schema(std::string_view message) {
  return {ErrorCode::Corruption, fmt::format("the table's schema: {}", message)};
}

/// "decimal", "decimal(10,2)"
Result<DataType> parse_decimal(std::string_view name) {
  int precision = 10;
  int scale = 0;
  if (name != "decimal") {
    const char* end = name.data() + name.size();
    const auto first =
        std::from_chars(name.data() + std::string_view("decimal(").size(), end, precision);
    const char* second = first.ptr;
    while (second < end && (*second == ',' || *second == ' ')) ++second;
    const auto last = std::from_chars(second, end, scale);
    const bool closed = last.ptr + 1 == end && *last.ptr == ')';
    if (first.ec != std::errc() || last.ec != std::errc() || !closed) {
      return broken_schema(fmt::format("'{}' is no type", name));
    }
  }
  if (precision < 1 || precision > 38 || scale < 0 || scale > precision) {
    return broken_schema(fmt::format("'{}' is out of range", name));
  }
  return columnar::decimal(precision, scale);
}

Result<DataType> parse_simple_type(std::string_view name) {
  const auto found =
      std::ranges::find(kSimpleTypes, name, &std::pair<std::string_view, Kind>::first);
  if (found != kSimpleTypes.end()) return columnar::simple(found->second);
  if (name == "decimal" || name.starts_with("decimal(")) return parse_decimal(name);
  return Error(ErrorCode::Unsupported, fmt::format("the type '{}' is not read", name));
}

/// A type as the table names its fields and as the files do.
struct TypePair {
  DataType logical;
  DataType stored;
};
struct FieldPair {
  Field logical;
  Field stored;
};

class Parser {
 public:
  explicit Parser(ColumnMapping mapping) : mapping_(mapping) {}

  Result<std::vector<FieldPair>> fields(const Json& structure) const {
    const Json& list = structure["fields"];
    if (!list.is_array()) return broken_schema("a struct without 'fields'");
    std::vector<FieldPair> fields;
    for (const Json& json : list.as_array()) {
      const std::string name = TRY(json.string_at("name"));
      fields.push_back(TRY_DOING(fmt::format("column '{}'", name), field(name, json)));
    }
    return fields;
  }

 private:
  Result<FieldPair> field(const std::string& name, const Json& json) const {
    TypePair types = TRY(type(json["type"]));
    const bool nullable = json.bool_or("nullable", true);
    std::string stored = name;
    if (mapping_ != ColumnMapping::None) {
      stored = json["metadata"].string_or(kPhysicalName, "");
      if (stored.empty()) return broken_schema(fmt::format("'{}' has no physical name", name));
    }
    return FieldPair{.logical = {name, std::move(types.logical), nullable},
                     .stored = {std::move(stored), std::move(types.stored), nullable}};
  }

  Result<TypePair> type(const Json& json) const {
    if (json.is_string()) {
      DataType simple = TRY(parse_simple_type(json.as_string()));
      return TypePair{simple, simple};
    }
    const std::string kind = TRY(json.string_at("type"));
    if (kind == "struct") return struct_type(json);
    if (kind == "array") return array_type(json);
    if (kind == "map") return map_type(json);
    return Error(ErrorCode::Unsupported, fmt::format("the type '{}' is not read", kind));
  }

  Result<TypePair> struct_type(const Json& json) const {
    TypePair pair{columnar::struct_of({}), columnar::struct_of({})};
    for (FieldPair& child : TRY(fields(json))) {
      pair.logical.children.push_back(std::move(child.logical));
      pair.stored.children.push_back(std::move(child.stored));
    }
    if (pair.logical.children.empty()) {
      return Error(ErrorCode::Unsupported, "a struct without fields is not read");
    }
    return pair;
  }

  Result<TypePair> array_type(const Json& json) const {
    TypePair element = TRY(type(json["elementType"]));
    TypePair pair{columnar::list_of(std::move(element.logical)),
                  columnar::list_of(std::move(element.stored))};
    const bool nullable = json.bool_or("containsNull", true);
    pair.logical.children[0].nullable = nullable;
    pair.stored.children[0].nullable = nullable;
    return pair;
  }

  Result<TypePair> map_type(const Json& json) const {
    TypePair key = TRY(type(json["keyType"]));
    TypePair value = TRY(type(json["valueType"]));
    TypePair pair{columnar::map_of(std::move(key.logical), std::move(value.logical)),
                  columnar::map_of(std::move(key.stored), std::move(value.stored))};
    const bool nullable = json.bool_or("valueContainsNull", true);
    pair.logical.children[1].nullable = nullable;
    pair.stored.children[1].nullable = nullable;
    return pair;
  }

  ColumnMapping mapping_;
};

Result<Json> parse_document(std::string_view text) {
  Result<Json> json = Json::parse(text);
  if (!json.ok()) return broken_schema(json.error().message());
  if (json->string_or("type", "") != "struct") return broken_schema("it is no struct");
  return json;
}

Json delta_json(const DataType& type);

Json delta_json(const Field& field) {
  return Json::object({{"name", field.name},
                       {"type", delta_json(field.type)},
                       {"nullable", field.nullable},
                       {"metadata", Json::object()}});
}

Json struct_json(const std::vector<Field>& fields) {
  Json list = Json::array();
  for (const Field& field : fields) list.push(delta_json(field));
  return Json::object({{"type", "struct"}, {"fields", std::move(list)}});
}

Json delta_json(const DataType& type) {
  switch (type.kind) {
    case Kind::Decimal:
      return fmt::format("decimal({},{})", type.precision, type.scale);
    case Kind::List:
      return Json::object({{"type", "array"},
                           {"elementType", delta_json(type.children[0].type)},
                           {"containsNull", type.children[0].nullable}});
    case Kind::Struct:
      return struct_json(type.children);
    case Kind::Map:
      return Json::object({{"type", "map"},
                           {"keyType", delta_json(type.children[0].type)},
                           {"valueType", delta_json(type.children[1].type)},
                           {"valueContainsNull", type.children[1].nullable}});
    default:
      break;
  }
  const auto found =
      std::ranges::find(kSimpleTypes, type.kind, &std::pair<std::string_view, Kind>::second);
  INVARIANT(found != kSimpleTypes.end(), "every kind that is not nested has a name in the log");
  return found->first;
}

void find_rules(const Json& field, const std::string& path, std::vector<std::string>& rules);

/// Looks through a type for the fields of structs in it.
void find_rules_in_type(const Json& type, const std::string& path,
                        std::vector<std::string>& rules) {
  for (const std::string_view part : {"elementType", "keyType", "valueType"}) {
    if (const Json* inner = type.find(part)) find_rules_in_type(*inner, path, rules);
  }
  const Json& fields = type["fields"];
  if (!fields.is_array()) return;
  for (const Json& field : fields.as_array()) {
    const std::string name = field.string_or("name", "");
    find_rules(field, path.empty() ? name : path + "." + name, rules);
  }
}

void find_rules(const Json& field, const std::string& path, std::vector<std::string>& rules) {
  const Json& metadata = field["metadata"];
  if (const Json* expression = metadata.find("delta.generationExpression")) {
    rules.push_back(fmt::format("column '{}' is generated as {}", path, expression->dump()));
  }
  if (metadata.contains("delta.identity.start")) {
    rules.push_back(fmt::format("column '{}' is an identity column", path));
  }
  if (const Json* invariant = metadata.find("delta.invariants")) {
    rules.push_back(fmt::format("column '{}' has the invariant {}", path, invariant->dump()));
  }
  find_rules_in_type(field["type"], path, rules);
}

/// "not null" inside of other values: the statistics of a file do not tell whether it holds.
void find_nested_not_null(const DataType& type, const std::string& path,
                          std::vector<std::string>& rules) {
  for (std::size_t i = 0; i < type.children.size(); ++i) {
    const Field& child = type.children[i];
    const std::string name = fmt::format("{}.{}", path, child.name);
    const bool is_key = type.kind == Kind::Map && i == 0;  // never null by itself
    if (!child.nullable && !is_key) rules.push_back(fmt::format("'{}' may not be null", name));
    find_nested_not_null(child.type, name, rules);
  }
}

}  // namespace

Result<TableSchema> parse_schema(std::string_view json, ColumnMapping mapping) {
  const Json document = TRY(parse_document(json));
  std::vector<FieldPair> fields = TRY(Parser(mapping).fields(document));
  TableSchema schema;
  std::vector<Field> logical;
  for (FieldPair& field : fields) {
    logical.push_back(std::move(field.logical));
    schema.stored.push_back(std::move(field.stored));
  }
  schema.columns = columnar::Schema(std::move(logical));
  if (mapping != ColumnMapping::Id) return schema;
  for (const Json& field : document["fields"].as_array()) {
    const std::int64_t id = field["metadata"].integer_or(kFieldId, -1);
    if (id < 0)
      return broken_schema(fmt::format("column '{}' has no id", field.string_or("name", "")));
    schema.field_ids.emplace_back(id);
  }
  return schema;
}

std::string schema_json(const columnar::Schema& schema) {
  return struct_json(schema.fields()).dump();
}

Result<std::string> add_columns(std::string_view json, std::span<const Field> columns) {
  Json document = TRY(parse_document(json));
  Json fields = document["fields"];
  if (!fields.is_array()) return broken_schema("a struct without 'fields'");
  for (const Field& column : columns) fields.push(delta_json(column));
  document.set("fields", std::move(fields));
  return document.dump();
}

Result<std::vector<std::string>> unmet_column_rules(std::string_view json) {
  const Json document = TRY(parse_document(json));
  std::vector<std::string> rules;
  find_rules_in_type(document, "", rules);
  const std::vector<FieldPair> fields = TRY(Parser(ColumnMapping::None).fields(document));
  for (const FieldPair& field : fields) {
    if (field.logical.type.is_nested() && !field.logical.nullable) {
      rules.push_back(fmt::format("column '{}' may not be null", field.logical.name));
    }
    find_nested_not_null(field.logical.type, field.logical.name, rules);
  }
  return rules;
}

}  // namespace millrace::lake
