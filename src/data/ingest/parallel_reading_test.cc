#include "ingest/parallel_reading.h"

#include <condition_variable>
#include <mutex>

#include <gtest/gtest.h>

#include "ingest/file_source.h"
#include "ingest/source_contract.h"

namespace millrace::ingest {
namespace {

using columnar::Kind;

/// Files of very different lengths; one of them is cut off.
struct UnequalFiles {
  std::unique_ptr<storage::ObjectStore> store = storage::make_memory_store();
  std::unique_ptr<Source> source;
  std::vector<Delivery> deliveries;

  explicit UnequalFiles(int files) {
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
std::vector<std::string> story(UnequalFiles& folder, int threads) {
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
  UnequalFiles folder(9);
  const std::vector<std::string> alone = story(folder, 1);
  EXPECT_EQ(alone.front(), "0: 8191 rows");
  EXPECT_EQ(alone.back(), "8: end 9/1");
  EXPECT_NE(std::find(alone.begin(), alone.end(), "3: failed"), alone.end());
  for (const int threads : {2, 20}) EXPECT_EQ(story(folder, threads), alone);
}

TEST(ParallelReading, CanBeLeftBeforeItsEnd) {
  UnequalFiles folder(9);
  for (const int steps : {0, 1, 9}) {
    ParallelReading reading(*folder.source, folder.deliveries, 3);
    for (int i = 0; i < steps; ++i) ASSERT_TRUE(reading.next());
  }
}

/// Counts the deliveries that were opened.
class CountingSource final : public Source {
 public:
  explicit CountingSource(Source& like) : like_(like) {}
  const std::string& name() const override { return like_.name(); }
  const columnar::Schema& columns() const override { return like_.columns(); }
  const std::string& delivered_at_column() const override { return like_.delivered_at_column(); }
  bool keeps_unknown() const override { return like_.keeps_unknown(); }
  Result<std::vector<Delivery>> list(Instant before) override { return like_.list(before); }
  Result<std::unique_ptr<DeliveryReader>> open(const Delivery& delivery) override {
    const std::lock_guard lock(mutex_);
    ++opened_;
    changed_.notify_all();
    return like_.open(delivery);
  }
  Result<std::string> content_hash(const Delivery& delivery) override {
    return like_.content_hash(delivery);
  }
  /// Waits until so many were opened.
  void wait_for(int count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return opened_ >= count; });
  }
  int opened() {
    const std::lock_guard lock(mutex_);
    return opened_;
  }

 private:
  Source& like_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int opened_ = 0;
};

TEST(ParallelReading, BeginsNoMoreDeliveriesAheadThanItHasThreads) {
  UnequalFiles folder(9);
  CountingSource source(*folder.source);
  constexpr int threads = 2;
  int ended = 0;
  ParallelReading reading(source, folder.deliveries, threads);
  while (ended < 9) {
    // Whatever the threads do meanwhile: a delivery that is not begun cannot be handed out, and one
    // more than these may not be begun.
    source.wait_for(std::min(9, ended + threads));
    EXPECT_LE(source.opened(), ended + threads);
    const auto step = reading.next();
    ASSERT_TRUE(step);
    if (!step->piece) ++ended;
  }
  EXPECT_EQ(source.opened(), 9);
}

TEST(ParallelReading, OfNothingEndsAtOnce) {
  UnequalFiles folder(1);
  ParallelReading reading(*folder.source, {}, 4);
  EXPECT_FALSE(reading.next());
}

}  // namespace
}  // namespace millrace::ingest
