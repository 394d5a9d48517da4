#pragma once

// A model that answers: an artefact, its manifest, and the proof that the two still give the scores
// that they gave when they were made.

#include <memory>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "columnar/record_batch.h"
#include "model/feature_encoder.h"
#include "model/manifest.h"

namespace millrace::model {

/// Immutable and safe from several threads at once.
class Predictor {
 public:
  /// Unpacks and loads the artefact, and scores the manifest's golden rows. `threads` are
  /// libxgboost's own per call: 1 where many threads ask for few rows each.
  /// Errors: Corruption when the two do not belong together (checksum, objective, features), when
  /// the artefact is damaged, or when a golden row's score differs by more than kGoldenTolerance
  /// (an older or broken libxgboost does that without saying so); Unavailable without libxgboost.
  static Result<std::shared_ptr<const Predictor>> load(std::string_view artefact, Manifest manifest,
                                                       int threads = 1);
  ~Predictor();

  const Manifest& manifest() const;
  const FeatureEncoder& encoder() const;

  /// One score per row, in order: a probability for "binary:logistic". Errors: those of
  /// FeatureEncoder::encode.
  Result<std::vector<float>> predict(const columnar::RecordBatch& batch) const;
  /// Rows that this predictor's encoder() made.
  Result<std::vector<float>> predict(const FeatureRows& rows) const;

 private:
  struct State;
  explicit Predictor(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// `count` rows spread evenly over `rows`, or all of them when there are fewer.
FeatureRows spread_rows(const FeatureRows& rows, std::size_t count);

/// The rows as callers would send them, with the scores that `booster` (the model in UBJSON) gives
/// them. At most kGoldenRows, spread evenly. Errors: Invalid without rows.
Result<std::vector<GoldenRow>> make_golden_rows(const FeatureEncoder& encoder,
                                                const FeatureRows& rows, std::string_view booster);

}  // namespace millrace::model
