#include "ingest/landing_rows.h"

#include <gtest/gtest.h>

#include "ingest/file_source.h"
#include "ingest/source_contract.h"

namespace millrace::ingest {
namespace {

using columnar::Kind;

struct Deliveries {
  std::unique_ptr<storage::ObjectStore> store = storage::make_memory_store();
  std::unique_ptr<Source> source;
  std::vector<Delivery> deliveries;

  explicit Deliveries(const std::vector<std::string>& files) {
    for (std::size_t i = 0; i < files.size(); ++i)
      EXPECT_TRUE(store->put("in/2013-01-0" + std::to_string(i + 1), files[i]).ok());
    FileSourceSpec spec;
    spec.name = "numbers";
    spec.pattern = "in/{date}";
    spec.columns = columnar::Schema({{"id", columnar::simple(Kind::Int64), false}});
    source = *open_file_source(spec, *store);
    deliveries = *source->list(Instant::max());
  }
};

std::string rows(int good, int bad) {
  std::string text;
  for (int i = 0; i < bad; ++i) text += "{\"id\": \"x\"}\n";
  for (int i = 0; i < good; ++i) text += "{\"id\": 1}\n";
  return text;
}

Result<std::int64_t> drain(LandingRows& landing) {
  std::int64_t count = 0;
  while (auto batch = TRY(landing.next())) count += static_cast<std::int64_t>(batch->row_count());
  return count;
}

TEST(LandingRows, LetsFewBadRowsPass) {
  struct Case {
    std::int64_t rows;
    std::int64_t allowed;
  };
  for (const Case& c : std::vector<Case>{{0, 0},
                                         {1, 0},
                                         {2, 1},
                                         {15, 7},
                                         {20, 10},
                                         {900, 10},
                                         {1'000, 10},
                                         {1'100, 11},
                                         {1'000'000, 10'000}})
    EXPECT_EQ(allowed_bad_rows(c.rows, {}), c.allowed) << c.rows;
}

TEST(LandingRows, JudgesEachDeliveryByItself) {
  Deliveries folder(
      {rows(100, 10), rows(100, 11), gzipped(rows(100, 1)).substr(0, 40), rows(3, 0)});
  std::vector<LandProgress> seen;
  LandingRows landing(*folder.source, folder.deliveries, 2, {},
                      [&](const LandProgress& progress) { seen.push_back(progress); });
  EXPECT_EQ(*drain(landing), 203);
  const auto& outcomes = landing.outcomes();
  EXPECT_FALSE(outcomes[0].refused);
  EXPECT_EQ(outcomes[0].letters.size(), 10U);
  EXPECT_EQ(outcomes[1].refused->message(),
            "in/2013-01-02: 11 of 111 rows are bad, 10 are allowed (max_bad_share 0.01, at least "
            "10 rows, at "
            "most half); the first: "
            "in/2013-01-02:1: column \"id\" is BIGINT, found the string \"x\"");
  EXPECT_EQ(outcomes[2].refused->code(), ErrorCode::Corruption);
  EXPECT_FALSE(outcomes[2].letters.back().row_number);
  EXPECT_FALSE(outcomes[3].refused);
  EXPECT_EQ(seen.back().deliveries_done, 4U);
  EXPECT_EQ(seen.back().rows, 203);
}

TEST(LandingRows, RefusesADeliveryWhoseLettersDoNotFit) {
  Deliveries folder({rows(1'000, 3), rows(1'000, 3), rows(1'000, 0)});
  LandingRows landing(*folder.source, folder.deliveries, 1, {.max_letters = 4}, nullptr);
  ASSERT_TRUE(drain(landing).ok());
  EXPECT_FALSE(landing.outcomes()[0].refused);
  ASSERT_TRUE(landing.outcomes()[1].refused);
  EXPECT_TRUE(landing.outcomes()[1].refused->message().starts_with(
      "in/2013-01-02: one landing keeps at most 4 dead letters"));
  EXPECT_FALSE(landing.outcomes()[2].refused);
}

TEST(LandingRows, DoesNotBlameADeliveryThatCouldNotBeReached) {
  Deliveries folder({rows(3, 0), rows(3, 0)});
  ASSERT_TRUE(folder.store->remove("in/2013-01-02").ok());
  LandingRows landing(*folder.source, folder.deliveries, 2, {}, nullptr);
  const auto drained = drain(landing);
  ASSERT_FALSE(drained.ok());
  EXPECT_EQ(drained.error().code(), ErrorCode::Unavailable);
  EXPECT_TRUE(drained.error().message().starts_with("reading in/2013-01-02"));
}

}  // namespace
}  // namespace millrace::ingest
