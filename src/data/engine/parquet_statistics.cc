#include "engine/parquet_statistics.h"

#include <algorithm>
#include <charconv>

namespace millrace::engine {

namespace {

using columnar::Kind;

std::optional<std::string> text_of(const std::map<std::string, std::string>& raw,
                                   const std::string& name) {
  auto found = raw.find(name);
  if (found == raw.end()) return std::nullopt;
  return found->second;
}

bool is_bound(Kind kind, const std::string& value) {
  switch (kind) {
    case Kind::Float32:
    case Kind::Float64:
      return value.find("inf") == std::string::npos && value.find("nan") == std::string::npos;
    case Kind::Date:
    case Kind::Timestamp:
    case Kind::TimestampNtz:
      return value.find("inf") == std::string::npos && value.find("(BC)") == std::string::npos;
    default:
      return kind != Kind::Binary && kind < Kind::List;
  }
}

std::optional<std::string> extreme(Kind kind, std::optional<std::string> value) {
  if (!value || !is_bound(kind, *value)) return std::nullopt;
  if (kind == Kind::Boolean && *value == "0") return "false";
  if (kind == Kind::Boolean && *value == "1") return "true";
  return value;
}

}  // namespace

std::optional<std::vector<std::string>> parse_column_path(std::string_view path) {
  std::vector<std::string> parts;
  std::size_t at = 0;
  while (at < path.size() && path[at] == '"') {
    std::string part;
    bool closed = false;
    for (++at; at < path.size() && !closed; ++at) {
      if (path[at] != '"') {
        part += path[at];
      } else if (at + 1 < path.size() && path[at + 1] == '"') {
        part += path[at++];
      } else {
        closed = true;
      }
    }
    if (!closed) return std::nullopt;
    parts.push_back(std::move(part));
    if (at == path.size()) return parts;
    if (path[at++] != '.') return std::nullopt;
  }
  return std::nullopt;
}

const columnar::DataType* type_at(const columnar::Schema& schema,
                                  const std::vector<std::string>& path) {
  const std::vector<columnar::Field>* fields = &schema.fields();
  const columnar::DataType* type = nullptr;
  for (const std::string& part : path) {
    if (type != nullptr) {
      if (type->kind != Kind::Struct) return nullptr;
      fields = &type->children;
    }
    auto field = std::ranges::find(*fields, part, &columnar::Field::name);
    if (field == fields->end()) return nullptr;
    type = &field->type;
  }
  return type == nullptr || type->is_nested() ? nullptr : type;
}

ColumnStatistics statistics_of(const columnar::DataType& type,
                               const std::map<std::string, std::string>& raw) {
  ColumnStatistics statistics;
  if (std::optional<std::string> nulls = text_of(raw, "null_count")) {
    std::int64_t count = 0;
    auto [end, error] = std::from_chars(nulls->data(), nulls->data() + nulls->size(), count);
    if (error == std::errc() && end == nulls->data() + nulls->size()) {
      statistics.null_count = count;
    }
  }
  statistics.has_nan = text_of(raw, "has_nan") == "true";
  if (statistics.has_nan) return statistics;
  statistics.min = extreme(type.kind, text_of(raw, "min"));
  statistics.max = extreme(type.kind, text_of(raw, "max"));
  return statistics;
}

}  // namespace millrace::engine
