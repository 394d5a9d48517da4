#include "lake/statistics.h"

#include <algorithm>

#include <fmt/core.h>

#include "base/time.h"
#include "lake/value.h"

namespace millrace::lake {

namespace {

using columnar::Field;
using columnar::Kind;
using columnar::Schema;

constexpr std::size_t kCharacters = 32;
constexpr char32_t kLastCharacter = 0x10FFFF;

bool continues_character(char byte) {
  return (static_cast<unsigned char>(byte) & 0xC0U) == 0x80U;
}

/// Where character number `count` begins, or the end. The text is UTF-8.
std::size_t offset_of(std::string_view text, std::size_t count) {
  std::size_t at = 0;
  for (; at < text.size(); ++at) {
    if (continues_character(text[at])) continue;
    if (count-- == 0) break;
  }
  return at;
}

char32_t decode_character(std::string_view bytes) {
  const auto first = static_cast<unsigned char>(bytes[0]);
  if (bytes.size() == 1) return first;
  char32_t code = first & (0xFFU >> (bytes.size() + 1));
  for (const char byte : bytes.substr(1)) {
    code = code << 6U | (static_cast<unsigned char>(byte) & 0x3FU);
  }
  return code;
}

std::string encode_character(char32_t code) {
  const auto tail = [&](unsigned shift) {
    return static_cast<char>(0x80U | (code >> shift & 0x3FU));
  };
  if (code < 0x80) return {static_cast<char>(code)};
  if (code < 0x800) return {static_cast<char>(0xC0U | code >> 6U), tail(0)};
  if (code < 0x10000) return {static_cast<char>(0xE0U | code >> 12U), tail(6), tail(0)};
  return {static_cast<char>(0xF0U | code >> 18U), tail(12), tail(6), tail(0)};
}

/// "2013-12-01T05:00:00.250Z", the zone as given.
std::optional<std::string> moment_json(const std::string& text, const columnar::DataType& type,
                                       bool round_up) {
  const std::optional<Value> value = parse_value(type, text);
  if (!value) return std::nullopt;
  const Instant instant{Duration(static_cast<std::int64_t>(std::get<WideInteger>(*value)))};
  using std::chrono::milliseconds;
  const auto whole = round_up ? std::chrono::ceil<milliseconds>(instant)
                              : std::chrono::floor<milliseconds>(instant);
  const auto seconds = std::chrono::floor<std::chrono::seconds>(whole);
  std::string moment = format_instant(seconds);  // "2013-12-01T05:00:00Z"
  moment.pop_back();
  if (moment.size() != std::string_view("2013-12-01T05:00:00").size()) return std::nullopt;
  return Json(fmt::format("{}.{:03}{}", moment, (whole - seconds).count(),
                          type.kind == Kind::Timestamp ? "Z" : ""))
      .dump();
}

enum class Bound { Min, Max };

/// The JSON of an extreme, or nothing when the column has none that the log can hold.
std::optional<std::string> extreme_json(const std::optional<std::string>& text,
                                        const columnar::DataType& type, Bound bound) {
  if (!text) return std::nullopt;
  switch (type.kind) {
    case Kind::Int8:
    case Kind::Int16:
    case Kind::Int32:
    case Kind::Int64:
    case Kind::Float32:
    case Kind::Float64:
    case Kind::Decimal:
      // As JSON writes numbers; a float that is no number or infinite has none.
      return text->find_first_not_of("+-.0123456789eE") == text->npos ? text : std::nullopt;
    case Kind::String: {
      if (bound == Bound::Min) return Json(cut_below(*text, kCharacters)).dump();
      const std::optional<std::string> above = cut_above(*text, kCharacters);
      return above ? std::optional(Json(*above).dump()) : std::nullopt;
    }
    case Kind::Date:
      return parse_value(type, *text) ? std::optional(Json(*text).dump()) : std::nullopt;
    case Kind::Timestamp:
    case Kind::TimestampNtz:
      return moment_json(*text, type, bound == Bound::Max);
    default:
      return std::nullopt;
  }
}

/// One of the three trees of the document, built beside the schema.
class Tree {
 public:
  void leaf(const std::string& name, const std::optional<std::string>& json) {
    if (!json) return;
    text_ += fmt::format("{}{}:{}", text_.empty() ? "" : ",", Json(name).dump(), *json);
  }
  void branch(const std::string& name, const Tree& tree) {
    if (!tree.text_.empty()) leaf(name, tree.json());
  }
  std::string json() const { return "{" + text_ + "}"; }

