#pragma once

// How good scores are on rows whose labels are known.
//
// All functions take probabilities (or, where said, any scores) and labels 0 or 1 in the same order
// and fail alike:
//   Invalid      the lengths differ, there are no rows, a score is NaN or (for probabilities)
//                outside 0..1, a label is neither 0 nor 1
// Sums are taken in the order of the rows, so the same rows give the same bits.

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace millrace::train {

using Scores = std::span<const float>;
using Labels = std::span<const std::uint8_t>;

/// The chance that a positive row, drawn at random, has a higher score than a negative one; equal
/// scores count one half.
///
///   scores   any real scale, infinities too
///   returns  0..1; 0.5 is what a coin reaches. Exact but for one rounding: pairs are counted in
///            integers
///   errors   DataQuality when all labels are equal, since there is no pair then
///   cost     O(n log n), 4 bytes per row beside the inputs; at most 2^32 - 1 rows
///   source   the Mann-Whitney form of the area under the ROC curve: Hanley & McNeil, Radiology 143
///            (1982) 29-36
Result<double> area_under_roc(Scores scores, Labels labels);

/// The standard error of an area under the ROC curve measured on that many rows, by Hanley and
/// McNeil's formula (same paper, equation 2). Errors: Invalid outside 0..1 or without both classes.
Result<double> standard_error_of_auc(double auc, std::int64_t positives, std::int64_t negatives);

/// Mean of -log of the probability given to what happened, natural logarithm. Probabilities are
/// held 2^-23 away from 0 and 1 (the distance at which a 32-bit float can tell 1 from its
/// neighbour), so a wrong certainty costs 15.9 and not infinity.
Result<double> log_loss(Scores probabilities, Labels labels);

/// Mean squared distance of the probability from what happened; 0 is best. Brier 1950.
Result<double> brier_score(Scores probabilities, Labels labels);

/// One bin of the reliability curve: (lower, upper], the first one with its lower bound.
struct ReliabilityBin {
  double lower = 0;
  double upper = 0;
  std::int64_t rows = 0;
  double mean_probability = 0;  // 0 in an empty bin
  double positive_share = 0;    // 0 in an empty bin

  bool operator==(const ReliabilityBin&) const = default;
};

struct Calibration {
  /// The mean over rows of |mean_probability - positive_share| of the row's bin.
  double expected_error = 0;
  std::vector<ReliabilityBin> bins;
};

/// Reliability in `bins` bins of equal width, 1..1000. Source: Guo et al., ICML 2017, equation 3.
Result<Calibration> calibration(Scores probabilities, Labels labels, int bins = 10);

/// Everything above over one set of rows.
struct Evaluation {
  std::int64_t positives = 0;
  std::int64_t negatives = 0;
  double auc = 0;
  double auc_standard_error = 0;
  double log_loss = 0;
  double brier = 0;
  Calibration calibration;

  /// "auc", "auc_standard_error", "log_loss", "brier", "calibration_error", "rows", "positives":
  /// for the gate and the registered version.
  std::map<std::string, double> values() const;
  /// The same with the bins of the reliability curve.
  Json to_json() const;
};

/// Errors: as above, DataQuality when all labels are equal.
Result<Evaluation> evaluate(Scores probabilities, Labels labels);

/// Whether an evaluation measures `metric`. Errors: Invalid with a suggestion.
Status check_metric(const std::string& metric);

}  // namespace millrace::train
