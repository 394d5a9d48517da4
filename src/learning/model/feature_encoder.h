#pragma once

// From rows to the numbers that trees compare.
//
// Training and serving come through here and nowhere else, so that a value means the same to both:
// numbers become 32-bit floats, a category becomes its position in the sorted list, missing values
// become NaN. What cannot be a feature's value (text in a number, NaN or infinity, a number beyond
// a float) is refused with its row and feature, never replaced.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "columnar/record_batch.h"
#include "model/feature.h"

namespace millrace::model {

/// Encoded rows, row-major; a NaN is a missing value.
struct FeatureRows {
  std::vector<float> values;
  std::size_t width = 0;

  std::size_t row_count() const { return width == 0 ? 0 : values.size() / width; }
};

/// The features that columns of a table make: text is a category, as is every column that `names`
/// lists in `categorical`; numbers and booleans are numbers. The categories are still empty.
/// Errors: NotFound with a suggestion; Unsupported for dates, moments, binary and nested columns.
Result<std::vector<Feature>> features_of(const columnar::Schema& schema,
                                         const std::vector<std::string>& names,
                                         const std::vector<std::string>& categorical);

class FeatureEncoder {
 public:
  /// Errors: Invalid, see check_features.
  static Result<FeatureEncoder> make(std::vector<Feature> features);
  FeatureEncoder(FeatureEncoder&&) noexcept;
  FeatureEncoder& operator=(FeatureEncoder&&) noexcept;
  ~FeatureEncoder();

  const std::vector<Feature>& features() const;
  /// Without regard to case, as columns are found.
  std::optional<std::size_t> find(std::string_view name) const;
  /// The same. Errors: NotFound with a suggestion.
  Result<std::size_t> index_of(std::string_view name) const;

  /// Whether rows of these columns can be encoded. Errors: NotFound (a column, with a suggestion),
  /// Invalid (a column's type).
  Status check_columns(const columnar::Schema& columns) const;

  /// The features' columns of the batch, found by name; other columns do not matter. Errors:
  /// NotFound (a column, with a suggestion), Invalid (a column's type; row and feature of a value).
  Result<FeatureRows> encode(const columnar::RecordBatch& batch) const;

  // One value. `row` counts from 1 and is for the message.
  Result<float> encode(std::size_t feature, const Json& value, std::size_t row) const;
  /// A field of a CSV line: empty is missing.
  Result<float> encode_text(std::size_t feature, std::string_view field, std::size_t row) const;

  /// The value that encodes to this number: null, a number, or a category's text.
  Json decode(std::size_t feature, float value) const;

 private:
  friend class FeatureLearner;
  struct State;
  explicit FeatureEncoder(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Encodes a table batch by batch and learns the categories on the way. Their codes are provisional
/// until finish().
class FeatureLearner {
 public:
  /// `features` come from features_of. Errors: Invalid.
  static Result<FeatureLearner> make(std::vector<Feature> features);
  FeatureLearner(FeatureLearner&&) noexcept;
  ~FeatureLearner();

  /// `first_row` is the number of the batch's first row, for messages. Errors: those of encode;
  /// Exhausted when a feature has more than kMaxCategories.
  Status append(const columnar::RecordBatch& batch, std::size_t first_row = 1);

  struct Learned {
    FeatureEncoder encoder;
    FeatureRows rows;
  };
  /// Sorts the categories that occur in the rows of which `learn_from` is true (one entry per
  /// appended row) and gives all rows their final codes; a category that occurs elsewhere only
  /// becomes missing, as it would when served. The result does not depend on how the rows were cut
  /// into batches.
  Result<Learned> finish(const std::vector<bool>& learn_from) &&;

  std::size_t row_count() const;

 private:
  struct State;
  explicit FeatureLearner(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace millrace::model
