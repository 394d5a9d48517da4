#pragma once

// The law of source.h as tests, run against every implementation, and what tests of this room
// share.

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "ingest/source.h"

namespace millrace::ingest {

/// One way to have a source: with three deliveries, two of them before `before`, and bad rows in at
/// least one of these.
struct SourceUnderTest {
  std::string name;
  std::function<std::unique_ptr<Source>()> open;
  Instant before;
};

class SourceContract : public testing::TestWithParam<SourceUnderTest> {};

/// The moment that `text` names, as "2013-01-05T10:00:00Z".
Instant at(std::string_view text);

/// `text` packed as one gzip member.
std::string gzipped(std::string_view text);

/// All of a delivery: the rows as "a|b|c" (columns as Column::to_string gives them, null as "-"),
/// the dead letters as "row: reason", or the error.
struct ReadBack {
  std::vector<std::string> rows;
  std::vector<std::string> rejected;
  std::vector<RejectedRow> letters;
  DeliveryCounts counts;
  std::string error;
  ErrorCode code = ErrorCode::Internal;
};
ReadBack read_back(Source& source, const Delivery& delivery);

}  // namespace millrace::ingest
