#include "project/feature_files.h"

#include <algorithm>
#include <array>

#include <fmt/core.h>

#include "base/suggest.h"

namespace millrace::project {
namespace {

struct Kind {
  const char* name;  // as messages have it
  const char* list;  // in the file
};
constexpr std::array<Kind, 3> kKinds = {
    {{"entity", "entities"}, {"feature view", "feature_views"}, {"training set", "training_sets"}}};

void keep_definitions(const Node& root, NamedNodes& definitions) {
  for (const Kind& kind : kKinds) {
    const Node* list = root.find(kind.list);
    if (list == nullptr) continue;
    for (const Node& definition : list->elements()) {
      const Node* name = definition.find("name");
      if (name != nullptr && name->scalar().is_string())
        definitions.emplace(fmt::format("{} {}", kind.name, name->scalar().as_string()),
                            definition);
    }
  }
}

class Checker {
 public:
  Checker(const Project& project, Problems& problems) : project_(project), problems_(problems) {}

  /// `way` begins with the definition that is at fault.
  void problem(std::string_view way, std::string message) {
    problems_.push_back(
        {place_in_definition(project_.definitions, way, {"features"}), std::move(message)});
  }

  void model_is_there(const std::string& definition, const std::string& member,
                      const std::string& model) {
    if (project_.models.find(model) != nullptr || have_mistakes("models/")) return;
    problem(fmt::format("{}: {}: ", definition, member),
            fmt::format("the {} reads the model '{}', which does not exist{}", definition, model,
                        suggestion(model, project_.models.names())));
  }

  /// Whether a file of that folder has some. What it holds is not known, so that nothing is said to
  /// be missing.
  bool have_mistakes(std::string_view folder) const {
    return std::ranges::any_of(
        problems_, [&](const Problem& problem) { return problem.str().starts_with(folder); });
  }

 private:
  const Project& project_;
  Problems& problems_;
};

}  // namespace

void read_features(const Node& root, Project& project, Problems& problems) {
  keep_definitions(root, project.definitions);
  std::vector<Error> errors;
  features::read_definitions(root.to_json(), project.features, errors);
  for (const Error& error : errors)
    problems.push_back({place_of_mistake(root, error.message()), error.message()});
}

void check_features(Project& project, Problems& problems) {
  Checker checker(project, problems);
  if (!checker.have_mistakes("features/")) {
    std::vector<Error> errors;
    features::resolve(project.features, errors);
    for (const Error& error : errors) checker.problem(error.message(), error.message());
  }
  for (const auto& view : project.features.views)
    checker.model_is_there("feature view " + view.name, "source", view.source);
  for (const auto& set : project.features.training_sets)
    checker.model_is_there("training set " + set.name, "labels", set.labels);
}

}  // namespace millrace::project
