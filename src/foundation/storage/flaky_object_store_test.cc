#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/file.h"
#include "storage/flaky_object_store_fixture.h"

namespace millrace::storage {
namespace {

class Flaky : public testing::Test {
 protected:
  std::unique_ptr<ObjectStore> memory_ = make_memory_store();
  FlakyObjectStore store_{*memory_};
};

TEST_F(Flaky, PassesEverythingOnWithoutAPlan) {
  ASSERT_TRUE(store_.put("a", "x").ok());
  EXPECT_EQ(*store_.get("a"), "x");
  EXPECT_EQ(store_.calls(Call::Put), 1U);
  EXPECT_EQ(store_.calls(Call::List), 0U);
}

TEST(FlakyLocal, PassesOnWhatTheStorePassesOver) {
  const TemporaryFolder folder = *TemporaryFolder::make();
  ASSERT_EQ(::mkfifo((folder.path() + "/pipe").c_str(), 0600), 0);
  const auto local = *open_local_store(folder.path());
  FlakyObjectStore store(*local);
  ASSERT_EQ(local->passed_over("")->size(), 1U);
  EXPECT_EQ(*store.passed_over(""), *local->passed_over(""));
  store.plan({.call = Call::PassedOver});
  EXPECT_EQ(store.passed_over("").error().code(), ErrorCode::Unavailable);
}

TEST_F(Flaky, UnavailableIsNotCarriedOut) {
  store_.plan({.call = Call::Put, .key_part = "a"});
  EXPECT_EQ(store_.put("a", "x").error().code(), ErrorCode::Unavailable);
  EXPECT_FALSE(memory_->get("a").ok());
  EXPECT_TRUE(store_.put("a", "x").ok()) << "a plan comes true once";
}

TEST_F(Flaky, ALostAnswerIsCarriedOut) {
  store_.plan({.call = Call::PutIfAbsent, .fault = Fault::LostAnswer});
  EXPECT_EQ(store_.put_if_absent("a", "x").error().code(), ErrorCode::Unavailable);
  EXPECT_EQ(*memory_->get("a"), "x");
}

TEST_F(Flaky, ARepeatedCallMeetsItself) {
  store_.plan({.call = Call::PutIfAbsent, .fault = Fault::Repeated});
  EXPECT_EQ(store_.put_if_absent("a", "x").error().code(), ErrorCode::AlreadyExists);
  EXPECT_EQ(*memory_->get("a"), "x");
}

TEST_F(Flaky, TheNthMatchingCallIsTheOne) {
  store_.plan({.call = Call::Get, .key_part = "_delta_log/", .nth = 2});
  ASSERT_TRUE(memory_->put("t/_delta_log/0", "x").ok());
  ASSERT_TRUE(memory_->put("t/data", "x").ok());
  EXPECT_TRUE(store_.get("t/_delta_log/0").ok());
  EXPECT_TRUE(store_.get("t/data").ok());
  EXPECT_FALSE(store_.all_plans_came_true());
  EXPECT_FALSE(store_.get("t/_delta_log/0").ok());
  EXPECT_TRUE(store_.all_plans_came_true());
}

TEST_F(Flaky, SomethingMayHappenMeanwhile) {
  store_.plan({.call = Call::PutIfAbsent, .fault = Fault::None, .meanwhile = [&] {
                 ASSERT_TRUE(memory_->put_if_absent("log/1", "theirs").ok());
               }});
  EXPECT_EQ(store_.put_if_absent("log/1", "ours").error().code(), ErrorCode::AlreadyExists);
}

}  // namespace
}  // namespace millrace::storage
