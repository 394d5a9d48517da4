#pragma once

// May this version go into Production? Decided from values alone, so that it can be shown, tested
// and repeated.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace millrace::train {

/// "auc > 0.8".
struct Threshold {
  enum class Relation { Above, AtLeast, Below, AtMost };  // > >= < <=
  std::string metric;
  Relation relation = Relation::Above;
  double bound = 0;

  bool operator==(const Threshold&) const = default;
};

/// Reads "<metric> <relation> <number>"; spaces do not matter. Errors: Invalid.
Result<Threshold> parse_threshold(std::string_view text);
std::string to_string(const Threshold& threshold);

/// The model that serves now, scored on the same holdout as the candidate.
struct ProductionScore {
  std::int64_t version = 0;
  std::map<std::string, double> metrics;
};

/// What the leak check found; each finding is a sentence that names feature and rows.
struct LeakVerdict {
  std::vector<std::string> findings;
};

struct GateInput {
  std::map<std::string, double> metrics;  // of the candidate, on the holdout
  std::vector<Threshold> thresholds;
  /// Absent when no version is in Production yet.
  std::optional<ProductionScore> production;
  /// The metric by which the candidate must not be worse than the one in Production.
  std::string compared_by = "auc";
  /// How much worse it may be.
  double tolerance = 0;
  /// Absent when no check was made.
  std::optional<LeakVerdict> leaks;
};

struct GateVerdict {
  bool promoted = false;
  /// Sentences for people: every check that was made, those that failed first.
  std::vector<std::string> reasons;

  Json to_json() const;
};

/// Promotes when every threshold holds, the candidate is not worse than Production, and the leak
/// check, when one was made, found nothing. A metric that is NaN fails its checks. Errors: NotFound
/// with a suggestion for a metric that nobody measured.
Result<GateVerdict> decide_promotion(const GateInput& input);

/// Whether a smaller value of the metric is better: the losses and errors.
bool lower_is_better(std::string_view metric);

}  // namespace millrace::train
