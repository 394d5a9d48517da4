#pragma once

// What is known about an entity, and when: entities, feature views, training sets. The words are
// Feast's.
//
//   {"entities":      [{"name": "plane", "join_keys": ["tailnum"]}],
//    "feature_views": [{"name": "plane_history", "entities": ["plane"], "source": "plane_history",
//                       "timestamp_field": "landed_at", "created_timestamp_column": "delivered_at",
//                       "ttl": "2d", "features": [{"name": "last_delay", "type": "DOUBLE"}]}],
//    "training_sets": [{"name": "training", "labels": "labels", "key": ["flight_id"],
//                       "timestamp": "score_time", "label": "late", "split": "part",
//                       "request_columns": [{"name": "distance", "known_at": "scheduled_at"}],
//                       "entity_columns": [{"name": "tailnum", "known_at": "scheduled_at"},
//                                          {"name": "dest", "known_at": "scheduled_at"}],
//                       "features": ["plane_history:last_delay",
//                                    {"feature": "airport_rates:late_rate", "as": "dest_late_rate",
//                                     "on": {"airport": "dest"}}]}]}

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "base/time.h"
#include "columnar/schema.h"
#include "engine/engine.h"

namespace millrace::features {

/// A thing that features are about, and the columns that say which one.
struct Entity {
  std::string name;
  std::vector<std::string> join_keys;
};

struct ViewFeature {
  std::string name;
  std::optional<columnar::DataType> type;  // when declared, the source must have it
};

/// What a point-in-time join may see of a view's rows at a time t.
enum class Mode : std::uint8_t {
  AsKnown,      // what had happened and was known: event <= t and created <= t
  LatestEvent,  // what had happened, corrections that came later included
};

/// Versions of features: each row says what was true of an entity from an event on.
struct FeatureView {
  std::string name;
  std::vector<std::string> entities;
  std::vector<std::string> join_keys;  // of its entities, in their order
  engine::RelationName source;
  std::string timestamp_field;           // event time; empty: a dimension without time
  std::string created_timestamp_column;  // known-at; empty: known as it happens
  std::string deleted_column;            // true: from this event on there is nothing; or empty
  std::optional<Duration> ttl;           // how long a version holds, counted back from t, inclusive
  Mode mode = Mode::AsKnown;
  std::vector<ViewFeature> features;
};

/// What the caller knows and sends: taken from the label row itself.
struct KnownColumn {
  std::string name;
  /// When it is known: a SQL expression over the label row ("scheduled_at", "departed_at + INTERVAL
  /// 5 MINUTE"). The leak check refuses a column known later than the scoring time.
  std::string known_at;
};

struct FeatureReference {
  std::string view;
  std::string feature;
  std::string alias;  // the column's name in the training rows
  /// Join key of the view -> column of the labels, where they differ ("airport" -> "dest").
  std::vector<std::pair<std::string, std::string>> on;
};

/// Which rows to learn from, and what to know about each at its scoring time.
struct TrainingSet {
  std::string name;
  engine::RelationName labels;
  std::vector<std::string> key;  // columns that together say which label row it is
  std::string timestamp;         // the scoring time
  std::string label;             // the outcome; empty: rows to score, not to learn from
  std::string split;             // which part a row belongs to (training, holdout), or empty
  std::vector<KnownColumn> request_columns;  // inputs of the model
  /// Which plane, which airport: what features are joined by and is no input itself. A column that
  /// is joined by and stands in neither list is refused by the leak check: a label row knows its
  /// outcome, and a key that was made of it would bring it in.
  std::vector<KnownColumn> entity_columns;
  std::vector<FeatureReference> features;
  Duration embargo{0};  // features must have been known this long before the scoring time
};

struct Definitions {
  std::vector<Entity> entities;
  std::vector<FeatureView> views;
  std::vector<TrainingSet> training_sets;
};

/// Adds what a document defines; what is wrong goes into `errors`, all of it, and a definition with
/// a mistake is left out. References to what other documents define are not looked up yet. Errors:
/// Invalid names the place ("feature_views 2 (plane_history): ttl"), what was expected, and the
/// nearest known word.
void read_definitions(const Json& document, Definitions& definitions, std::vector<Error>& errors);

/// Looks up every reference (entities of views, views and features of training sets), fills in join
/// keys, refuses names that stand twice (columns without regard to case) and a request or entity
/// column that is the label. What is wrong goes into `errors`, all of it: Invalid, NotFound with a
/// suggestion.
void resolve(Definitions& definitions, std::vector<Error>& errors);

/// The columns of the labels that the set's features are joined by, each once, in order, whether or
/// not they are declared.
std::vector<std::string> joined_columns(const TrainingSet& set, std::span<const FeatureView> views);
/// Those of them of which nothing says when they were known: a leak check refuses them.
std::vector<std::string> undeclared_joined_columns(const TrainingSet& set,
                                                   std::span<const FeatureView> views);
inline constexpr std::string_view kUndeclaredJoin =
    "features are joined by it, and nothing says when it was known; declare it with its known_at "
    "under entity_columns, or under request_columns when it is an input too";

/// Precondition: resolved.
const FeatureView& view_named(std::string_view name, std::span<const FeatureView> views);

}  // namespace millrace::features