 private:
  std::string text_;
};

struct Trees {
  Tree min;
  Tree max;
  Tree nulls;
};

class Collector {
 public:
  Collector(const engine::WrittenFile& file, int limit) : file_(file), left_(limit) {}

  void add(const Field& field, const std::string& path, Trees& into) {
    if (field.type.kind == Kind::Struct) {
      Trees inside;
      for (const Field& child : field.type.children) add(child, path + "." + child.name, inside);
      into.min.branch(field.name, inside.min);
      into.max.branch(field.name, inside.max);
      into.nulls.branch(field.name, inside.nulls);
      return;
    }
    if (left_ == 0) return;
    if (left_ > 0) --left_;
    const auto found = file_.statistics.find(path);
    if (found == file_.statistics.end()) return;
    const engine::ColumnStatistics& column = found->second;
    if (!column.has_nan) {
      into.min.leaf(field.name, extreme_json(column.min, field.type, Bound::Min));
      into.max.leaf(field.name, extreme_json(column.max, field.type, Bound::Max));
    }
    if (column.null_count) into.nulls.leaf(field.name, std::to_string(*column.null_count));
  }

 private:
  const engine::WrittenFile& file_;
  int left_;  // negative: no limit
};

}  // namespace

FileStatistics FileStatistics::parse(std::string_view text) {
  FileStatistics statistics;
  Result<Json> json = Json::parse(text);
  if (json.ok() && json->is_object()) statistics.json_ = *std::move(json);
  return statistics;
}

std::optional<std::int64_t> FileStatistics::row_count() const {
  const Json& count = json_["numRecords"];
  return count.is_integer() ? std::optional(count.as_integer()) : std::nullopt;
}

std::optional<std::int64_t> FileStatistics::null_count(std::string_view column) const {
  const Json& count = json_["nullCount"][column];
  return count.is_integer() ? std::optional(count.as_integer()) : std::nullopt;
}

std::string cut_below(std::string_view text, std::size_t characters) {
  return std::string(text.substr(0, offset_of(text, characters)));
}

std::optional<std::string> cut_above(std::string_view text, std::size_t characters) {
  std::string cut = cut_below(text, characters);
  if (cut.size() == text.size()) return cut;
  // The next character in place of the last one is greater than whatever was cut off. The last
  // character of all has none after it: then the one before it is raised.
  while (!cut.empty()) {
    std::size_t last = cut.size() - 1;
    while (last > 0 && continues_character(cut[last])) --last;
    const char32_t code = decode_character(std::string_view(cut).substr(last));
    cut.resize(last);
    if (code >= kLastCharacter) continue;
    const char32_t next = code + 1 == 0xD800 ? 0xE000 : code + 1;  // surrogates are no characters
    return cut + encode_character(next);
  }
  return std::nullopt;
}

std::string statistics_json(const engine::WrittenFile& file, const Schema& schema,
                            const std::vector<std::string>& partition_columns,
                            int indexed_columns) {
  Trees trees;
  Collector collector(file, indexed_columns);
  for (const Field& field : schema.fields()) {
    if (std::ranges::find(partition_columns, field.name) != partition_columns.end()) continue;
    collector.add(field, field.name, trees);
  }
  return fmt::format(R"({{"numRecords":{},"minValues":{},"maxValues":{},"nullCount":{}}})",
                     file.row_count, trees.min.json(), trees.max.json(), trees.nulls.json());
}

}  // namespace millrace::lake
