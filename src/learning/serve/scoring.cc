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

void append_score(std::string& out, float score) {
  out += fmt::format("{}", score);
}

}  // namespace

std::optional<Format> format_of(std::string_view content_type) {
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
