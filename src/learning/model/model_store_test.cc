#include "model/model_store.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "base/hash.h"
#include "model/predictor.h"
#include "model/sample_model_fixture.h"

namespace millrace::model {
namespace {

using metadata::Transaction;

const Instant kNow = *parse_instant("2013-12-01T05:00:00Z");

class ModelStore : public testing::Test {
 protected:
  void SetUp() override {
    Result<TemporaryFolder> made = TemporaryFolder::make();
    ASSERT_TRUE(made) << made.error().message();
    folder_.emplace(*std::move(made));
    Result<std::unique_ptr<metadata::Database>> opened =
        metadata::open_sqlite(folder_->path() + "/meta.db");
    ASSERT_TRUE(opened) << opened.error().message();
    database_ = *std::move(opened);
    const Status migrated = migrate_model_store(*database_);
    ASSERT_TRUE(migrated) << migrated.error().message();
  }

  /// A model that needs no bytes: the rows do not look at them.
  static StoredModel stored(const std::string& run, std::int64_t generation = 1,
                            const std::string& model = "late_flights") {
    StoredModel one;
    one.manifest.model = model;
    one.manifest.run_id = run;
    one.manifest.generation = generation;
    one.manifest.artefact_sha256 = sha256_hex(run);
    one.manifest.metrics = {{"auc", 0.875}};
    one.content_id = sha256_hex(run + "manifest");
    return one;
  }

  std::int64_t add(const std::string& run, std::int64_t generation = 1) {
    std::int64_t version = 0;
    const Status written = database_->write([&](Transaction& transaction) -> Status {
      version = TRY(register_version(transaction, stored(run, generation), kNow)).version;
      return {};
    });
    EXPECT_TRUE(written) << written.error().message();
    return version;
  }

  Status tag_production(std::int64_t version) {
    return database_->write([&](Transaction& transaction) {
      return tag(transaction, "late_flights", version, kProduction, {"ada", "better", kNow});
    });
  }

  Result<std::optional<std::int64_t>> roll_back() {
    Result<std::optional<std::int64_t>> version = std::optional<std::int64_t>();
    const Status written = database_->write([&](Transaction& transaction) -> Status {
      version = rollback(transaction, "late_flights", {"ada", "worse after all", kNow});
      if (!version) return version.error();
      return {};
    });
    return version;
  }

  std::int64_t production() {
    std::int64_t version = 0;
    EXPECT_TRUE(database_->read([&](Transaction& transaction) -> Status {
      const auto found = TRY(tagged_version(transaction, "late_flights"));
      version = found ? found->version : 0;
      return {};
    }));
    return version;
  }

  template <typename Read>
  auto reading(Read read) {
    decltype(read(std::declval<Transaction&>())) result = Error(ErrorCode::Internal, "not read");
    (void)database_->read([&](Transaction& transaction) -> Status {
      result = read(transaction);
      return {};
    });
    return result;
  }

