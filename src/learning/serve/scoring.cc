#include "serve/scoring.h"

#include <algorithm>
#include <cmath>

#include <fmt/core.h>

#include "base/text.h"
#include "serve/row_columns.h"

namespace millrace::serve {

namespace {

/// The media type before its parameters.
std::string_view media_type(std::string_view field) {
  return trim(field.substr(0, field.find(';')));
}

/// Whether the field's parameters leave UTF-8, or say nothing about it (RFC 9110, 8.3.1).
bool is_in_utf8(std::string_view field) {
  for (std::size_t at = field.find(';'); at != std::string_view::npos; at = field.find(';')) {
    field.remove_prefix(at + 1);
    const std::string_view parameter = trim(field.substr(0, field.find(';')));
    const std::size_t equals = std::min(parameter.find('='), parameter.size());
    if (!same_ignoring_case(trim(parameter.substr(0, equals)), "charset")) continue;
    std::string_view value = trim(parameter.substr(std::min(equals + 1, parameter.size())));
    if (value.size() > 1 && value.front() == '"' && value.back() == '"')
      value = value.substr(1, value.size() - 2);
    if (!same_ignoring_case(value, "utf-8") && !same_ignoring_case(value, "us-ascii")) return false;
  }
  return true;
}

void append_score(std::string& out, float score) {
  out += fmt::format("{}", score);
}

}  // namespace

std::optional<Format> format_of(std::string_view content_type) {
  if (!is_in_utf8(content_type)) return std::nullopt;
  const std::string_view type = media_type(content_type);
  if (same_ignoring_case(type, "text/csv")) return Format::Csv;
  if (same_ignoring_case(type, "application/json")) return Format::Json;
  return std::nullopt;
}

std::optional<Format> accepted_format(std::string_view accept, Format preferred) {
  if (trim(accept).empty()) return preferred;
  while (!accept.empty()) {
    const std::size_t comma = std::min(accept.find(','), accept.size());
    const std::string_view type = media_type(accept.substr(0, comma));
    if (const std::optional<Format> format = format_of(type)) return format;
    if (type == "*/*") return preferred;
    if (same_ignoring_case(type, "text/*")) return Format::Csv;
    if (same_ignoring_case(type, "application/*")) return Format::Json;
    accept.remove_prefix(std::min(comma + 1, accept.size()));
  }
  return std::nullopt;
}

std::string write_csv(std::span<const float> scores) {
  std::string out;
  for (const float score : scores) {
    append_score(out, score);
    out += '\n';
  }
  return out;
}

std::string write_json(std::span<const float> scores) {
  std::string out = R"({"predictions":[)";
  for (std::size_t i = 0; i < scores.size(); ++i) {
    out += i == 0 ? R"({"score":)" : R"(,{"score":)";
    // JSON has no word for infinity, which a Poisson model may give.
    std::isfinite(scores[i]) ? append_score(out, scores[i]) : static_cast<void>(out += "null");
    out += '}';
  }
  return out + "]}";
}

}  // namespace millrace::serve
