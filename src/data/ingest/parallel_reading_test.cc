#include "ingest/parallel_reading.h"

#include <gtest/gtest.h>

#include "ingest/file_source.h"
#include "ingest/source_contract.h"

namespace millrace::ingest {
namespace {

using columnar::Kind;

/// Files of very different lengths; one of them is cut off.
struct Folder {
  std::unique_ptr<storage::ObjectStore> store = storage::make_memory_store();
  std::unique_ptr<Source> source;
  std::vector<Delivery> deliveries;

  explicit Folder(int files) {
    for (int i = 0; i < files; ++i) {
      std::string text;
      for (int row = 0; row < (i % 5 == 0 ? 34'000 : i + 1); ++row)
        text += "{\"id\": " + (row == 2 ? std::string("\"bad\"") : std::to_string(row)) + "}\n";
      std::string packed = gzipped(text);
      if (i == 3) packed.resize(packed.size() - 4);
      const std::string number = (i < 9 ? "0" : "") + std::to_string(i + 1);
      EXPECT_TRUE(store->put("in/2013-01-" + number, packed).ok());
    }
    FileSourceSpec spec;
    spec.name = "numbers";
    spec.pattern = "in/{date}";
    spec.columns = columnar::Schema({{"id", columnar::simple(Kind::Int64), false}});
    source = *open_file_source(spec, *store);
    deliveries = *source->list(Instant::max());
  }
};

/// "3: 8192 rows", "3: 1 bad", "3: end 9/1", "3: failed".
std::vector<std::string> story(Folder& folder, int threads) {
  std::vector<std::string> lines;
  ParallelReading reading(*folder.source, folder.deliveries, threads);
  while (auto step = reading.next()) {
    const std::string who = std::to_string(step->delivery) + ": ";
    if (!step->piece) {
      lines.push_back(who + (step->outcome.ok() ? "end " + std::to_string(step->counts.rows) + "/" +
                                                      std::to_string(step->counts.rejected)
                                                : "failed"));
      continue;
    }
    if (step->piece->rows)
      lines.push_back(who + std::to_string(step->piece->rows->row_count()) + " rows");
    if (!step->piece->rejected.empty())
      lines.push_back(who + std::to_string(step->piece->rejected.size()) + " bad");
  }
  return lines;
}

TEST(ParallelReading, HandsOutTheSameStoryWithAnyNumberOfThreads) {
  Folder folder(9);
  const std::vector<std::string> alone = story(folder, 1);
  EXPECT_EQ(alone.front(), "0: 8191 rows");
  EXPECT_EQ(alone.back(), "8: end 9/1");
  EXPECT_NE(std::find(alone.begin(), alone.end(), "3: failed"), alone.end());
  for (const int threads : {2, 20}) EXPECT_EQ(story(folder, threads), alone);
}

TEST(ParallelReading, CanBeLeftBeforeItsEnd) {
  Folder folder(9);
  for (const int steps : {0, 1, 9}) {
    ParallelReading reading(*folder.source, folder.deliveries, 3);
    for (int i = 0; i < steps; ++i) ASSERT_TRUE(reading.next());
  }
}

TEST(ParallelReading, OfNothingEndsAtOnce) {
  Folder folder(1);
  ParallelReading reading(*folder.source, {}, 4);
  EXPECT_FALSE(reading.next());
}

}  // namespace
}  // namespace millrace::ingest
