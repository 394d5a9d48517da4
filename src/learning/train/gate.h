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
#include "base/time.h"

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

/// The model that serves now.
struct ProductionScore {
  std::int64_t version = 0;
  Instant logical_date;  // of the run that made it
  /// On the same holdout as the candidate's. Not looked at when the version is of a later date: it
  /// has learned from rows of that holdout.
  std::map<std::string, double> metrics = {};
  /// Why it cannot score that holdout, which has lost a feature of its say. Then nothing is compared,
  /// and the candidate is judged by the rest: a model that fits no new rows keeps no other one out.
  std::string unscorable = {};
};

/// What the leak check found; each finding is a sentence that names feature and rows.
struct LeakVerdict {
  std::vector<std::string> findings;
};

struct GateInput {
  std::map<std::string, double> metrics;  // of the candidate, on the holdout
  Instant logical_date;                   // of the run that made the candidate
  Instant now;                            // a logical date after it is one to come
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
  bool accepted = false;  // every check held
  bool promoted = false;  // and no version of a later logical date that has come is in Production
  /// Sentences for people: those that keep the version out of Production first, then the checks
  /// that held.
  std::vector<std::string> reasons;

  Json to_json() const;
};

/// Accepts when every threshold holds, the candidate is not worse than Production, and the leak
/// check, when one was made, found nothing. A metric that is NaN fails its checks.
///
/// A run of an older week is judged as that week would have been: a version in Production of a
/// later logical date is neither compared with (it has seen the holdout) nor replaced. One of a date
/// to come is not compared with either, and is replaced: it would shut out every real week until
/// then. Errors: NotFound with a suggestion for a metric that nobody measured.
Result<GateVerdict> decide_promotion(const GateInput& input);

/// Whether a smaller value of the metric is better: the losses and errors.
bool lower_is_better(std::string_view metric);

}  // namespace millrace::train
