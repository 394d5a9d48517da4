#pragma once

// Boosted trees scored by walking them: what answers a request of a few rows.
//
// libxgboost needs 60 to 140 microseconds for one row, most of it setting up the call; a walk over
// flattened trees needs 2 to 4. For many rows at once libxgboost is as quick, and it stays the
// judge: Predictor compares the two on the golden rows whenever a model is loaded.
//
// Source: the JSON form of a model (XGBoost 3, doc/model.schema and src/tree/tree_model.cc), and
// the decisions of src/common/categorical.h.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace millrace::model {

/// Immutable and safe from several threads at once.
class TreeWalker {
 public:
  /// Reads a model in XGBoost's JSON form. Errors: Corruption names the tree and what is wrong with
  /// it (a node that is its own ancestor, a child or a feature that does not exist, lists of
  /// different lengths); Unsupported for boosters other than gbtree, trees with several values in a
  /// leaf, and objectives whose scores are none of transform's.
  static Result<TreeWalker> read(std::string_view model_json);

  /// Features of a row.
  std::size_t width() const { return width_; }
  /// Scores of a row: 1, or the number of classes of "multi:softprob".
  std::size_t outputs() const { return base_margins_.size(); }
  std::size_t tree_count() const { return trees_.size(); }

  /// Scores rows of `values`, row-major, a NaN is missing, a category is its code. Returns
  /// outputs() scores for each row, in order. Precondition: whole rows. No allocation but the
  /// result's; sums in the order of the trees, in 32 bits, as libxgboost does.
  std::vector<float> score(std::span<const float> values) const;

 private:
  friend class TreeReader;

  /// What becomes of the sum of a row's leaves.
  enum class Transform : std::uint8_t { Identity, Logistic, Softmax };

  /// A split, or a leaf when `left` is 0: the root is nobody's child. The right child stands behind
  /// the left one.
  struct Node {
    float value = 0;         // of a leaf; the threshold of a numeric split
    std::uint32_t left = 0;  // in nodes_
    std::uint32_t feature : 30 = 0;
    std::uint32_t default_left : 1 = 0;
    std::uint32_t categorical : 1 = 0;
    std::uint32_t categories = 0;  // of a categorical split, in categories_
  };
  struct Tree {
    std::uint32_t root = 0;    // in nodes_
    std::uint32_t output = 0;  // which score it adds to
  };
  /// The categories that go right, as bits from the low end: words_[begin, begin + words).
  struct Categories {
    std::uint32_t begin = 0;
    std::uint32_t words = 0;
  };

  TreeWalker() = default;
  bool goes_left(const Node& node, float value) const;
  float leaf_of(const Tree& tree, const float* row) const;
  void transform(std::span<float> sums) const;

  std::vector<Node> nodes_;
  std::vector<Tree> trees_;
  std::vector<Categories> categories_;
  std::vector<std::uint32_t> words_;
  static constexpr std::uint32_t kWordBits = 32;  // of one in words_
  std::vector<float> base_margins_;               // one for each output
  std::size_t width_ = 0;
  Transform transform_ = Transform::Identity;
};

}  // namespace millrace::model
