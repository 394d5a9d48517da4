#include "project/yaml_syntax.h"

#include <algorithm>
#include <array>
#include <ranges>
#include <utility>
#include <vector>

namespace millrace::project {
namespace {

using Expected = std::pair<std::string_view, std::string_view>;

/// By the beginning of the message (yaml-cpp, exceptions.h). Each says what people most often did.
constexpr std::array kExpected = std::to_array<Expected>({
    {"illegal map value",
     "a line holds one 'key: value', indented by spaces as the lines beside it; text with ': ' in "
     "it needs "
     "quotes"},
    {"illegal map key", "indent the line as the one above, or put the text in quotes"},
    {"illegal block entry", "'- ' begins a line, indented as the others of its list"},
    {"end of map not found", "a line 'key: value' is expected, indented as the ones above"},
    {"end of sequence not found",
     "a line that begins with '- ' is expected, indented as the ones above"},
    {"end of map flow not found",
     "a '}', or a ',' between two values, is missing before this place"},
    {"end of sequence flow not found",
     "a ']', or a ',' between two values, is missing before this place"},
    {"illegal flow end", "this '}' or ']' closes nothing; '{' needs '}', and '[' needs ']'"},
    {"unknown token", "text that begins with such a character needs quotes"},
    {"unknown escape character",
     "write '\\\\' for a backslash in double quotes, or use single ones"},
    {"the referenced anchor", "text that begins with '*' needs quotes"},
});

}  // namespace

std::string explain_syntax(std::string_view message) {
  for (const auto& [beginning, expected] : kExpected)
    if (message.starts_with(beginning)) return std::string(message) + "; " + std::string(expected);
  return std::string(message);
}

std::optional<TextMark> tab_before(std::string_view text, int line) {
  std::vector<std::string_view> lines;
  for (const auto part : std::views::split(text, '\n'))
    lines.emplace_back(part.begin(), part.end());
  int looked_at = 0;
  for (int at = std::min(line, static_cast<int>(lines.size()) - 1); at >= 0 && looked_at < 2;
       --at) {
    const std::string_view each = lines[static_cast<std::size_t>(at)];
    const std::string_view indent = each.substr(0, each.find_first_not_of(" \t"));
    if (const auto tab = indent.find('\t'); tab != std::string_view::npos)
      return TextMark{at, static_cast<int>(tab)};
    if (each.find_first_not_of(" \r") != std::string_view::npos) ++looked_at;
  }
  return std::nullopt;
}

}  // namespace millrace::project
