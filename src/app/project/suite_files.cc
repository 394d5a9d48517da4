#include "project/suite_files.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <optional>

#include <fmt/core.h>

namespace millrace::project {
namespace {

/// `places` is the document with its places, or null where they are not known.
void add_suite(Json document, const Node* places, const std::string& file, Project& project,
               Problems& problems) {
  if (document.is_object() && !document.contains("name") &&
      !document.contains("expectation_suite_name"))
    document.set("name", std::filesystem::path(file).stem().string());
  auto suite = quality::read_suite(document);
  if (!suite.ok()) {
    const std::string& message = suite.error().message();
    problems.push_back(
        {places != nullptr ? place_of_mistake(*places, message) : Place{file}, message});
    return;
  }
  if (suite->expectations.empty())
    problems.push_back(
        {{file}, "the suite expects nothing, so every table would pass; give it 'expectations'"});
  const std::string name = suite->name;
  std::optional<Node> node;
  if (places != nullptr) node = *places;
  const auto [at, fresh] =
      project.suites.try_emplace(name, SuiteFile{*std::move(suite), Place{file}, std::move(node)});
  if (!fresh)
    problems.push_back(
        {{file}, fmt::format("the suite '{}' is also in {}", name, at->second.place.str())});
}

/// JSON is YAML but for tabs between its values; and what yaml-cpp reads otherwise (half of a
/// surrogate pair) only costs the places, since the values are those of Json::parse.
std::optional<Node> with_places(std::string_view json, const std::string& file) {
  std::string text(json);
  std::ranges::replace(text, '\t', ' ');
  Problems none;
  auto node = parse_yaml(text, file, none);
  return node.ok() ? std::optional(*std::move(node)) : std::nullopt;
}

/// "not JSON at line 3, column 5: syntax error".
Problem syntax_problem(const std::string& file, const std::string& message) {
  Place place{file};
  int read = 0;
  const int found = std::sscanf(message.c_str(), "not JSON at line %d, column %d: %n", &place.line,
                                &place.column, &read);
  if (found != 2 || read == 0) return {{file}, message};
  return {place, "not JSON: " + message.substr(static_cast<std::size_t>(read))};
}

}  // namespace

void read_yaml_suite(const Node& root, const std::string& file, Project& project,
                     Problems& problems) {
  add_suite(root.to_json(), &root, file, project, problems);
}

void read_json_suite(std::string_view text, const std::string& file, Project& project,
                     Problems& problems) {
  Result<Json> document = Json::parse(text);
  if (!document.ok()) {
    problems.push_back(syntax_problem(file, document.error().message()));
    return;
  }
  const std::optional<Node> places = with_places(text, file);
  add_suite(*std::move(document), places ? &*places : nullptr, file, project, problems);
}

}  // namespace millrace::project
