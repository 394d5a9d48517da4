#pragma once

// The bytes of a boosted model: UBJSON (https://ubjson.org, draft 12) as libxgboost writes it.
//
// Since 3.1 libxgboost writes the global bias as a vector, "[3.7642E-1]". Older versions, among
// them the 3.0.5 of SageMaker's container, read that without an error as 0.5: the ranking stays,
// the probabilities are wrong (0.8352 for 0.7537 in our trial). All versions from 1.7 to 3.2 read
// the scalar "3.7642E-1" alike. So what we write has the scalar form, and what has another form is
// not loaded.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace millrace::model {

/// What the model says of itself.
struct BoosterSummary {
  std::string objective;   // "binary:logistic"
  std::string base_score;  // as written: "3.7642E-1" or "[3.7642E-1]"
  std::int64_t feature_count = 0;
};

/// Errors: Corruption when `ubjson` is no such document (also: truncated, nested too deep, a length
/// that leaves the bytes); Unsupported for a model of several outputs.
Result<BoosterSummary> summarise_booster(std::string_view ubjson);

/// The same model with base_score as a scalar; it may have that form already. Errors: as above.
Result<std::string> with_scalar_base_score(std::string_view ubjson);

/// Checks that base_score is a scalar. Errors: Corruption says what another form does; and above.
Status check_base_score(std::string_view ubjson);

}  // namespace millrace::model
