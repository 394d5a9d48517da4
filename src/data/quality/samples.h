#pragma once

// Some of the rows that were not as expected: one filtered pass for all expectations that failed.

#include <string>
#include <vector>

#include "base/result.h"
#include "engine/engine.h"
#include "quality/question.h"
#include "quality/verdict.h"

namespace millrace::quality {

struct SampleRequest {
  std::string condition;             // true for an unexpected row
  std::vector<std::string> columns;  // what is shown of it
  SampleShape shape = SampleShape::Value;
  std::size_t wanted = 0;  // how many there are to find: the pass ends when all are found
};

/// The samples of each request, in its order. `batch` is what stands after FROM.
Result<std::vector<std::vector<Sample>>> fetch_samples(
    engine::Session& session, const std::string& batch, const std::vector<SampleRequest>& requests,
    const std::vector<std::string>& order_by, const std::vector<std::string>& index_columns);

}  // namespace millrace::quality
