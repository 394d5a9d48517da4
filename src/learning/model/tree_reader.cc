// From XGBoost's JSON to flattened trees. Everything is checked here, so that a walk needs no check:
// its children exist, no node is reached twice, its features are within a row.

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include <fmt/core.h>
#include <simdjson.h>

#include "model/feature.h"
#include "model/tree_walker.h"

namespace millrace::model {

namespace dom = simdjson::dom;

namespace {

constexpr std::size_t kMaxOutputs = 10'000;

Error broken(std::string message) {
  return Error(ErrorCode::Corruption, "not an XGBoost model in JSON: " + std::move(message));
}

Result<dom::element> member(dom::element object, std::string_view pointer) {
  dom::element found;
  if (object.at_pointer(pointer).get(found) != simdjson::SUCCESS)
    return broken(fmt::format("no '{}'", pointer));
  return found;
}

Result<std::string_view> text(dom::element object, std::string_view pointer) {
  std::string_view found;
  if (TRY(member(object, pointer)).get(found) != simdjson::SUCCESS)
    return broken(fmt::format("'{}' is no text", pointer));
  return found;
}

/// XGBoost writes its parameters as text.
template <typename Number>
Result<Number> number(dom::element object, std::string_view pointer) {
  const std::string_view digits = TRY(text(object, pointer));
  Number value{};
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size() || value < 0)
    return broken(fmt::format("'{}' is '{}'", pointer, digits.substr(0, 100)));
  return value;
}

Result<std::vector<std::int64_t>> integers(dom::element tree, std::string_view pointer) {
  dom::array array;
  if (TRY(member(tree, pointer)).get(array) != simdjson::SUCCESS)
    return broken(fmt::format("'{}' is no list", pointer));
  std::vector<std::int64_t> values;
  for (const dom::element element : array) {
    std::int64_t value = 0;
    bool flag = false;
    if (element.get(flag) == simdjson::SUCCESS)
      value = flag ? 1 : 0;
    else if (element.get(value) != simdjson::SUCCESS)
      return broken(fmt::format("'{}' holds what is no integer", pointer));
    values.push_back(value);
  }
  return values;
}

Result<std::vector<float>> floats(dom::element tree, std::string_view pointer) {
  dom::array array;
  if (TRY(member(tree, pointer)).get(array) != simdjson::SUCCESS)
    return broken(fmt::format("'{}' is no list", pointer));
  std::vector<float> values;
  for (const dom::element element : array) {
    double value = 0;
    if (element.get(value) != simdjson::SUCCESS)
      return broken(fmt::format("'{}' holds what is no number", pointer));
    values.push_back(static_cast<float>(value));
  }
  return values;
}

/// The lists of one tree: entry i is of node i.
struct Lists {
  std::vector<std::int64_t> left, right, feature, default_left, categorical;
  std::vector<float> value;  // the threshold of a split, the value of a leaf
  std::vector<std::int64_t> category_nodes, category_begins, category_sizes, categories;
};

Result<Lists> read_lists(dom::element tree) {
  Lists lists;
  lists.left = TRY(integers(tree, "/left_children"));
  lists.right = TRY(integers(tree, "/right_children"));
  lists.feature = TRY(integers(tree, "/split_indices"));
  lists.default_left = TRY(integers(tree, "/default_left"));
  lists.categorical = TRY(integers(tree, "/split_type"));
  lists.value = TRY(floats(tree, "/split_conditions"));
  lists.category_nodes = TRY(integers(tree, "/categories_nodes"));
  lists.category_begins = TRY(integers(tree, "/categories_segments"));
  lists.category_sizes = TRY(integers(tree, "/categories_sizes"));
  lists.categories = TRY(integers(tree, "/categories"));
  const std::size_t nodes = lists.left.size();
  for (const std::size_t length :
       {lists.right.size(), lists.feature.size(), lists.default_left.size(),
        lists.categorical.size(), lists.value.size()})
    if (length != nodes || nodes == 0) return broken("its lists have different lengths, or none");
  if (lists.category_begins.size() != lists.category_nodes.size() ||
      lists.category_sizes.size() != lists.category_nodes.size())
    return broken("its lists of categories have different lengths");
  return lists;
}

/// "3.7E-1", or since XGBoost 3.1 "[3.7E-1]", with one number for each output.
Result<std::vector<float>> read_base_scores(std::string_view written) {
  std::string_view rest = written;
  if (rest.starts_with('[') && rest.ends_with(']')) rest = rest.substr(1, rest.size() - 2);
  std::vector<float> scores;
  while (!rest.empty()) {
    float score = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), score);
    if (error != std::errc() || !std::isfinite(score)) break;
    scores.push_back(score);
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
    if (rest.starts_with(',')) rest.remove_prefix(1);
  }
  if (!rest.empty() || scores.empty())
    return broken(fmt::format("the base_score is '{}'", written.substr(0, 100)));
  return scores;
}

}  // namespace

