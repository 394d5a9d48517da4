// A file of a project.

#include <algorithm>

#include "fuzz.h"
#include "project/yaml.h"

namespace {

using namespace millrace;

void check_places(const project::Node& node, int lines) {
  INVARIANT(node.place().line >= 0 && node.place().line <= lines, "a place lies in the file");
  for (const project::Node& element : node.elements()) check_places(element, lines);
  for (const project::Node::Entry& entry : node.entries()) {
    INVARIANT(node.find(entry.key) != nullptr, "a member is found by its name");
    check_places(entry.value, lines);
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = text_of(data, size);
  const auto breaks = std::ranges::count_if(text, [](char c) { return c == '\n' || c == '\r'; });
  // NEL, LS and PS end a line of YAML 1.1 too.
  const int lines = static_cast<int>(breaks) + 2 + static_cast<int>(size / 2);
  project::Problems problems;
  const Result<project::Node> node = project::parse_yaml(text, "file.yml", problems);
  for (const project::Problem& problem : problems) {
    INVARIANT(!problem.str().empty(), "a problem is said");
    INVARIANT(problem.place.line <= lines, "a place lies in the file");
  }
  if (!node.ok()) return 0;
  check_places(*node, lines);
  static_cast<void>(node->to_json().dump());
  return 0;
}
