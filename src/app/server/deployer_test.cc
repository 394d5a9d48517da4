#include "server/deployer.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "model/sample_model_fixture.h"

namespace millrace::server {
namespace {

const Instant kNow = *parse_instant("2013-12-01T05:00:00Z");

/// Three versions of the model "sample"; 1 and then 2 were in Production, 2 answers.
class DeployerTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { sample = new model::SampleModel(*model::make_sample_model(5)); }
  static void TearDownTestSuite() { delete sample; }

  void SetUp() override {
    folder_.emplace(*TemporaryFolder::make());
    database_ = *metadata::open_sqlite(folder_->path() + "/metadata.db");
    ASSERT_TRUE(model::migrate_model_store(*database_));
    start();
    for (const char* run : {"first", "second", "third"}) add(run);
    ASSERT_TRUE(deployer_->promote("sample", 1, change("the first")));
    ASSERT_TRUE(deployer_->promote("sample", 2, change("better")));
  }

  /// As after a restart: nothing is loaded.
  void start() {
    endpoint_ = *serve::Endpoint::start({});
    deployer_.emplace(*database_, *store_, *endpoint_, clock_);
  }

  void add(const std::string& run) {
    model::Manifest manifest = sample->manifest;
    manifest.run_id = run;
    const model::StoredModel stored = *model::put_model(*store_, sample->artefact, manifest);
    ASSERT_TRUE(database_->write([&](metadata::Transaction& transaction) -> Status {
      content_ids_.push_back(TRY(model::register_version(transaction, stored, kNow)).content_id);
      return {};
    }));
  }

  void damage(int version) {
    const std::string key = "models/sample/" + content_ids_[version - 1] + "/model.tar.gz";
    ASSERT_TRUE(store_->put(key, *store_->get(key) + "x"));
  }

  static model::TagChange change(const std::string& why) { return {"ada", why, kNow}; }

  /// 0: none.
  std::int64_t production() {
    std::int64_t version = 0;
    EXPECT_TRUE(database_->read([&](metadata::Transaction& transaction) -> Status {
      const auto tagged = TRY(model::tagged_version(transaction, "sample"));
      if (tagged.has_value()) version = tagged->version;
      return {};
    }));
    return version;
  }

  /// 0: nothing answers.
  std::int64_t answering() {
    const auto served = endpoint_->served();
    return served.empty() ? 0 : served.front().version;
  }

  static model::SampleModel* sample;
  ManualClock clock_{kNow};
  std::optional<TemporaryFolder> folder_;
  std::unique_ptr<metadata::Database> database_;
  std::unique_ptr<storage::ObjectStore> store_ = storage::make_memory_store();
  std::unique_ptr<serve::Endpoint> endpoint_;
  std::optional<Deployer> deployer_;
  std::vector<std::string> content_ids_;
};
model::SampleModel* DeployerTest::sample = nullptr;

TEST_F(DeployerTest, WhatIsPromotedAnswers) {
  ASSERT_TRUE(deployer_->promote("sample", 3, change("better still")));
  EXPECT_EQ(production(), 3);
  EXPECT_EQ(answering(), 3);
}

TEST_F(DeployerTest, RollingBackReturnsToTheVersionBefore) {
  const auto version = deployer_->roll_back("sample", change("worse after all"));
  ASSERT_TRUE(version) << version.error().message();
  EXPECT_EQ(*version, 1);
  EXPECT_EQ(production(), 1);
  EXPECT_EQ(answering(), 1);
}

TEST_F(DeployerTest, RollingBackTheFirstVersionLetsNothingAnswer) {
  ASSERT_TRUE(deployer_->roll_back("sample", change("worse after all")));
  const auto version = deployer_->roll_back("sample", change("worse than nothing"));
  ASSERT_TRUE(version) << version.error().message();
  EXPECT_EQ(*version, std::nullopt);
  EXPECT_EQ(production(), 0);
  EXPECT_EQ(answering(), 0);
  EXPECT_EQ(deployer_->roll_back("sample", change("again")).error().code(), ErrorCode::NotFound);
  start();
  deployer_->deploy_all();
  EXPECT_EQ(answering(), 0) << "nor after a restart";
}

TEST_F(DeployerTest, WhatCannotBeLoadedIsNotPromoted) {
  damage(3);
  const Status refused = deployer_->promote("sample", 3, change("better still"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::Corruption);
  EXPECT_NE(refused.error().message().find("loading sample version 3"), std::string::npos)
      << refused.error().message();
  EXPECT_EQ(production(), 2);
  EXPECT_EQ(answering(), 2);
}

TEST_F(DeployerTest, WhatCannotBeLoadedIsNotRolledBackTo) {
  damage(1);
  const auto refused = deployer_->roll_back("sample", change("worse after all"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::Corruption);
  EXPECT_EQ(production(), 2);
  EXPECT_EQ(answering(), 2);
}

TEST_F(DeployerTest, AtTheStartTheVersionInProductionAnswers) {
  start();
  deployer_->deploy_all();
  EXPECT_EQ(answering(), 2);
  EXPECT_FALSE(endpoint_->served().front().to_json().contains("instead_of"));
}

TEST_F(DeployerTest, AtTheStartTheVersionBeforeAnswersForOneThatCannotBeLoaded) {
  damage(2);
  start();
  deployer_->deploy_all();
  EXPECT_EQ(answering(), 1);
  EXPECT_EQ(endpoint_->served().front().to_json()["instead_of"], Json(2));
  EXPECT_EQ(production(), 2) << "the tag is a person's to move";
}

TEST_F(DeployerTest, AtTheStartNothingAnswersWhenNothingCanBeLoaded) {
  damage(1);
  damage(2);
  start();
  deployer_->deploy_all();
  EXPECT_EQ(answering(), 0);
}

}  // namespace
}  // namespace millrace::server
