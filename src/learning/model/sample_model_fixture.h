#pragma once

// A small real model over generated flights, for tests: the same seed gives the same bytes on every
// machine.

#include <cstdint>
#include <string>

#include "base/result.h"
#include "columnar/record_batch.h"
#include "model/manifest.h"

namespace millrace::model {

struct SampleModel {
  std::string booster;   // UBJSON as libxgboost wrote it
  std::string artefact;  // model.tar.gz
  Manifest manifest;
};

/// Columns: flight BIGINT (the row's number), at TIMESTAMP WITH TIME ZONE (an hour apart), delay
/// DOUBLE (a tenth null), distance BIGINT, carrier VARCHAR (a few null), weekend BOOLEAN, and the
/// label late TINYINT, which depends on them. Row i does not depend on `rows`.
columnar::RecordBatch sample_flights(std::size_t rows, std::uint64_t seed, std::size_t first = 0);

/// Trained on sample_flights(500, seed) for `rounds` rounds.
Result<SampleModel> make_sample_model(std::uint64_t seed, int rounds = 8);

}  // namespace millrace::model
