#include "model/xgboost_library.h"

#include <cmath>
#include <cstdlib>

#include <gtest/gtest.h>

namespace millrace::model {
namespace {

std::vector<Feature> two_features() {
  return {{.name = "a", .type = "DOUBLE"}, {.name = "b", .type = "DOUBLE"}};
}

TEST(XgboostLibrary, SaysItsVersion) {
  const Result<std::string> version = xgboost_version();
  ASSERT_TRUE(version) << version.error().message();
  EXPECT_TRUE(version->starts_with("3.")) << *version;
}

TEST(XgboostLibraryDeathTest, MissingLibraryIsAnErrorThatSaysWhatToDo) {
  // In a process of its own, since the library is loaded once.
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(
      {
        setenv("MILLRACE_XGBOOST", "/nonexistent/libxgboost.so", 1);
        const Result<std::string> version = xgboost_version();
        const bool right = !version && version.error().code() == ErrorCode::Unavailable &&
                           version.error().message().find("scripts/setup") != std::string::npos &&
                           version.error().message().find("/nonexistent") != std::string::npos;
        std::exit(right ? 0 : 1);
      },
      testing::ExitedWithCode(0), "");
}

TEST(XgboostLibraryDeathTest, AnotherLibraryIsAnError) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(
      {
        setenv("MILLRACE_XGBOOST", "libz.so.1", 1);
        const Result<std::string> version = xgboost_version();
        std::exit(!version && version.error().code() == ErrorCode::Unsupported ? 0 : 1);
      },
      testing::ExitedWithCode(0), "");
}

TEST(XgboostLibrary, ErrorsComeWithoutStackTraces) {
  EXPECT_EQ(plain_xgboost_message("[01:02:03] /src/learner.cc:12: Check failed: 1 == 2 : no\n"
                                  "Stack trace:\n  [bt] (0) lib\n"),
            "Check failed: 1 == 2 : no");
  EXPECT_EQ(plain_xgboost_message("plain"), "plain");
  EXPECT_EQ(plain_xgboost_message(""), "");
}

TEST(Booster, DamagedModelIsCorruption) {
  for (const char* bytes : {"", "x", "{L", "{}", "{\"learner\":{}}"}) {
    const Result<Booster> refused = Booster::load(bytes);
    ASSERT_FALSE(refused) << bytes;
    EXPECT_EQ(refused.error().code(), ErrorCode::Corruption);
    EXPECT_EQ(refused.error().message().find("Stack trace"), std::string::npos);
  }
}

TEST(Booster, WrongParameterValueIsInvalid) {
  const std::vector<float> values = {1, 2, 3, 4};
  const std::vector<float> labels = {0, 1};
  const auto rows = TrainingMatrix::make(values, labels, two_features(), 1);
  ASSERT_TRUE(rows) << rows.error().message();
  auto booster = Booster::create(*rows, nullptr);
  ASSERT_TRUE(booster);
  Status set = booster->set_parameter("max_depth", "deep");
  if (set) set = booster->update(0, *rows);
  ASSERT_FALSE(set);
  EXPECT_EQ(set.error().code(), ErrorCode::Invalid);
}

TEST(TrainingMatrix, LengthsMustFit) {
  const std::vector<float> values = {1, 2, 3};
  const std::vector<float> labels = {0, 1};
  EXPECT_EQ(TrainingMatrix::make(values, labels, two_features(), 1).error().code(),
            ErrorCode::Invalid);
  EXPECT_EQ(TrainingMatrix::make({}, {}, two_features(), 1).error().code(), ErrorCode::Invalid);
}

TEST(Booster, RowsOfAnotherWidthAreRefused) {
  const std::vector<float> values = {1, 2, 3, 4};
  const std::vector<float> labels = {0, 1};
  const auto rows = TrainingMatrix::make(values, labels, two_features(), 1);
  auto booster = Booster::create(*rows, nullptr);
  ASSERT_TRUE(booster->set_parameter("objective", "binary:logistic"));
  ASSERT_TRUE(booster->update(0, *rows));
  EXPECT_EQ(booster->predict(values, 3).error().code(), ErrorCode::Invalid);
  EXPECT_EQ(booster->predict(values, 4).error().code(), ErrorCode::Invalid);
  EXPECT_EQ(booster->predict(values, 2)->size(), 2U);
}

}  // namespace
}  // namespace millrace::model
