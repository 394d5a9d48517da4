#pragma once

// The point-in-time join: each label row with the features that could be known at its scoring time.
//
// What it promises:
//   1. Every label row comes out exactly once, also when it has no features, or a twin.
//   2. For a label with entity k at time t, a version of k is a candidate when its event time e <=
//      t - embargo and, in as-known mode with a created column c, c <= t - embargo. A version
//      without e, or without c, is never one.
//   3. Of the candidates the one with the greatest e wins; then the greatest c; then a deleted one;
//      then the greatest values of the view's features, in the order in which they are declared; a
//      null is less than any value, NaN is greater. So two versions that are alike in everything
//      give the same values, whatever file or row they stand in: a table that was compacted or
//      landed again gives the same bytes.
//   4. The winner's values are used even when they are null. A deleted winner gives nulls, and so
//      does one whose e < t - ttl: a version of exactly that age still holds. Age is counted from
//      t, never from the time at which the join runs.
//   5. A key with a null or NaN part gives nulls.
//   6. A view without a timestamp is joined by its key alone. The key should be unique
//      (check_dimensions); should it not be, the greatest values win, as in 3, so that promise 1
//      holds.
//   7. The answer is ordered by the label's key, then by the other columns of the label.
//
// Method: a version becomes available at a = max(e, c). Of the versions of a key
// in the order (a, e, c, deleted, values) only those stay that are the best so far when they
// arrive: the last of its a whose e is no less than any before. Then one ASOF join per view on a <=
// t - embargo finds the winner. That comparing e is enough: with equal e a later a means a later c.
// Measured: README.md of this room.

#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/engine.h"
#include "features/feature_view.h"

namespace millrace::features {

/// A training set whose relations were looked up: it can be written as SQL as often as is needed.
class PointInTimeJoin {
 public:
  /// Looks up the columns of the labels and of the views' sources in the session, without reading
  /// rows. Errors: Invalid or NotFound (with a suggestion) when a column is not there, a time is no
  /// time, a join key's type differs from the label's, a declared feature type from the source's;
  /// and those of Session::bind. Of several mistakes the first.
  static Result<PointInTimeJoin> bind(engine::Session& session, const TrainingSet& set,
                                      std::span<const FeatureView> views);
  /// All that bind() would refuse, each mistake once. Messages begin with what is to be mended,
  /// "training set late: " or "feature view weather: ".
  static std::vector<Error> check(engine::Session& session, const TrainingSet& set,
                                  std::span<const FeatureView> views);

  struct Options {
    /// Asked instead of the labels' relation: it has the same columns as far as they are used.
    engine::RelationName labels;
    /// Column of the labels -> SQL literals: rows of the views for other entities are left out
    /// early. Sound when the labels hold no others.
    std::map<std::string, std::vector<std::string>> entities;
  };
  /// One SELECT. Its columns: the key, what is joined by, the timestamp, the label, the split, the
  /// request columns (each once), then the features by alias. No other column of the labels comes
  /// through: nothing would say when it is known.
  std::string select() const { return select(Options{}); }
  std::string select(const Options& options) const;

  /// The columns before the features.
  const std::vector<std::string>& label_columns() const { return label_columns_; }
  const TrainingSet& set() const { return set_; }

 private:
  struct JoinKey {
    std::string view_column;
    std::string label_column;
    bool floating = false;
  };
  struct View {
    FeatureView view;
    std::vector<JoinKey> keys;
    std::vector<FeatureReference> references;
  };
  /// As far as it can be done; what is wrong goes into `errors`.
  static PointInTimeJoin bind_all(engine::Session& session, const TrainingSet& set,
                                  std::span<const FeatureView> views, std::vector<Error>& errors);
  void bind_labels(const columnar::Schema& labels, std::span<const FeatureView> views,
                   std::vector<Error>& errors);
  static std::vector<JoinKey> bind_keys(const FeatureReference& reference, const FeatureView& view,
                                        const columnar::Schema& source,
                                        const columnar::Schema& labels, const std::string& place,
                                        std::vector<Error>& errors);
  /// The join keys as SQL: selected under our names, these names, and which rows have them.
  struct KeyText {
    std::string select;
    std::string names;
    std::string where;
  };
  static KeyText key_text(const View& view, const Options& options);
  std::string versions(const View& view, const Options& options) const;
  std::string dimension(const View& view, const Options& options) const;
  std::string join(const View& view, std::size_t i) const;
  std::string output(const View& view, std::size_t i, const FeatureReference& reference) const;

  TrainingSet set_;
  std::vector<std::string> label_columns_;
  std::vector<View> views_;
};

/// Whether the views without a timestamp that the set uses have one row for each key (rows that are
/// alike in all features count as one). Reads these views. Errors: DataQuality names the view, how
/// many keys, and one of them.
Status check_dimensions(engine::Session& session, const TrainingSet& set,
                        std::span<const FeatureView> views);

}  // namespace millrace::features
