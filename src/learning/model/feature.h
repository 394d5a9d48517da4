#pragma once

// What a model takes: its features, in order.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace millrace::model {

enum class FeatureKind {
  Number,    // a 32-bit float; a boolean is 0 or 1; null is missing
  Category,  // one of `categories`; null and every other text are missing
};

struct Feature {
  std::string name;
  FeatureKind kind = FeatureKind::Number;
  std::string type;                     // of the column it was learned from, as SQL: "BIGINT"
  std::vector<std::string> categories;  // sorted; the code of a category is its position

  bool operator==(const Feature&) const = default;
};

/// "number" or "category".
std::string_view to_string(FeatureKind kind);

/// {"name": "carrier", "kind": "category", "type": "VARCHAR", "categories": ["AA", ...]}
Json to_json(const Feature& feature);
/// Errors: Invalid names the member.
Result<Feature> feature_from_json(const Json& json);

/// Checks that there are features (1..10,000), that names are there and differ (also without regard
/// to case), and that categories are sorted and differ. Errors: Invalid.
Status check_features(const std::vector<Feature>& features);

std::vector<std::string> names_of(const std::vector<Feature>& features);

/// As many categories as one feature may have. Beyond it the feature is a key of something, and a
/// model that splits on it learns the rows by heart.
inline constexpr std::size_t kMaxCategories = 100'000;
inline constexpr std::size_t kMaxFeatures = 10'000;

}  // namespace millrace::model
