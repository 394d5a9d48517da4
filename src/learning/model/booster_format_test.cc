#include "model/booster_format.h"

#include <gtest/gtest.h>

#include "model/sample_model_fixture.h"
#include "model/xgboost_library.h"

namespace millrace::model {
namespace {

std::string length(std::size_t n) {
  std::string bytes = "L";
  for (int shift = 56; shift >= 0; shift -= 8) bytes += static_cast<char>((n >> shift) & 0xFFU);
  return bytes;
}
std::string key(const std::string& name) {
  return length(name.size()) + name;
}
std::string text(const std::string& value) {
  return "S" + key(value);
}

/// A document that has only what the summary needs, before and after it values of every type.
std::string document(const std::string& base_score, const std::string& classes = "0",
                     const std::string& targets = "1") {
  const std::string clutter = key("feature_names") + "[#" + length(2) + text("base_score") +
                              text("[9E0]") + key("floats") + "[$d#" + length(2) +
                              std::string(8, '\1') + key("list") + "[i\1TFZ]" + key("deep") + "{" +
                              key("a") + "D" + std::string(8, '\0') + "}";
  return "{" + key("learner") + "{" + clutter + key("learner_model_param") + "{" +
         key("base_score") + text(base_score) + key("num_class") + text(classes) +
         key("num_feature") + text("2") + key("num_target") + text(targets) + "}" +
         key("objective") + "{" + key("name") + text("binary:logistic") + "}}" + key("version") +
         "[#" + length(3) + "i\3i\2i" + std::string(1, '\0') + "}";
}

TEST(BoosterFormat, VectorBaseScoreBecomesAScalarAndNothingElseChanges) {
  const Result<std::string> scalar = with_scalar_base_score(document("[3.7642E-1]"));
  ASSERT_TRUE(scalar) << scalar.error().message();
  EXPECT_EQ(*scalar, document("3.7642E-1"));
}

TEST(BoosterFormat, ScalarBaseScoreStaysAsItIs) {
  EXPECT_EQ(*with_scalar_base_score(document("5E-1")), document("5E-1"));
  EXPECT_TRUE(check_base_score(document("5E-1")));
}

TEST(BoosterFormat, VectorBaseScoreIsRefusedWithWhatItWouldDo) {
  const Status refused = check_base_score(document("[3.7642E-1]"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::Corruption);
  EXPECT_NE(refused.error().message().find("would read it as 0.5"), std::string::npos);
}

TEST(BoosterFormat, UnusableModelsAreRefused) {
  struct Case {
    const char* why;
    std::string bytes;
    ErrorCode code;
  };
  const std::vector<Case> cases = {
      {"nothing", "", ErrorCode::Corruption},
      {"JSON, not UBJSON", R"({"learner":{}})", ErrorCode::Corruption},
      {"an array", "[#" + length(0), ErrorCode::Corruption},
      {"several biases", document("[1E-1,2E-1]"), ErrorCode::Corruption},
      {"no number", document("half"), ErrorCode::Corruption},
      {"not finite", document("inf"), ErrorCode::Corruption},
      {"three classes", document("5E-1", "3"), ErrorCode::Unsupported},
      {"two targets", document("5E-1", "0", "2"), ErrorCode::Unsupported},
      {"a count beyond the bytes", "{" + key("x") + "[$d#" + length(~0ULL / 4),
       ErrorCode::Corruption},
      {"a negative length", "{" + key("x") + "Si\xFF", ErrorCode::Corruption},
      {"nested without end", "{" + key("x") + std::string(100'000, '['), ErrorCode::Corruption},
      {"a counted object", "{#" + length(1) + key("x") + "T", ErrorCode::Corruption},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    const Result<std::string> refused = with_scalar_base_score(c.bytes);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), c.code) << refused.error().message();
  }
}

TEST(BoosterFormat, EveryTruncationIsRefused) {
  const std::string whole = document("[5E-1]");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(summarise_booster(whole.substr(0, size))) << size;
  }
}

TEST(BoosterFormat, AnyChangedByteEndsInAnAnswer) {
  const std::string whole = document("[5E-1]");
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (const int value : {0, 1, int{'['}, int{'{'}, int{'}'}, int{'$'}, int{'L'}, 127, 255}) {
      std::string changed = whole;
      changed[at] = static_cast<char>(value);
      (void)with_scalar_base_score(changed).ok();  // the sanitizers watch
    }
  }
}

TEST(BoosterFormat, LibraryWritesWhatWeRead) {
  const Result<SampleModel> sample = make_sample_model(7);
  ASSERT_TRUE(sample) << sample.error().message();
  const Result<BoosterSummary> summary = summarise_booster(sample->booster);
  ASSERT_TRUE(summary) << summary.error().message();
  EXPECT_EQ(summary->objective, "binary:logistic");
  EXPECT_EQ(summary->feature_count, 4);
}

TEST(BoosterFormat, ScalarFormScoresAsBefore) {
  const Result<SampleModel> sample = make_sample_model(7);
  ASSERT_TRUE(sample) << sample.error().message();
  const Result<std::string> scalar = with_scalar_base_score(sample->booster);
  ASSERT_TRUE(scalar) << scalar.error().message();
  const std::vector<float> rows = {1.5F, 800, 2, 0, 40, 300, 1, 1};
  const auto before = Booster::load(sample->booster)->predict(rows, 4);
  const auto after = Booster::load(*scalar)->predict(rows, 4);
  ASSERT_TRUE(before && after);
  EXPECT_EQ(*before, *after);
}

}  // namespace
}  // namespace millrace::model
