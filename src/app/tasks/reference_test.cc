// docs/reference/ has every key that a project's files may have, and no other.

#include <algorithm>
#include <set>

#include "base/file.h"
#include "quality/vocabulary.h"
#include "tasks/project_fixture.h"
#include "tasks/task_kind.h"
#include "train/metrics.h"
#include "train/parameters.h"

namespace millrace::tasks {
namespace {

using Words = std::set<std::string>;

std::string page(const std::string& name) {
  return good(read_file(std::string(MILLRACE_SOURCE_DIR) + "/docs/reference/" + name + ".md"));
}

/// The part of a page below "## heading"; "" is the part before the first.
std::string section(const std::string& name, const std::string& heading) {
  const std::string text = "\n" + page(name) + "\n## ";
  const std::size_t from = heading.empty() ? 0 : text.find("\n## " + heading + "\n");
  if (from == std::string::npos) {
    ADD_FAILURE() << name << ".md has no section '" << heading << "'";
    return "";
  }
  return text.substr(from, text.find("\n## ", from + 1) - from);
}

/// What stands in `backticks`.
Words quoted_in(std::string_view text) {
  Words words;
  for (std::size_t at = text.find('`'); at != std::string_view::npos; at = text.find('`', at + 1)) {
    const std::size_t end = text.find('`', at + 1);
    if (end == std::string_view::npos) break;
    words.emplace(text.substr(at + 1, end - at - 1));
    at = end;
  }
  return words;
}

/// The words of the first column of those tables of `text` whose header begins with `header`.
Words rows_of(const std::string& text, std::string_view header) {
  Words words;
  bool inside = false;
  for (std::size_t at = 0; at < text.size(); at = text.find('\n', at) + 1) {
    const std::string_view line = std::string_view(text).substr(at, text.find('\n', at) - at);
    if (!line.starts_with("| ")) inside = false;
    if (line.starts_with(header)) inside = true;
    if (inside) words.merge(quoted_in(line.substr(0, line.find('|', 1))));
    if (text.find('\n', at) == std::string::npos) break;
  }
  return words;
}

Words listed_in(const std::string& message) {
  const std::size_t from = message.find("known: ");
  if (from == std::string::npos || message.ends_with("...")) {
    ADD_FAILURE() << "this does not name all that is known: " << message;
    return {};
  }
  Words words;
  for (std::size_t at = from + 7; at < message.size();) {
    const std::size_t end = std::min(message.find_first_of(",\n", at), message.size());
    words.insert(message.substr(at, end - at));
    at = end + 2;
  }
  return words;
}

class Reference : public ProjectTest {
 protected:
  /// What may stand where `zz` stands in this file of the project.
  Words known_beside_zz(const std::string& file, const std::string& text) {
    const std::string before =
        std::filesystem::exists(path(file)) ? good(read_file(path(file))) : "";
    write(file, text);
    auto loaded = *project::load_project(root(), "");
    EXPECT_OK(check_project(loaded));
    write(file, before);
    const auto refused = std::ranges::find_if(loaded.problems, [](const auto& one) {
      return one.message.find("'zz'") != std::string::npos;
    });
    if (refused == loaded.problems.end()) {
      ADD_FAILURE() << "nobody minds zz in " << file << ":\n" << text;
      return {};
    }
    if (refused->known.empty()) return listed_in(refused->message);
    return {refused->known.begin(), refused->known.end()};
  }
};

struct Mapping {
  const char* page;
  const char* section;
  const char* file;
  const char* text;
};
constexpr Mapping kMappings[] = {
    {"project", "", "millrace.yml", "zz: 1"},
    {"project", "A target", "millrace.yml", "targets: {dev: {zz: 1}}"},
    {"sources", "The file", "sources/a.yml", "zz: 1"},
    {"sources", "A table", "sources/a.yml", "{name: a, tables: [{zz: 1}]}"},
    {"sources", "A column", "sources/a.yml", "{name: a, tables: [{columns: [{zz: 1}]}]}"},
    {"models", "The words", "models/a.sql", "select {{ zz('a') }}"},
    {"models", "config()", "models/a.sql", "{{ config(zz=1) }} select 1"},
    {"features", "The file", "features/a.yml", "zz: 1"},
    {"features", "An entity", "features/a.yml", "entities: [{zz: 1}]"},
    {"features", "A feature view", "features/a.yml", "feature_views: [{zz: 1}]"},
    {"features", "A feature view", "features/a.yml",
     "feature_views: [{name: a, entities: [a], source: a, features: [{zz: 1}]}]"},
    {"features", "A training set", "features/a.yml", "training_sets: [{zz: 1}]"},
    {"features", "A training set", "features/a.yml",
     "training_sets: [{name: a, labels: a, key: [a], timestamp: a, request_columns: [{zz: 1}]}]"},
    {"features", "A training set", "features/a.yml",
     "training_sets: [{name: a, labels: a, key: [a], timestamp: a, features: [{zz: 1}]}]"},
    {"pipelines", "The Dag", "pipelines/a.yml", "zz: 1"},
    {"pipelines", "The Dag", "pipelines/a.yml", "default_args: {zz: 1}"},
    {"tasks", "", "pipelines/a.yml", "tasks: [{id: a, kind: deploy, resources: {zz: 1}}]"},
    {"tasks", "train", "pipelines/a.yml", "tasks: [{id: a, kind: train, early_stopping: {zz: 1}}]"},
    {"tasks", "train", "pipelines/a.yml",
     "tasks: [{id: a, kind: train, validate_on_last: {zz: 1}}]"},
};

TEST_F(Reference, HasEveryKeyOfEveryMapping) {
  for (const Mapping& mapping : kMappings) {
    SCOPED_TRACE(
        fmt::format("docs/reference/{}.md, {}: {}", mapping.page, mapping.section, mapping.text));
    const std::string text = section(mapping.page, mapping.section);
    const Words known = known_beside_zz(mapping.file, mapping.text);
    EXPECT_GE(known.size(), 2U);
    for (const std::string& key : known) {
      const bool is_there = std::string(mapping.section) == "The words"
                                ? text.find("| `{{ " + key + "(") != std::string::npos
                                : quoted_in(text).contains(key);
      EXPECT_TRUE(is_there) << key << " is missing";
    }
  }
}

TEST_F(Reference, HasEverySettingOfEveryKindOfTask) {
  for (const TaskKind* kind : all_kinds()) {
    const std::string name(kind->name());
    SCOPED_TRACE(name);
    if (name == "program") continue;  // has none, and stands in no file
    EXPECT_TRUE(section("tasks", "").find(fmt::format("[{0}](#{0})", name)) != std::string::npos);
    const Words common = rows_of(section("tasks", ""), "| key");
    const Words own = rows_of(section("tasks", name), "| key");
    Words documented = common;
    documented.insert(own.begin(), own.end());
    EXPECT_EQ(documented,
              known_beside_zz("pipelines/a.yml",
                              fmt::format("tasks: [{{id: a, kind: {}, zz: 1}}]", name)));
  }
}

TEST_F(Reference, HasNoKeyThatThereIsNot) {
  std::map<std::string, Words> known;
  for (const Mapping& mapping : kMappings)
    known[mapping.page].merge(known_beside_zz(mapping.file, mapping.text));
  for (const char* name : {"project", "sources", "features", "pipelines", "models"}) {
    const Words documented = rows_of(page(name), "| key");
    EXPECT_FALSE(documented.empty());
    for (const std::string& key : documented)
      EXPECT_TRUE(known[name].contains(key)) << name << ".md has a key '" << key << "'";
  }
}

TEST(ReferenceOfExpectations, HasEveryWordWithItsArguments) {
  const Words quoted = quoted_in(page("expectations"));
  Words words;
  for (const quality::Word& word : quality::vocabulary()) {
    words.emplace(word.name);
    for (const quality::Argument& argument : word.arguments)
      EXPECT_TRUE(quoted.contains(std::string(argument.name)))
          << word.name << ": " << argument.name;
  }
  Words documented;
  for (const std::string& word : quoted)
    if (word.starts_with("expect_")) documented.insert(word);
  EXPECT_EQ(documented, words);
}

TEST(ReferenceOfTraining, HasEveryParameterAndMetric) {
  const std::vector<std::string> names = train::parameter_names();
  const Words quoted = quoted_in(section("tasks", "train"));
  for (const std::string& name : names) EXPECT_TRUE(quoted.contains(name)) << name;
  const Words known(names.begin(), names.end());
  for (const std::string& name : rows_of(section("tasks", "train"), "| parameter"))
    EXPECT_TRUE(known.contains(name)) << name;
  for (const std::string& metric : listed_in(train::check_round_metric("zz").error().message()))
    EXPECT_TRUE(quoted.contains(metric)) << metric;
  const Words judged = quoted_in(section("tasks", "evaluate"));
  for (const std::string& metric : listed_in(train::check_metric("zz").error().message()))
    EXPECT_TRUE(judged.contains(metric)) << metric;
}

}  // namespace
}  // namespace millrace::tasks
