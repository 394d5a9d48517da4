#pragma once

// The leak check: would the training rows look the same, had they been made at the time?
//
// A leak is a feature that holds something that was not known at the scoring time. It need not look
// like one: an average over the day of the flight, a window frame that reaches one row ahead, a
// dimension overwritten since. So nothing is inferred from names, timestamps or the text of the
// SQL. For some training rows every feature is made again by the same SQL, on base tables cut to
// the rows that had been delivered by the row's scoring time, and compared. Any difference is a
// leak; null against a value is one, NaN against NaN is none.
//
// FLOAT and DOUBLE alone are compared with a tolerance: the last digits of an average depend on the
// order in which the engine adds up the rows, and that on what else is in the table. A difference
// counts when it is more than a billionth of the larger of the two values or of the feature's
// greatest magnitude among the sampled rows (a difference of two large sums has the error of those).
//
// The label row itself had no outcome yet: only its key, its scoring time, the declared request
// columns and the columns that features are joined by are taken from the recorded row. The latter
// two pick what the model sees, so each says when it is known, and is refused when it does not, or
// when that is after the scoring time.
//
// What it cannot see:
//   - Rows whose time of delivery is wrong. A base table that was overwritten in place, keeping the
//     old time of delivery, looks as if it had always been so.
//   - A known_at that is not true, and a scoring time that depends on the outcome: both are taken
//     on trust.
//   - Rows that were not sampled. A leak in one of 10,000 rows needs a sample of that size.
//   - What was deleted from a base table. The cut table has no row that the whole one lacks.
//   - In a DOUBLE, what is smaller than the tolerance: a feature that stands at 1e18 for "never" hides
//     differences of 1e9. Null says "never" better.
// And what it sees beside leaks: a feature that does not come out twice alike (random(), now()).
// Those are reported too, since the training rows cannot be reproduced.

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "engine/engine.h"
#include "features/feature_view.h"

namespace millrace::features {

/// A base table and its column that says when a row was delivered (a TIMESTAMP with or without
/// zone; a date would hide what came later that day).
struct AvailableTable {
  engine::RelationName name;
  std::string available_at;
};

struct LeakCheck {
  std::vector<AvailableTable> bases;  // relations of the session that hold all rows
  /// SQL models in the order in which they depend on each other: name, SELECT.
  std::vector<std::pair<engine::RelationName, std::string>> views;
  TrainingSet set;
  std::vector<FeatureView> feature_views;
  engine::RelationName training;  // the training rows as they were recorded
  int sample = 24;                // rows to check, from each part alike; 1..10,000
  std::uint64_t seed = 0;
  /// Called before the tables are cut to each scoring time, with how many were done of how many.
  std::function<void(std::int64_t done, std::int64_t of)> progress;
};

struct LeakExample {
  Json key;                  // {column: value}
  std::string scoring_time;  // "2013-03-01T05:00:00Z"
  Json recorded;
  Json recomputed;
};

struct Leak {
  std::string feature;  // the column of the training rows
  std::int64_t rows_differing = 0;
  std::vector<LeakExample> examples;  // at most 5, those that differ most first
};

/// A column that may not be there at all.
struct RefusedColumn {
  std::string column;
  std::string why;
};

struct LeakReport {
  bool passed = false;
  std::int64_t sampled = 0;
  std::int64_t scoring_times = 0;  // how often the tables were cut
  std::vector<Leak> leaks;
  std::vector<RefusedColumn> refused;  // known too late, or nobody says when
};

/// Checks. The session should serve this alone: bases and views are defined anew in it, over copies
/// whose names begin with leak_check_. Rows are picked by the hash of key and seed, so a check
/// repeats. Errors: Invalid when a base table declares no time of delivery, a model reads a
/// relation that is neither base nor view (it could not be cut), or a definition does not fit;
/// NotFound when the training rows lack a column of the set; DataQuality when they are none. Cost:
/// the models once for each different scoring time in the sample, for its entities only where the
/// engine can push that down; the base tables once in memory (they spill).
Result<LeakReport> check_leaks(engine::Session& session, const LeakCheck& check);

Json to_json(const LeakReport& verdict);

/// One line for people, with the row that differs most: "dest_late_rate differs in 23 of 24 rows:
/// flight 8012 scored at 2013-03-01T05:00:00Z recorded 0.41, could have known 0.35".
std::string describe(const Leak& leak, const LeakReport& verdict);

}  // namespace millrace::features
