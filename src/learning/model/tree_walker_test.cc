#include "model/tree_walker.h"

#include <cmath>
#include <limits>
#include <set>

#include <fmt/core.h>
#include <gtest/gtest.h>

#include "model/sample_model_fixture.h"
#include "model/xgboost_library.h"

namespace millrace::model {
namespace {

constexpr float kMissing = std::numeric_limits<float>::quiet_NaN();
constexpr std::size_t kRows = 600;
constexpr std::size_t kWidth = 3;
constexpr std::size_t kCategories = 40;

/// Two numbers and one of `categories`, a tenth of each missing.
std::vector<float> some_rows(std::size_t categories = kCategories) {
  std::vector<float> values;
  std::uint32_t state = 1;
  const auto next = [&] { return (state = state * 1664525U + 1013904223U) >> 8U; };
  for (std::size_t i = 0; i < kRows * kWidth; ++i) {
    const float drawn = i % kWidth == 2 ? static_cast<float>(next() % categories)
                                        : static_cast<float>(next() % 10'000) / 100;
    values.push_back(next() % 10 == 0 ? kMissing : drawn);
  }
  return values;
}

std::vector<Feature> its_features(std::size_t categories = kCategories) {
  std::vector<Feature> features = {{.name = "a", .type = "DOUBLE"},
                                   {.name = "b", .type = "DOUBLE"},
                                   {.name = "c", .type = "VARCHAR"}};
  for (std::size_t code = 0; code < categories; ++code)
    features[2].categories.push_back(fmt::format("c{:04}", code));
  return features;
}

struct Objective {
  const char* name;
  int classes;
};

/// Six rounds over some_rows(categories); the labels depend on all three features.
Booster trained_for(const Objective& objective, const std::vector<float>& values,
                    std::size_t categories = kCategories) {
  std::vector<float> labels;
  for (std::size_t row = 0; row < kRows; ++row) {
    const float* x = &values[row * kWidth];
    const int sum = (x[0] > 50 ? 1 : 0) + (x[1] > 30 ? 1 : 0) + (std::fmod(x[2], 3.0F) > 0 ? 1 : 0);
    labels.push_back(static_cast<float>(objective.classes > 0 ? sum % objective.classes : sum / 2));
  }
  const TrainingMatrix matrix = *TrainingMatrix::make(values, labels, its_features(categories), 1);
  Booster booster = *Booster::create(matrix, nullptr);
  for (const auto& [name, value] :
       std::vector<std::pair<std::string, std::string>>{{"objective", objective.name},
                                                        {"max_depth", "4"},
                                                        {"nthread", "1"},
                                                        {"max_cat_to_onehot", "4"}})
    EXPECT_TRUE(booster.set_parameter(name, value).ok());
  if (objective.classes > 0) {
    EXPECT_TRUE(booster.set_parameter("num_class", std::to_string(objective.classes)).ok());
  }
  for (int round = 0; round < 6; ++round) {
    const Status updated = booster.update(round, matrix);
    EXPECT_TRUE(updated.ok()) << updated.error().message();
  }
  return booster;
}

TEST(TreeWalker, ScoresAsLibxgboostDoes) {
  const std::vector<float> values = some_rows();
  for (const Objective& objective :
       {Objective{"binary:logistic", 0}, Objective{"multi:softprob", 3},
        Objective{"reg:squarederror", 0}, Objective{"binary:logitraw", 0}}) {
    SCOPED_TRACE(objective.name);
    const Booster booster = trained_for(objective, values);
    const std::vector<float> expected = *booster.predict(values, kWidth);
    const auto walker = TreeWalker::read(*booster.save_json());
    ASSERT_TRUE(walker.ok()) << walker.error().message();
    EXPECT_EQ(walker->outputs(), static_cast<std::size_t>(std::max(objective.classes, 1)));
    EXPECT_EQ(walker->width(), kWidth);
    const std::vector<float> scores = walker->score(values);
    ASSERT_EQ(scores.size(), expected.size());
    for (std::size_t i = 0; i < scores.size(); ++i) ASSERT_NEAR(scores[i], expected[i], 1e-6) << i;
    EXPECT_GT(std::set(scores.begin(), scores.end()).size(), 20U);
  }
}

/// Rows that a training never has: `values` with another third number in each.
std::vector<float> with_category(std::vector<float> values, float code) {
  for (std::size_t at = 2; at < values.size(); at += kWidth) values[at] = code;
  return values;
}

TEST(TreeWalker, ScoresEveryCategoryAsLibxgboostDoes) {
  const struct {
    const char* why;
    std::size_t categories;
  } cases[] = {
      {"one category against the others", 3},
      {"a set of categories", kCategories},
      {"sets of several words", 100},
      {"more categories than bins", 400},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.why);
    const std::vector<float> values = some_rows(c.categories);
    const Booster booster = trained_for({"binary:logistic", 0}, values, c.categories);
    const TreeWalker walker = *TreeWalker::read(*booster.save_json());
    const auto all = static_cast<float>(c.categories);
    // Those of the training, missing ones in all rows, then codes that the model has no word for:
    // the next ones, one beyond each set, and the greatest that a 32-bit float counts exactly.
    for (const float code :
         {0.0F, 1.0F, all - 1, kMissing, all, all + 1, all + 31, 2 * all + 64, 16'777'215.0F}) {
      SCOPED_TRACE(code);
      const std::vector<float> rows = with_category(values, code);
      const std::vector<float> expected = *booster.predict(rows, kWidth);
      const std::vector<float> scores = walker.score(rows);
      ASSERT_EQ(scores.size(), expected.size());
      for (std::size_t i = 0; i < scores.size(); ++i)
        ASSERT_NEAR(scores[i], expected[i], 1e-6) << "row " << i;
    }
  }
}

TEST(TreeWalker, ScoresARowOfWhichNothingIsKnownAsLibxgboostDoes) {
  const std::vector<float> values = some_rows();
  const Booster booster = trained_for({"binary:logistic", 0}, values);
  const std::vector<float> nothing(kWidth, kMissing);
  EXPECT_NEAR(TreeWalker::read(*booster.save_json())->score(nothing)[0],
              booster.predict(nothing, kWidth)->at(0), 1e-6);
}

TEST(TreeWalker, ScoresAModelOfOneClassAsLibxgboostDoes) {
  const std::vector<float> values = some_rows();
  for (const float label : {0.0F, 1.0F}) {
    const std::vector<float> labels(kRows, label);
    const TrainingMatrix matrix = *TrainingMatrix::make(values, labels, its_features(), 1);
    Booster booster = *Booster::create(matrix, nullptr);
    ASSERT_TRUE(booster.set_parameter("objective", "binary:logistic").ok());
    ASSERT_TRUE(booster.update(0, matrix).ok());
    const auto walker = TreeWalker::read(*booster.save_json());
    ASSERT_TRUE(walker.ok()) << walker.error().message();
    EXPECT_NEAR(walker->score(values)[0], (*booster.predict(values, kWidth))[0], 1e-7);
  }
}

/// One tree: a split at the category of feature 0, {2, 33} go right; then at feature 1 < 0.5.
/// `with` replaces parts of it.
std::string small_model(const std::vector<std::pair<std::string, std::string>>& with = {}) {
  std::string model =
      R"({"learner":{"objective":{"name":"reg:squarederror"},"learner_model_param":)"
      R"({"base_score":"1E1","num_class":"0","num_feature":"2"},"gradient_booster":{"name":"gbtree",)"
      R"("model":{"tree_info":[0],"trees":[{"tree_param":{"size_leaf_vector":"1"},)"
      R"("left_children":[1,-1,3,-1,-1],"right_children":[2,-1,4,-1,-1],"split_indices":[0,0,1,0,0],)"
      R"("default_left":[0,0,1,0,0],"split_type":[1,0,0,0,0],"split_conditions":[0,1,0.5,2,3],)"
      R"("categories_nodes":[0],"categories_segments":[0],"categories_sizes":[2],"categories":[2,33]}]}}}})";
  for (const auto& [from, to] : with) {
    const std::size_t at = model.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    model.replace(at, from.size(), to);
  }
  return model;
}

TEST(TreeWalker, FollowsCategoriesDefaultsAndThresholds) {
  const TreeWalker walker = *TreeWalker::read(small_model());
  const struct {
    const char* why;
    float category, number, score;
  } cases[] = {
      {"not among those that go right", 3, 0, 11},
      {"among them, below the threshold", 2, 0.4F, 12},
      {"among them, at the threshold", 33, 0.5F, 13},
      {"missing category goes right by default", kMissing, 0.9F, 13},
      {"missing number goes left by default", 2, kMissing, 12},
      {"beyond the set's words", 64, 0.9F, 11},
      {"beyond all sets", 3e9F, 0.9F, 11},
      {"no category", -1, 0.9F, 11},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.why);
    EXPECT_EQ(walker.score(std::vector<float>{c.category, c.number}), std::vector<float>{c.score});
  }
}

TEST(TreeWalker, RefusesTreesThatNoWalkWouldEndIn) {
  const struct {
    const char* from;
    const char* to;
    const char* says;
  } cases[] = {
      {R"("left_children":[1,-1,3)", R"("left_children":[1,-1,0)", "node 2 has no child 0"},
      {R"("left_children":[1,-1,3)", R"("left_children":[1,-1,2)", "has two parents"},
      {R"("left_children":[1,-1,3)", R"("left_children":[1,-1,9)", "node 2 has no child 9"},
      {R"("left_children":[1,-1,3)", R"("left_children":[1,-1,1)", "has two parents"},
      {R"("right_children":[2)", R"("right_children":[-1)", "node 0 has no child -1"},
      {R"("right_children":[2,-1)", R"("right_children":[2)", "different lengths"},
      {R"("split_indices":[0,0,1)", R"("split_indices":[0,0,2)", "splits at feature 2"},
      {R"("categories_nodes":[0])", R"("categories_nodes":[1])", "node 0 has no categories"},
      {R"("categories_sizes":[2])", R"("categories_sizes":[3])", "the categories of node 0"},
      {R"("categories":[2,33])", R"("categories":[2,-3])", "a category -3"},
      {R"("categories":[2,33])", R"("categories":[2,999999999])", "a category 999999999"},
      {R"("tree_info":[0])", R"("tree_info":[1])", "tree 0 adds to no output"},
      {R"("tree_info":[0])", R"("tree_info":[0,0])", "1 trees, 2 outputs"},
      {R"("base_score":"1E1")", R"("base_score":"[1,2]")", "2 base scores for 1 outputs"},
      {R"("base_score":"1E1")", R"("base_score":"nan")", "base_score"},
      {R"("num_feature":"2")", R"("num_feature":"-2")", "num_feature"},
      {R"("split_conditions":[0)", R"("split_conditions":["x")", "no number"},
      {R"({"learner")", R"({"lerner")", "learner"},
      {R"({"learner")", R"(["learner")", ""},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.to);
    const auto refused = TreeWalker::read(small_model({{c.from, c.to}}));
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code(), ErrorCode::Corruption);
    EXPECT_NE(refused.error().message().find(c.says), std::string::npos)
        << refused.error().message();
  }
}

TEST(TreeWalker, LeavesOtherModelsToLibxgboost) {
  const std::pair<const char*, const char*> cases[] = {
      {"reg:squarederror", "count:poisson"},
      {R"("name":"gbtree")", R"("name":"dart")"},
      {R"("size_leaf_vector":"1")", R"("size_leaf_vector":"3")"},
  };
  for (const auto& [from, to] : cases)
    EXPECT_EQ(TreeWalker::read(small_model({{from, to}})).error().code(), ErrorCode::Unsupported)
        << to;
}

}  // namespace
}  // namespace millrace::model