  std::optional<TemporaryFolder> folder_;
  std::unique_ptr<metadata::Database> database_;
};

TEST_F(ModelStore, VersionsCountFromOneForEachModel) {
  EXPECT_EQ(add("run-1"), 1);
  EXPECT_EQ(add("run-2"), 2);
  ASSERT_TRUE(database_->write([&](Transaction& transaction) -> Status {
    EXPECT_EQ(TRY(register_version(transaction, stored("r", 1, "other"), kNow)).version, 1);
    return {};
  }));
  const auto models = reading([](Transaction& t) { return list_models(t); });
  EXPECT_EQ(*models, (std::vector<std::string>{"late_flights", "other"}));
}

TEST_F(ModelStore, RetryOfARunIsTheSameVersion) {
  EXPECT_EQ(add("run-1"), 1);
  EXPECT_EQ(add("run-1"), 1);
  EXPECT_EQ(add("run-1", 2), 2);  // cleared by a person: a new generation
  const auto versions = reading([](Transaction& t) { return list_versions(t, "late_flights"); });
  ASSERT_TRUE(versions);
  EXPECT_EQ(versions->size(), 2U);
  EXPECT_EQ(versions->front().version, 2);
}

TEST_F(ModelStore, VersionIsGoneWithTheTransactionThatMadeIt) {
  const Status failed = database_->write([&](Transaction& transaction) -> Status {
    TRY(register_version(transaction, stored("run-1"), kNow));
    return Error(ErrorCode::Conflict, "the attempt was superseded");
  });
  EXPECT_EQ(failed.error().code(), ErrorCode::Conflict);
  EXPECT_TRUE(reading([](Transaction& t) { return list_versions(t, "late_flights"); })->empty());
}

TEST_F(ModelStore, WhatWasRegisteredIsReadBack) {
  add("run-1");
  const auto version = reading([](Transaction& t) { return get_version(t, "late_flights", 1); });
  ASSERT_TRUE(version) << version.error().message();
  EXPECT_EQ(version->content_id, stored("run-1").content_id);
  EXPECT_EQ(version->artefact_sha256, sha256_hex("run-1"));
  EXPECT_EQ(version->run_id, "run-1");
  EXPECT_EQ(version->registered_at, kNow);
  EXPECT_EQ(version->state, VersionState::Registered);
  EXPECT_EQ(version->metrics.at("auc"), 0.875);
  EXPECT_EQ(version->to_json().string_or("state", ""), "registered");
}

TEST_F(ModelStore, RefusedVersionKeepsItsReasons) {
  add("run-1");
  const std::vector<std::string> reasons = {"auc is 0.7; the gate asks for auc > 0.8."};
  ASSERT_TRUE(database_->write([&](Transaction& transaction) {
    return record_verdict(transaction, "late_flights", 1, VersionState::Refused, reasons,
                          {{"auc", 0.7}});
  }));
  const auto version = reading([](Transaction& t) { return get_version(t, "late_flights", 1); });
  EXPECT_EQ(version->state, VersionState::Refused);
  EXPECT_EQ(version->reasons, reasons);
  EXPECT_EQ(version->metrics.at("auc"), 0.7);
}

TEST_F(ModelStore, TagMovesAndIsCarriedByOne) {
  add("run-1");
  add("run-2");
  EXPECT_EQ(production(), 0);
  ASSERT_TRUE(tag_production(1));
  EXPECT_EQ(production(), 1);
  ASSERT_TRUE(tag_production(2));
  EXPECT_EQ(production(), 2);
  const auto versions = reading([](Transaction& t) { return list_versions(t, "late_flights"); });
  EXPECT_EQ((*versions)[0].tags, std::vector<std::string>{"Production"});
  EXPECT_TRUE((*versions)[1].tags.empty());
}

TEST_F(ModelStore, TagAgainChangesNothing) {
  add("run-1");
  ASSERT_TRUE(tag_production(1));
  ASSERT_TRUE(tag_production(1));
  EXPECT_EQ(reading([](Transaction& t) { return tag_history(t, "late_flights"); })->size(), 1U);
}

TEST_F(ModelStore, RollbackGoesBackStepByStep) {
  for (const char* run : {"run-1", "run-2", "run-3", "run-4"}) add(run);
  ASSERT_TRUE(tag_production(1));
  ASSERT_TRUE(tag_production(2));
  ASSERT_TRUE(tag_production(3));
  EXPECT_EQ(*roll_back(), 2);
  EXPECT_EQ(*roll_back(), 1);  // not to 3, from which we just came
  EXPECT_EQ(production(), 1);
  ASSERT_TRUE(tag_production(4));
  EXPECT_EQ(*roll_back(), 1);
}

TEST_F(ModelStore, RollbackTakesTheTagFromTheFirstThatCarriesIt) {
  for (const char* run : {"run-1", "run-2"}) add(run);
  ASSERT_TRUE(tag_production(1));
  const auto taken_out = roll_back();
  ASSERT_TRUE(taken_out) << taken_out.error().message();
  EXPECT_EQ(*taken_out, std::nullopt);
  EXPECT_EQ(production(), 0);
  const auto history = reading([](Transaction& t) { return tag_history(t, "late_flights"); });
  ASSERT_EQ(history->size(), 2U);
  EXPECT_EQ(history->front().version, std::nullopt);
  EXPECT_TRUE(history->front().to_json()["version"].is_null());
  EXPECT_EQ(roll_back().error().code(), ErrorCode::NotFound) << "there is nothing to take out";
  ASSERT_TRUE(tag_production(1)) << "it may come again";
  ASSERT_TRUE(tag_production(2));
  EXPECT_EQ(*roll_back(), 1);
  EXPECT_EQ(*roll_back(), std::nullopt);
}

TEST_F(ModelStore, VersionsBeforeAreThoseThatRollbacksReturnTo) {
  for (const char* run : {"run-1", "run-2", "run-3", "run-4"}) add(run);
  const auto before = [&](int limit) {
    std::vector<std::int64_t> numbers;
    const auto versions = reading(
        [&](Transaction& t) { return versions_before(t, "late_flights", kProduction, limit); });
    EXPECT_TRUE(versions) << versions.error().message();
    for (const ModelVersion& version : *versions) numbers.push_back(version.version);
    return numbers;
  };
  EXPECT_TRUE(before(9).empty());
  for (const std::int64_t version : {1, 2, 3}) ASSERT_TRUE(tag_production(version));
  EXPECT_EQ(before(9), (std::vector<std::int64_t>{2, 1}));
  EXPECT_EQ(before(1), std::vector<std::int64_t>{2});
  ASSERT_TRUE(roll_back());
  ASSERT_TRUE(tag_production(4));
  EXPECT_EQ(before(9), (std::vector<std::int64_t>{2, 1})) << "not 3, from which we came back";
}

TEST_F(ModelStore, HistoryTellsEveryMove) {
  add("run-1");
  add("run-2");
  ASSERT_TRUE(tag_production(1));
  ASSERT_TRUE(tag_production(2));
  ASSERT_TRUE(roll_back());
  const auto history = reading([](Transaction& t) { return tag_history(t, "late_flights"); });
  ASSERT_TRUE(history) << history.error().message();
  ASSERT_EQ(history->size(), 3U);
  EXPECT_EQ((*history)[0].version, 1);
  EXPECT_TRUE((*history)[0].is_rollback);
  EXPECT_EQ((*history)[0].change.why, "worse after all");
  EXPECT_EQ((*history)[1].version, 2);
  EXPECT_EQ((*history)[2].sequence, 1);
  EXPECT_EQ((*history)[2].change.who, "ada");
}

TEST_F(ModelStore, UnknownModelsAndVersionsComeWithHelp) {
  add("run-1");
  const Status version = tag_production(7);
  EXPECT_EQ(version.error().code(), ErrorCode::NotFound);
  EXPECT_NE(version.error().message().find("its newest is 1"), std::string::npos);
  const auto model = reading([](Transaction& t) { return get_version(t, "late_flight", 1); });
  EXPECT_EQ(model.error().code(), ErrorCode::NotFound);
  EXPECT_NE(model.error().message().find("did you mean 'late_flights'"), std::string::npos);
  EXPECT_FALSE(roll_back());
}

TEST(ModelName, IsSafeInAKeyAndInAnAddress) {
  for (const char* name : {"a", "late_flights", "Late-flights.2", "7"}) {
    EXPECT_TRUE(check_model_name(name)) << name;
  }
  for (const std::string& name :
       {std::string(), std::string("a/b"), std::string(".."), std::string("-a"), std::string("a b"),
        std::string("ü"), std::string("a\n"), std::string(129, 'a')}) {
    EXPECT_FALSE(check_model_name(name)) << name;
  }
}

class ModelBytes : public testing::Test {
 protected:
  static void SetUpTestSuite() { sample = new SampleModel(*make_sample_model(5)); }
  static void TearDownTestSuite() { delete sample; }
  static SampleModel* sample;
  std::unique_ptr<storage::ObjectStore> store_ = storage::make_memory_store();
};
SampleModel* ModelBytes::sample = nullptr;

TEST_F(ModelBytes, WhatWasPutIsLoadedAndScores) {
  const auto stored = put_model(*store_, sample->artefact, sample->manifest);
  ASSERT_TRUE(stored) << stored.error().message();
  const auto loaded = get_model(*store_, "sample", stored->content_id);
  ASSERT_TRUE(loaded) << loaded.error().message();
  EXPECT_EQ(loaded->manifest, sample->manifest);
  EXPECT_TRUE(Predictor::load(loaded->artefact, loaded->manifest));
}

TEST_F(ModelBytes, PutAgainChangesNothing) {
  const auto first = put_model(*store_, sample->artefact, sample->manifest);
  const auto again = put_model(*store_, sample->artefact, sample->manifest);
  ASSERT_TRUE(first && again);
  EXPECT_EQ(first->content_id, again->content_id);
  EXPECT_EQ(store_->list("models/")->size(), 2U);
}

TEST_F(ModelBytes, EqualArtefactsOfTwoRunsLieSideBySide) {
  const auto first = put_model(*store_, sample->artefact, sample->manifest);
  Manifest other = sample->manifest;
  other.run_id = "another run";
  const auto second = put_model(*store_, sample->artefact, other);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(get_model(*store_, "sample", first->content_id)->manifest.run_id,
            sample->manifest.run_id);
  EXPECT_EQ(get_model(*store_, "sample", second->content_id)->manifest.run_id, "another run");
}

TEST_F(ModelBytes, ChangedBytesAreCorruption) {
  const auto stored = put_model(*store_, sample->artefact, sample->manifest);
  const std::string folder = "models/sample/" + stored->content_id + "/";
  const std::string artefact = *store_->get(folder + "model.tar.gz");
  ASSERT_TRUE(store_->put(folder + "model.tar.gz", artefact.substr(0, artefact.size() - 1)));
  EXPECT_EQ(get_model(*store_, "sample", stored->content_id).error().code(), ErrorCode::Corruption);
  ASSERT_TRUE(store_->put(folder + "model.tar.gz", artefact));
  const std::string manifest = *store_->get(folder + "manifest.json");
  ASSERT_TRUE(store_->put(folder + "manifest.json", manifest + " "));
  EXPECT_EQ(get_model(*store_, "sample", stored->content_id).error().code(), ErrorCode::Corruption);
  EXPECT_EQ(get_model(*store_, "sample", "absent").error().code(), ErrorCode::NotFound);
}

TEST_F(ModelBytes, ManifestOfAnotherArtefactIsRefused) {
  EXPECT_EQ(put_model(*store_, "bytes", sample->manifest).error().code(), ErrorCode::Invalid);
  Manifest named = sample->manifest;
  named.model = "../escape";
  EXPECT_EQ(put_model(*store_, sample->artefact, named).error().code(), ErrorCode::Invalid);
  EXPECT_TRUE(store_->list("")->empty());
}

}  // namespace
}  // namespace millrace::model
