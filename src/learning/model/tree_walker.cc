#include "model/tree_walker.h"

#include <algorithm>
#include <cmath>

namespace millrace::model {

namespace {

float logistic(float margin) {
  // exp() of more would be infinite; XGBoost cuts there too (src/common/math.h).
  return 1.0F / (1.0F + std::exp(std::min(-margin, 88.7F)));
}

void softmax(std::span<float> scores) {
  const float greatest = *std::ranges::max_element(scores);
  double sum = 0;
  for (float& score : scores) {
    score = std::exp(score - greatest);
    sum += static_cast<double>(score);
  }
  for (float& score : scores) score /= static_cast<float>(sum);
}

}  // namespace

// A category that the split has not seen goes left: the bits are of those that go right.
bool TreeWalker::goes_left(const Node& node, float value) const {
  if (node.categorical == 0) return value < node.value;
  const Categories& categories = categories_[node.categories];
  if (value < 0 || value >= static_cast<float>(categories.words * kWordBits)) return true;
  const auto code = static_cast<std::uint32_t>(value);
  return (words_[categories.begin + code / kWordBits] >> code % kWordBits & 1U) == 0;
}

float TreeWalker::leaf_of(const Tree& tree, const float* row) const {
  const Node* node = &nodes_[tree.root];
  while (node->left != 0) {
    const float value = row[node->feature];
    const bool left = std::isnan(value) ? node->default_left != 0 : goes_left(*node, value);
    node = &nodes_[node->left + (left ? 0 : 1)];
  }
  return node->value;
}

void TreeWalker::transform(std::span<float> sums) const {
  switch (transform_) {
    case Transform::Identity:
      return;
    case Transform::Logistic:
      for (float& sum : sums) sum = logistic(sum);
      return;
    case Transform::Softmax:
      softmax(sums);
      return;
  }
}

std::vector<float> TreeWalker::score(std::span<const float> values) const {
  INVARIANT(width_ > 0 && values.size() % width_ == 0, "whole rows");
  const std::size_t rows = values.size() / width_;
  std::vector<float> scores;
  scores.reserve(rows * outputs());
  for (std::size_t row = 0; row < rows; ++row) {
    scores.insert(scores.end(), base_margins_.begin(), base_margins_.end());
    const std::span<float> sums(scores.end() - static_cast<std::ptrdiff_t>(outputs()),
                                scores.end());
    for (const Tree& tree : trees_)
      sums[tree.output] += leaf_of(tree, values.data() + row * width_);
    transform(sums);
  }
  return scores;
}

}  // namespace millrace::model
