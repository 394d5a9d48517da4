#include "model/artefact.h"

#include <archive.h>
#include <archive_entry.h>
#include <gtest/gtest.h>

#include "base/hash.h"
#include "model/sample_model_fixture.h"

namespace millrace::model {
namespace {

struct Member {
  std::string path;
  std::string bytes;
  unsigned type = AE_IFREG;
  std::string link;
};

la_ssize_t append(archive*, void* out, const void* bytes, std::size_t length) {
  static_cast<std::string*>(out)->append(static_cast<const char*>(bytes), length);
  return static_cast<la_ssize_t>(length);
}

/// An archive of any content, as somebody else might send it.
std::string archive_of(const std::vector<Member>& members, bool gzip = true) {
  std::string bytes;
  archive* writer = archive_write_new();
  archive_write_set_format_pax_restricted(writer);
  if (gzip) archive_write_add_filter_gzip(writer);
  archive_write_open(writer, &bytes, nullptr, append, nullptr);
  for (const Member& member : members) {
    archive_entry* entry = archive_entry_new();
    archive_entry_set_pathname(entry, member.path.c_str());
    archive_entry_set_filetype(entry, member.type);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_size(entry, static_cast<la_int64_t>(member.bytes.size()));
    if (member.type == AE_IFLNK) archive_entry_set_symlink(entry, member.link.c_str());
    if (member.type == AE_IFREG && !member.link.empty()) {
      archive_entry_set_hardlink(entry, member.link.c_str());
    }
    archive_write_header(writer, entry);
    archive_write_data(writer, member.bytes.data(), member.bytes.size());
    archive_entry_free(entry);
  }
  archive_write_close(writer);
  archive_write_free(writer);
  return bytes;
}

class Artefact : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    Result<SampleModel> made = make_sample_model(11);
    ASSERT_TRUE(made) << made.error().message();
    sample = new SampleModel(*std::move(made));
  }
  static void TearDownTestSuite() { delete sample; }
  static SampleModel* sample;
};
SampleModel* Artefact::sample = nullptr;

TEST_F(Artefact, EqualModelsGiveEqualBytes) {
  EXPECT_EQ(*pack_artefact(sample->booster), *pack_artefact(sample->booster));
}

TEST_F(Artefact, WhatWasPackedComesOutWithAScalarBaseScore) {
  const Result<std::string> booster = unpack_artefact(sample->artefact);
  ASSERT_TRUE(booster) << booster.error().message();
  EXPECT_EQ(*pack_artefact(*booster), sample->artefact);
}

TEST_F(Artefact, HoldsNoTimeAndNoUser) {
  const std::string& bytes = sample->artefact;
  EXPECT_EQ(bytes.substr(4, 4), std::string(4, '\0'));  // RFC 1952: modification time
  EXPECT_EQ(bytes[3], '\0');                            // no file name
}

TEST_F(Artefact, OnlyAModelIsPacked) {
  EXPECT_EQ(pack_artefact("not a model").error().code(), ErrorCode::Corruption);
}

TEST_F(Artefact, ForeignArchivesAreRefused) {
  const std::string model = *unpack_artefact(sample->artefact);
  struct Case {
    const char* why;
    std::string bytes;
    const char* says;
  };
  const std::vector<Case> cases = {
      {"no bytes", "", ""},
      {"no archive", "hello", ""},
      {"a tar without gzip", archive_of({{"xgboost-model", model}}, false), "header check"},
      {"an empty archive", archive_of({}), "empty"},
      {"another name", archive_of({{"model.bin", model}}), "'model.bin'"},
      {"out of the folder", archive_of({{"../xgboost-model", model}}), "'../xgboost-model'"},
      {"an absolute path", archive_of({{"/etc/xgboost-model", model}}), "/etc/xgboost-model"},
      {"below a folder", archive_of({{"code/xgboost-model", model}}), "'code/xgboost-model'"},
      {"a folder", archive_of({{"xgboost-model", "", AE_IFDIR}}), "xgboost-model"},
      {"a symbolic link", archive_of({{"xgboost-model", "", AE_IFLNK, "/etc/passwd"}}),
       "not a regular file"},
      {"a hard link", archive_of({{"xgboost-model", "", AE_IFREG, "/etc/passwd"}}),
       "not a regular file"},
      {"two models", archive_of({{"xgboost-model", model}, {"xgboost-model-2", model}}),
       "more than one member"},
      {"the same name twice", archive_of({{"xgboost-model", model}, {"xgboost-model", model}}),
       "more than one member"},
      {"no model inside", archive_of({{"xgboost-model", "hello"}}), "not an XGBoost model"},
      {"an empty model", archive_of({{"xgboost-model", ""}}), "not an XGBoost model"},
      {"the vector base_score", archive_of({{"xgboost-model", sample->booster}}), "base_score"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    const Result<std::string> refused = unpack_artefact(c.bytes);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), ErrorCode::Corruption);
    EXPECT_NE(refused.error().message().find(c.says), std::string::npos)
        << refused.error().message();
  }
}

TEST_F(Artefact, TruncatedArchivesAreRefused) {
  const std::size_t size = sample->artefact.size();
  for (std::size_t kept = 0; kept < size; kept += kept + 20 < size ? 17 : 1) {
    const Result<std::string> refused = unpack_artefact(sample->artefact.substr(0, kept));
    ASSERT_FALSE(refused) << kept << " of " << size;
    EXPECT_EQ(refused.error().code(), ErrorCode::Corruption);
  }
  EXPECT_FALSE(unpack_artefact(sample->artefact + "x"));
}

TEST_F(Artefact, ChangedBytesAreRefusedOrChangeNothing) {
  const std::string model = *unpack_artefact(sample->artefact);
  std::uint64_t random = 20130101;
  for (int i = 0; i < 300; ++i) {
    random = random * 6364136223846793005ULL + 1442695040888963407ULL;
    std::string changed = sample->artefact;
    char& byte = changed[(random >> 33U) % changed.size()];
    byte = static_cast<char>(static_cast<unsigned char>(byte) ^ (1U << ((random >> 20U) % 8)));
    const Result<std::string> unpacked = unpack_artefact(changed);
    EXPECT_TRUE(!unpacked || *unpacked == model) << "round " << i;
  }
}

TEST_F(Artefact, BombIsStoppedAtTheLimit) {
  const std::string bomb = archive_of({{"xgboost-model", std::string(8U << 20U, 'x')}});
  EXPECT_LT(bomb.size(), 20'000U);
  const Result<std::string> refused = unpack_artefact(bomb, 1U << 20U);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::Exhausted);
}

}  // namespace
}  // namespace millrace::model
