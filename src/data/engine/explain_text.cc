#include "engine/explain_text.h"

#include <algorithm>

#include <fmt/core.h>

#include "base/utf8.h"

namespace millrace::engine {

namespace {

constexpr std::size_t kWidest = 200;

std::string cut(std::string text) {
  std::ranges::replace(text, '\n', ' ');
  if (text.size() <= kWidest) return text;
  return fmt::format("{} ... ({} bytes)", cut_utf8(text, kWidest), text.size());
}

std::string detail_text(const Json& value) {
  if (value.is_string()) return cut(value.as_string());
  if (!value.is_array()) return cut(value.dump());
  std::string text;
  for (const Json& element : value.as_array()) {
    text +=
        (text.empty() ? "" : ", ") + (element.is_string() ? element.as_string() : element.dump());
  }
  return cut(std::move(text));
}

std::string trimmed(std::string text) {
  while (!text.empty() && text.back() == ' ') text.pop_back();
  return text;
}

std::string rows_text(const Json& node, const Json& details) {
  if (node.contains("operator_timing")) {
    return fmt::format(" ({} rows, {:.3f} s)", node.integer_or("operator_cardinality", 0),
                       node.number_or("operator_timing", 0));
  }
  const Json& estimate = details["Estimated Cardinality"];
  return estimate.is_string() ? fmt::format(" (about {} rows)", estimate.as_string()) : "";
}

void write(std::string& text, const Json& node, std::size_t depth) {
  std::string indent(depth * 2, ' ');
  const Json& details = node["extra_info"];
  std::string name = trimmed(node.string_or("name", node.string_or("operator_name", "?")));
  text += fmt::format("{}{}{}{}\n", indent, depth == 0 ? "" : "> ", name, rows_text(node, details));
  if (details.is_object()) {
    for (const auto& [key, value] : details.as_object()) {
      std::string shown = detail_text(value);
      if (key == "Estimated Cardinality" || shown.empty()) continue;
      text += fmt::format("{}  {}{}: {}\n", indent, depth == 0 ? "" : "  ", key, shown);
    }
  }
  if (!node["children"].is_array()) return;
  for (const Json& child : node["children"].as_array()) write(text, child, depth + 1);
}

}  // namespace

Result<std::string> explain_text(const Json& plan) {
  std::string text;
  const Json* root = &plan;
  if (root->is_array()) {
    if (root->as_array().empty()) return Error(ErrorCode::Internal, "DuckDB explained nothing");
    root = root->as_array().data();
  }
  if (root->contains("latency")) {  // of ANALYZE: the query as a whole, then EXPLAIN_ANALYZE itself
    text += fmt::format("{:.3f} s, {:.3f} s of processor time\n", root->number_or("latency", 0),
                        root->number_or("cpu_time", 0));
    for (int i = 0; i < 2; ++i) {
      const Json& children = (*root)["children"];
      if (!children.is_array() || children.as_array().empty()) break;
      root = children.as_array().data();
    }
  }
  write(text, *root, 0);
  return text;
}

}  // namespace millrace::engine
