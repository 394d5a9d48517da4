#include "train/parameters.h"

#include <vector>

#include <gtest/gtest.h>

namespace millrace::train {
namespace {

TEST(Parameters, DefaultsAreWrittenOut) {
  const auto checked = check_parameters({});
  ASSERT_TRUE(checked) << checked.error().message();
  EXPECT_EQ(checked->at("objective"), "binary:logistic");
  EXPECT_EQ(checked->at("tree_method"), "hist");
}

TEST(Parameters, SecondNamesBecomeTheFirst) {
  const auto checked = check_parameters({{"learning_rate", "0.1"}, {"reg_lambda", "2"}});
  ASSERT_TRUE(checked) << checked.error().message();
  EXPECT_EQ(checked->at("eta"), "0.1");
  EXPECT_EQ(checked->at("lambda"), "2");
}

TEST(Parameters, SlipsAreRefused) {
  struct Case {
    const char* why;
    std::map<std::string, std::string> parameters;
    const char* says;
  };
  const std::vector<Case> cases = {
      {"a slip", {{"max_dept", "6"}}, "did you mean 'max_depth'"},
      {"nothing near", {{"booster", "dart"}}, "'booster': it is not known"},
      {"no number", {{"eta", "fast"}}, "'eta': 'fast' is not a number from 0 to 1"},
      {"out of range", {{"subsample", "1.5"}}, "is not a number from"},
      {"not finite", {{"gamma", "nan"}}, "is not a number from 0"},
      {"empty", {{"eta", ""}}, "''"},
      {"a fraction", {{"max_depth", "6.5"}}, "is not a whole number from 0 to 30"},
      {"an exponent, of which the library reads 1", {{"max_depth", "1e1"}}, "whole number"},
      {"an unknown objective",
       {{"objective", "binary:logistics"}},
       "did you mean 'binary:logistic'"},
      {"several outputs", {{"objective", "multi:softprob"}}, "is not known"},
      {"both names", {{"eta", "0.1"}, {"learning_rate", "0.1"}}, "given twice"},
      {"its place is elsewhere", {{"nthread", "4"}}, "'threads' of the training itself"},
      {"another word for it", {{"n_estimators", "4"}}, "'rounds' of the training itself"},
      {"no probability", {{"base_score", "1"}}, "probability"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    const auto refused = check_parameters(c.parameters);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), ErrorCode::Invalid);
    EXPECT_NE(refused.error().message().find(c.says), std::string::npos)
        << refused.error().message();
  }
}

TEST(RoundMetric, IsOneOfTheList) {
  EXPECT_TRUE(check_round_metric("auc"));
  EXPECT_FALSE(check_round_metric("acu"));
  EXPECT_TRUE(larger_is_better("aucpr"));
  EXPECT_FALSE(larger_is_better("logloss"));
}

}  // namespace
}  // namespace millrace::train
