#include "transform/file_reading.h"

#include <algorithm>
#include <array>
#include <string_view>

#include <fmt/core.h>

#include "base/text.h"

namespace millrace::transform {
namespace {

bool reads_files(const std::string& function) {
  constexpr std::array<std::string_view, 2> kOthers = {"glob", "sniff_csv"};
  return function.starts_with("read_") || function.starts_with("parquet_") ||
         function.ends_with("_scan") || std::ranges::find(kOthers, function) != kOthers.end();
}

/// Names that the engine takes for a file where there is no such table.
bool is_path(const std::string& table) {
  constexpr std::array<std::string_view, 9> kEndings = {
      ".csv", ".tsv", ".parquet", ".json", ".jsonl", ".ndjson", ".xlsx", ".gz", ".zst"};
  const std::string name = fold_case(table);
  return name.find('/') != std::string::npos ||
         std::ranges::any_of(kEndings, [&](auto ending) { return name.ends_with(ending); });
}

std::optional<FileReading> reading_at(const Json& node) {
  const std::string kind = node.string_or("type", "");
  const auto offset = static_cast<std::size_t>(node.integer_or("query_location", 0));
  if (kind == "BASE_TABLE") {
    const std::string table = node.string_or("table_name", "");
    if (!node.string_or("schema_name", "").empty() || !is_path(table)) return std::nullopt;
    return FileReading{fmt::format("the table '{}'", table), offset};
  }
  if (kind != "TABLE_FUNCTION") return std::nullopt;
  const Json& call = node["function"];
  const std::string function = fold_case(call.string_or("function_name", ""));
  if (!reads_files(function)) return std::nullopt;
  std::string path;
  if (call["children"].is_array() && !call["children"].as_array().empty())
    path = call["children"].as_array().front()["value"].string_or("value", "");
  return FileReading{fmt::format("{}('{}')", function, path.empty() ? "..." : path), offset};
}

}  // namespace

std::optional<FileReading> file_reading(const Json& tree) {
  if (tree.is_array()) {
    for (const Json& each : tree.as_array())
      if (auto found = file_reading(each)) return found;
  }
  if (!tree.is_object()) return std::nullopt;
  if (auto found = reading_at(tree)) return found;
  for (const auto& [name, member] : tree.as_object())
    if (auto found = file_reading(member)) return found;
  return std::nullopt;
}

}  // namespace millrace::transform