/// Fills a walker.
class TreeReader {
 public:
  Result<TreeWalker> read(std::string_view model_json) {
    dom::parser parser;
    dom::element document;
    const simdjson::padded_string padded(model_json);
    if (const auto error = parser.parse(padded).get(document); error != simdjson::SUCCESS)
      return broken(simdjson::error_message(error));
    const dom::element learner = TRY(member(document, "/learner"));
    TRY(read_objective(learner));
    TRY(read_trees(learner));
    return std::move(walker_);
  }

 private:
  Status read_objective(dom::element learner) {
    const std::string_view objective = TRY(text(learner, "/objective/name"));
    using Transform = TreeWalker::Transform;
    if (objective == "binary:logistic" || objective == "reg:logistic")
      walker_.transform_ = Transform::Logistic;
    else if (objective == "multi:softprob")
      walker_.transform_ = Transform::Softmax;
    else if (objective == "binary:logitraw" || objective == "reg:squarederror" ||
             objective == "reg:absoluteerror" || objective == "reg:pseudohubererror")
      walker_.transform_ = Transform::Identity;
    else
      return Error(ErrorCode::Unsupported,
                   fmt::format("scores of the objective '{}' are left to libxgboost", objective));

    walker_.width_ = TRY(number<std::size_t>(learner, "/learner_model_param/num_feature"));
    const auto classes = TRY(number<std::size_t>(learner, "/learner_model_param/num_class"));
    const std::size_t outputs = std::max<std::size_t>(classes, 1);
    if (walker_.width_ == 0 || outputs > kMaxOutputs)
      return broken(fmt::format("{} features and {} classes", walker_.width_, classes));
    std::vector<float> scores =
        TRY(read_base_scores(TRY(text(learner, "/learner_model_param/base_score"))));
    if (scores.size() == 1) scores.resize(outputs, scores[0]);
    if (scores.size() != outputs)
      return broken(fmt::format("{} base scores for {} outputs", scores.size(), outputs));
    // Before the transform a probability p was log(p / (1 - p)); libxgboost keeps it off 0 and 1,
    // which a model of one class has (src/objective/regression_loss.h).
    if (walker_.transform_ == Transform::Logistic)
      for (float& score : scores)
        score = -std::log(1.0F / std::clamp(score, 1e-6F, 1.0F - 1e-6F) - 1.0F);
    walker_.base_margins_ = std::move(scores);
    return {};
  }

  Status read_trees(dom::element learner) {
    const std::string_view booster = TRY(text(learner, "/gradient_booster/name"));
    if (booster != "gbtree")
      return Error(ErrorCode::Unsupported,
                   fmt::format("scores of the booster '{}' are left to libxgboost", booster));
    const dom::element model = TRY(member(learner, "/gradient_booster/model"));
    const std::vector<std::int64_t> outputs = TRY(integers(model, "/tree_info"));
    dom::array trees;
    if (TRY(member(model, "/trees")).get(trees) != simdjson::SUCCESS)
      return broken("'/trees' is no list");
    std::size_t at = 0;
    for (const dom::element tree : trees) {
      if (at >= outputs.size() || outputs[at] < 0 ||
          static_cast<std::size_t>(outputs[at]) >= walker_.outputs())
        return broken(fmt::format("tree {} adds to no output", at));
      TRY_DOING(fmt::format("tree {}", at),
                read_tree(tree, static_cast<std::uint32_t>(outputs[at])));
      ++at;
    }
    if (at != outputs.size())
      return broken(fmt::format("{} trees, {} outputs", at, outputs.size()));
    return {};
  }

