#include "model/feature.h"

#include <algorithm>
#include <set>

#include <fmt/core.h>

#include "base/text.h"

namespace millrace::model {

namespace {

Status check_categories(const Feature& feature) {
  const std::vector<std::string>& categories = feature.categories;
  if (feature.kind == FeatureKind::Number && !categories.empty()) {
    return Error(ErrorCode::Invalid,
                 fmt::format("feature '{}' is a number and must have no categories", feature.name));
  }
  if (categories.size() > kMaxCategories) {
    return Error(ErrorCode::Invalid, fmt::format("feature '{}' has {} categories; at most {}",
                                                 feature.name, categories.size(), kMaxCategories));
  }
  const auto unsorted = std::adjacent_find(categories.begin(), categories.end(),
                                           [](const auto& a, const auto& b) { return a >= b; });
  if (unsorted == categories.end()) return {};
  return Error(ErrorCode::Invalid,
               fmt::format("the categories of feature '{}' are not sorted and distinct near '{}'",
                           feature.name, *unsorted));
}

}  // namespace

std::string_view to_string(FeatureKind kind) {
  return kind == FeatureKind::Category ? "category" : "number";
}

Json to_json(const Feature& feature) {
  Json json = Json::object({{"name", feature.name},
                            {"kind", std::string(to_string(feature.kind))},
                            {"type", feature.type}});
  if (feature.kind == FeatureKind::Category) json.set("categories", Json(feature.categories));
  return json;
}

Result<Feature> feature_from_json(const Json& json) {
  Feature feature;
  feature.name = TRY(json.string_at("name"));
  feature.type = TRY_DOING("feature '" + feature.name + "'", json.string_at("type"));
  const std::string kind = TRY_DOING("feature '" + feature.name + "'", json.string_at("kind"));
  if (kind != "number" && kind != "category") {
    return Error(
        ErrorCode::Invalid,
        fmt::format("feature '{}': kind is 'number' or 'category', not '{}'", feature.name, kind));
  }
  if (kind == "number") return feature;
  feature.kind = FeatureKind::Category;
  const Json& categories = json["categories"];
  if (!categories.is_array()) {
    return Error(ErrorCode::Invalid,
                 fmt::format("feature '{}': 'categories' must be an array of texts, found {}",
                             feature.name, categories.type_name()));
  }
  for (const Json& category : categories.as_array()) {
    if (!category.is_string()) {
      return Error(ErrorCode::Invalid,
                   fmt::format("feature '{}': a category must be text, found {}", feature.name,
                               category.type_name()));
    }
    feature.categories.push_back(category.as_string());
  }
  return feature;
}

Status check_features(const std::vector<Feature>& features) {
  if (features.empty() || features.size() > kMaxFeatures) {
    return Error(ErrorCode::Invalid, fmt::format("a model has 1 to {} features; these are {}",
                                                 kMaxFeatures, features.size()));
  }
  std::set<std::string> seen;
  for (const Feature& feature : features) {
    if (feature.name.empty()) return Error(ErrorCode::Invalid, "a feature has no name");
    if (!seen.insert(fold_case(feature.name)).second) {
      return Error(ErrorCode::Invalid, fmt::format("feature '{}' is named twice", feature.name));
    }
    TRY(check_categories(feature));
  }
  return {};
}

std::vector<std::string> names_of(const std::vector<Feature>& features) {
  std::vector<std::string> names;
  names.reserve(features.size());
  for (const Feature& feature : features) names.push_back(feature.name);
  return names;
}

}  // namespace millrace::model
