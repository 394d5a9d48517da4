#include "ingest/source_contract.h"

#include <algorithm>
#include <set>
#include <thread>

#include <zlib.h>

namespace millrace::ingest {

Instant at(std::string_view text) {
  return *parse_instant(text);
}

std::string gzipped(std::string_view text) {
  z_stream zlib{};
  INVARIANT(deflateInit2(&zlib, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) == Z_OK, "");
  std::string packed(deflateBound(&zlib, text.size()) + 32, '\0');
  zlib.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  zlib.avail_in = static_cast<uInt>(text.size());
  zlib.next_out = reinterpret_cast<Bytef*>(packed.data());
  zlib.avail_out = static_cast<uInt>(packed.size());
  INVARIANT(deflate(&zlib, Z_FINISH) == Z_STREAM_END, "the bound is large enough");
  packed.resize(packed.size() - zlib.avail_out);
  deflateEnd(&zlib);
  return packed;
}

ReadBack read_back(Source& source, const Delivery& delivery) {
  ReadBack back;
  const auto fail = [&](const Error& error) {
    back.error = error.message();
    back.code = error.code();
    return back;
  };
  auto reader = source.open(delivery);
  if (!reader.ok()) return fail(reader.error());
  while (true) {
    auto piece = (*reader)->next();
    back.counts = (*reader)->counts();
    if (!piece.ok()) return fail(piece.error());
    if (!*piece) return back;
    for (const RejectedRow& letter : (*piece)->rejected) {
      back.letters.push_back(letter);
      back.rejected.push_back(std::to_string(letter.row_number.value_or(0)) + ": " + letter.reason);
    }
    if (!(*piece)->rows) continue;
    const columnar::RecordBatch& rows = *(*piece)->rows;
    for (std::size_t row = 0; row < rows.row_count(); ++row) {
      std::string text;
      for (std::size_t i = 0; i < rows.schema().size(); ++i) {
        const columnar::Column column = rows.column(i);
        text += (i == 0 ? "" : "|") + (column.is_null(row) ? "-" : column.to_string(row));
      }
      back.rows.push_back(text);
    }
  }
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(SourceContract);

TEST_P(SourceContract, ListsWhatWasDeliveredBeforeAMomentInOrder) {
  const auto source = GetParam().open();
  const auto all = source->list(Instant::max());
  const auto some = source->list(GetParam().before);
  ASSERT_TRUE(all.ok() && some.ok());
  ASSERT_EQ(all->size(), 3U);
  ASSERT_EQ(some->size(), 2U);
  std::set<std::string> paths;
  for (std::size_t i = 0; i < all->size(); ++i) {
    const Delivery& delivery = (*all)[i];
    EXPECT_TRUE(paths.insert(delivery.path).second) << delivery.path << " stands twice";
    EXPECT_EQ(i < 2, delivery.delivered_at < GetParam().before);
    if (i > 0) {
      EXPECT_LE((*all)[i - 1].delivered_at, delivery.delivered_at);
    }
  }
  EXPECT_TRUE(std::equal(some->begin(), some->end(), all->begin()));
  // The moment itself is not before it.
  EXPECT_EQ(source->list((*all)[0].delivered_at)->size(), 0U);
}

TEST_P(SourceContract, GivesTheSameRowsEveryTimeFromAnyThread) {
  const auto source = GetParam().open();
  const auto deliveries = *source->list(GetParam().before);
  std::int64_t rejected = 0;
  for (const Delivery& delivery : deliveries) {
    const ReadBack once = read_back(*source, delivery);
    ReadBack again;
    ReadBack aside;
    std::thread other([&] { aside = read_back(*source, delivery); });
    again = read_back(*source, delivery);
    other.join();
    ASSERT_EQ(once.error, "");
    EXPECT_EQ(once.rows, again.rows);
    EXPECT_EQ(once.rows, aside.rows);
    EXPECT_EQ(once.letters, again.letters);
    EXPECT_EQ(once.counts.rows, static_cast<std::int64_t>(once.rows.size() + once.letters.size()));
    EXPECT_EQ(once.counts.rejected, static_cast<std::int64_t>(once.letters.size()));
    EXPECT_EQ(once.counts.bytes, delivery.size_bytes);
    EXPECT_EQ(once.counts.sha256.size(), 64U);
    EXPECT_EQ(once.counts.sha256, *source->content_hash(delivery));
    rejected += once.counts.rejected;
  }
  EXPECT_GT(rejected, 0) << "the source under test has no bad row";
}

TEST_P(SourceContract, NumbersRowsAndKeepsItsSchema) {
  const auto source = GetParam().open();
  const columnar::Schema schema = arrived(*source);
  const std::size_t row_column = *schema.index_of(kRow);
  const std::vector<Delivery> deliveries = *source->list(GetParam().before);
  for (const Delivery& delivery : deliveries) {
    auto reader = *source->open(delivery);
    std::int64_t last = 0;
    while (auto piece = *reader->next()) {
      if (!piece->rows) continue;
      EXPECT_EQ(piece->rows->schema(), schema);
      const columnar::Column numbers = piece->rows->column(row_column);
      for (std::size_t i = 0; i < numbers.size(); ++i) {
        EXPECT_GT(numbers.integer(i), last);
        last = numbers.integer(i);
      }
    }
    EXPECT_GT(last, 0) << delivery.path << " has no good row";
  }
}

TEST_P(SourceContract, RefusesADeliveryThatIsNotIts) {
  const auto source = GetParam().open();
  EXPECT_FALSE(source->open({"somewhere/else.bin", Instant(), 1}).ok());
}

}  // namespace millrace::ingest
