#pragma once

// libxgboost, loaded on first use.
//
// The library is opened with dlopen, so that a program that does not train or score starts without
// its 17 MB, and a broken one breaks only what needs it. It is looked for
//   1. where the environment variable MILLRACE_XGBOOST says,
//   2. at ../lib/millrace/libxgboost.so beside the program,
//   3. where scripts/setup put it when this program was built.
// Versions 3.0 up to, not including, 4 are taken; 3.2.0 is what we build and test with.
//
// The functions are declared in the .cc file, after XGBoost's documented C interface
// (https://xgboost.readthedocs.io/en/stable/dev/c__api_8h.html). Its log is silenced: what matters
// comes back as an Error.

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/feature.h"

namespace millrace::model {

/// "3.2.0". Errors: Unavailable when the library cannot be loaded, with the places that were tried
/// and what to do; Unsupported when it is another major version.
Result<std::string> xgboost_version();

/// Rows as libxgboost keeps them for training. Copies what it is given.
class TrainingMatrix {
 public:
  /// `values` is row-major, a NaN is a missing value; a category is its code. `labels` has one
  /// number per row. Errors: Invalid (lengths, a code that is no category), Unavailable, Exhausted.
  static Result<TrainingMatrix> make(std::span<const float> values, std::span<const float> labels,
                                     const std::vector<Feature>& features, int threads);
  TrainingMatrix(TrainingMatrix&&) noexcept = default;
  TrainingMatrix& operator=(TrainingMatrix&&) noexcept = default;

 private:
  friend class Booster;
  struct Free {
    void operator()(void* handle) const;
  };
  explicit TrainingMatrix(void* handle) : handle_(handle) {}
  std::unique_ptr<void, Free> handle_;
};

/// Boosted trees.
class Booster {
 public:
  /// A booster without trees, to be trained on `training`; `validation` may be absent. Both must
  /// outlive the training.
  static Result<Booster> create(const TrainingMatrix& training, const TrainingMatrix* validation);
  /// `threads` are libxgboost's own, for loading and for each predict. Errors: Corruption when
  /// `ubjson` is damaged; Unsupported for a model of several outputs. What the trees say is
  /// trusted: load what a checksum vouches for.
  static Result<Booster> load(std::string_view ubjson, int threads = 1);
  Booster(Booster&&) noexcept = default;
  Booster& operator=(Booster&&) noexcept = default;

  /// libxgboost looks at parameters only when it uses them, and passes over those that it does not
  /// know: check names before.
  Status set_parameter(const std::string& name, const std::string& value);
  Status set_attribute(const std::string& name, const std::string& value);
  /// Writes the features' names and types into the model; training does not do that by itself.
  Status set_features(const std::vector<Feature>& features);

  /// Adds one round of trees. `round` counts from 0. Errors: Invalid (a parameter, a label).
  Status update(int round, const TrainingMatrix& training);
  /// The value of the parameter eval_metric over `rows`. Errors: Invalid.
  Result<double> evaluate(int round, const TrainingMatrix& rows);
  /// The same model cut to its first `rounds` rounds, without feature names.
  Result<Booster> first_rounds(int rounds) const;

  /// The model in UBJSON, as libxgboost writes it (see booster_format.h).
  Result<std::string> save() const;
  /// The same in JSON, for TreeWalker.
  Result<std::string> save_json() const;
  Result<int> rounds() const;
  Result<std::size_t> feature_count() const;
  /// Empty when the model has no names.
  Result<std::vector<std::string>> feature_names() const;

  /// The scores of each row of the row-major `values`, NaN is missing: one, or with
  /// "multi:softprob" one for each class. Safe from several threads at once. Errors: Invalid (the
  /// width is not feature_count()), Internal.
  Result<std::vector<float>> predict(std::span<const float> values, std::size_t width) const;

 private:
  struct Free {
    void operator()(void* handle) const;
  };
  explicit Booster(void* handle) : handle_(handle) {}
  Result<std::string> save_as(const char* config) const;
  std::unique_ptr<void, Free> handle_;
};

/// The text of a libxgboost error without its time, source line and stack trace.
std::string plain_xgboost_message(std::string_view message);

}  // namespace millrace::model