  Status read_tree(dom::element tree, std::uint32_t output) {
    if (TRY(number<std::size_t>(tree, "/tree_param/size_leaf_vector")) > 1)
      return Error(ErrorCode::Unsupported,
                   "trees with several values in a leaf are left to libxgboost");
    const Lists lists = TRY(read_lists(tree));
    std::vector<std::uint32_t> categories_of;
    TRY(read_categories(lists, categories_of));
    const std::size_t root = walker_.nodes_.size();
    if (root + lists.left.size() > std::numeric_limits<std::uint32_t>::max())
      return broken("more nodes than 32 bits count");
    walker_.trees_.push_back({static_cast<std::uint32_t>(root), output});
    // Breadth first: `order[i]` is the node that becomes nodes_[root + i], children side by side.
    std::vector<std::size_t> order = {0};
    std::vector<bool> reached(lists.left.size(), false);
    for (std::size_t i = 0; i < order.size(); ++i) {
      if (reached[order[i]]) return broken(fmt::format("node {} has two parents", order[i]));
      reached[order[i]] = true;
      TreeWalker::Node node = TRY(read_node(lists, order[i], categories_of));
      if (lists.left[order[i]] != -1) {
        node.left = static_cast<std::uint32_t>(root + order.size());
        order.push_back(static_cast<std::size_t>(lists.left[order[i]]));
        order.push_back(static_cast<std::size_t>(lists.right[order[i]]));
      }
      walker_.nodes_.push_back(node);
    }
    return {};
  }

  Result<TreeWalker::Node> read_node(const Lists& lists, std::size_t at,
                                     const std::vector<std::uint32_t>& categories_of) const {
    TreeWalker::Node node;
    node.value = lists.value[at];
    if (lists.left[at] == -1) return node;
    const auto nodes = static_cast<std::int64_t>(lists.left.size());
    for (const std::int64_t child : {lists.left[at], lists.right[at]})
      if (child < 1 || child >= nodes)
        return broken(fmt::format("node {} has no child {}", at, child));
    if (lists.feature[at] < 0 || static_cast<std::size_t>(lists.feature[at]) >= walker_.width_)
      return broken(fmt::format("node {} splits at feature {}", at, lists.feature[at]));
    node.feature = static_cast<std::uint32_t>(lists.feature[at]) & 0x3FFF'FFFFU;
    node.default_left = lists.default_left[at] != 0 ? 1 : 0;
    if (lists.categorical[at] == 0) return node;
    if (categories_of[at] == kNone) return broken(fmt::format("node {} has no categories", at));
    node.categorical = 1;
    node.categories = categories_of[at];
    return node;
  }

  static constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();

  /// Appends the tree's sets; `of` becomes, for each node, its set in categories_.
  Status read_categories(const Lists& lists, std::vector<std::uint32_t>& of) {
    of.assign(lists.left.size(), kNone);
    for (std::size_t i = 0; i < lists.category_nodes.size(); ++i) {
      const std::int64_t node = lists.category_nodes[i];
      const std::int64_t begin = lists.category_begins[i];
      const std::int64_t size = lists.category_sizes[i];
      const auto all = static_cast<std::int64_t>(lists.categories.size());
      if (node < 0 || static_cast<std::size_t>(node) >= of.size() || begin < 0 || size < 0 ||
          begin > all || size > all - begin)
        return broken(fmt::format("the categories of node {}", node));
      of[static_cast<std::size_t>(node)] = static_cast<std::uint32_t>(walker_.categories_.size());
      TRY(append_categories(
          std::span(lists.categories)
              .subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(size))));
    }
    return {};
  }

  Status append_categories(std::span<const std::int64_t> codes) {
    std::vector<std::uint32_t>& words = walker_.words_;
    const std::size_t begin = words.size();
    for (const std::int64_t code : codes) {
      if (code < 0 || code >= static_cast<std::int64_t>(kMaxCategories))
        return broken(fmt::format("a category {}", code));
      const std::size_t word = begin + static_cast<std::size_t>(code) / TreeWalker::kWordBits;
      if (word >= words.size()) words.resize(word + 1, 0);
      words[word] |= 1U << static_cast<std::uint32_t>(code) % TreeWalker::kWordBits;
    }
    walker_.categories_.push_back(
        {static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(words.size() - begin)});
    return {};
  }

  TreeWalker walker_;
};

Result<TreeWalker> TreeWalker::read(std::string_view model_json) {
  return TreeReader().read(model_json);
}

}  // namespace millrace::model
