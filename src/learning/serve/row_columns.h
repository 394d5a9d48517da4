#pragma once

// Which column of a request is which feature.

#include <string>
#include <vector>

#include "base/result.h"
#include "model/feature_encoder.h"

namespace millrace::serve {

/// Column i of the request is feature result[i]. The names must be exactly the features, in any
/// order, without regard to case. Errors: NotFound (a name that is no feature, with a suggestion; a
/// feature that is not named), Invalid (named twice).
Result<std::vector<std::size_t>> columns_of(const model::FeatureEncoder& encoder,
                                            const std::vector<std::string>& names);

/// The features in their own order.
std::vector<std::size_t> columns_by_position(const model::FeatureEncoder& encoder);

/// A row that has not as many values as it must.
Error wrong_width(const model::FeatureEncoder& encoder, std::size_t row, std::size_t found);

/// The names of the features for a message, at most the first twelve.
std::string listed_features(const model::FeatureEncoder& encoder);

}  // namespace millrace::serve
