#include "serve/row_columns.h"

#include <numeric>

#include <fmt/core.h>

namespace millrace::serve {

namespace {

constexpr std::size_t kListedFeatures = 12;

}  // namespace

Result<std::vector<std::size_t>> columns_of(const model::FeatureEncoder& encoder,
                                            const std::vector<std::string>& names) {
  const std::vector<model::Feature>& features = encoder.features();
  std::vector<std::size_t> columns;
  std::vector<bool> named(features.size(), false);
  for (const std::string& name : names) {
    const std::size_t feature = TRY(encoder.index_of(name));
    if (named[feature]) {
      return Error(ErrorCode::Invalid,
                   fmt::format("the feature '{}' is given twice", features[feature].name));
    }
    named[feature] = true;
    columns.push_back(feature);
  }
  for (std::size_t feature = 0; feature < features.size(); ++feature) {
    if (named[feature]) continue;
    return Error(ErrorCode::NotFound,
                 fmt::format("the feature '{}' is not given; send null (in CSV an empty field) "
                             "when it is not known",
                             features[feature].name));
  }
  return columns;
}

std::vector<std::size_t> columns_by_position(const model::FeatureEncoder& encoder) {
  std::vector<std::size_t> columns(encoder.features().size());
  std::iota(columns.begin(), columns.end(), 0U);
  return columns;
}

std::string listed_features(const model::FeatureEncoder& encoder) {
  std::string listed;
  for (std::size_t i = 0; i < encoder.features().size() && i < kListedFeatures; ++i) {
    listed += (i == 0 ? "" : ", ") + encoder.features()[i].name;
  }
  return encoder.features().size() > kListedFeatures ? listed + ", ..." : listed;
}

Error wrong_width(const model::FeatureEncoder& encoder, std::size_t row, std::size_t found) {
  return Error(ErrorCode::Invalid,
               fmt::format("row {} has {} values; the model takes {}: {}", row, found,
                           encoder.features().size(), listed_features(encoder)));
}

}  // namespace millrace::serve
