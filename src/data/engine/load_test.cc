// Rows that go into the engine come out as they were.

#include <gtest/gtest.h>

#include "engine/engine.h"

namespace millrace::engine {
namespace {

using columnar::RecordBatch;
using columnar::Schema;

constexpr std::string_view kEveryType = R"(
  select i as id,
         case when i % 5 = 0 then null else i % 3 = 0 end as flag,
         case when i % 7 = 0 then null else (i % 100)::tinyint end as i8,
         (i % 1000 - 500)::smallint as i16,
         case when i % 2 = 0 then null else i::integer end as i32,
         case when i % 11 = 0 then 'nan'::float else i / 3.0::float end as f32,
         case when i % 13 = 0 then null else i / 7.0::double end as f64,
         (i * 1.25)::decimal(9, 2) as d9,
         case when i % 3 = 0 then null else (i * 1000000007.125)::decimal(18, 3) end as d18,
         (i::hugeint * 100000000000000000000)::decimal(38, 4) as d38,
         case when i % 4 = 0 then null when i % 4 = 1 then '' else 'text ' || repeat('é', (i % 20)::int)
           end as text,
         case when i % 6 = 0 then null else encode('b' || i) end as bytes,
         case when i % 9 = 0 then null else date '1960-01-01' + i::int end as day,
         case when i % 8 = 0 then null else timestamptz '1969-12-31 00:00:00+00' + to_seconds(i * 37.000001)
           end as moment,
         timestamp '2013-01-01' + to_minutes(i) as wall,
         case when i % 10 = 0 then null when i % 10 = 1 then [] else [i, null, i + 1] end as list,
         [[i::varchar], null, []] as lists,
         case when i % 12 = 0 then null
           else {'a': case when i % 5 = 0 then null else i end, 'b': 's' || i, 'c': [i::double]}
           end as struct,
         {'in': {'deep': i, 'list': [{'x': i}, null]}} as nested,
         case when i % 14 = 0 then null else map {'k' || i: i, 'l': null} end as map,
         [map {i: {'y': {'z': i, 'w': [{'q': [{'r': i}]}]}}}, map {}] as list_of_maps,
         {'m': map {i: {'a': {'b': {'c': i % 2 = 0, 'd': i}}}}, 'n': case when i % 3 = 0 then null
           else {'o': case when i % 2 = 0 then null else {'p': i % 5 = 0, 'q': 's' || i} end} end} as deep
  from range(5003) t(i))";

class LoadTest : public testing::Test {
 protected:
  void SetUp() override {
    engine_ = *open_duckdb({.threads = 2});
    source_ = *engine_->open_session();
    session_ = *engine_->open_session();
  }

  /// The rows [first, first + count) of a batch, by its offset.
  static RecordBatch slice(RecordBatch batch, std::int64_t first, std::int64_t count) {
    auto schema = batch.shared_schema();
    ArrowArray array = std::move(batch).release_arrow();
    array.offset += first;
    array.length = count;
    return *RecordBatch::adopt(schema, array);
  }

  std::unique_ptr<columnar::BatchReader> reader(std::vector<RecordBatch> batches) {
    auto schema = batches.at(0).shared_schema();
    return columnar::read_batches(schema, std::move(batches));
  }

  /// Compares row by row, and shows the first that differs.
  static void expect_same(const std::vector<std::string>& found,
                          const std::vector<std::string>& expected) {
    ASSERT_EQ(found.size(), expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) ASSERT_EQ(found[i], expected[i]) << "row " << i;
  }

  static std::vector<std::string> rows_of(const std::vector<RecordBatch>& batches) {
    std::vector<std::string> rows;
    for (const RecordBatch& batch : batches) {
      for (std::size_t row = 0; row < batch.row_count(); ++row) {
        std::string text;
        for (std::size_t i = 0; i < batch.schema().size(); ++i) {
          text += (batch.column(i).is_null(row) ? "NULL" : batch.column(i).to_string(row)) + "|";
        }
        rows.push_back(std::move(text));
      }
    }
    return rows;
  }

  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Session> source_;
  std::unique_ptr<Session> session_;
};

TEST_F(LoadTest, EveryTypeGoesInAndComesOutTheSame) {
  auto rows = source_->query(kEveryType);
  ASSERT_TRUE(rows.ok()) << rows.error().message();
  auto loaded = session_->load("raw.every", **rows);
  ASSERT_TRUE(loaded.ok()) << loaded.error().message();
  EXPECT_EQ(*loaded, 5003);
  auto expected = rows_of(*source_->collect(kEveryType));
  expect_same(rows_of(*session_->collect("select * from raw.every")), expected);
  EXPECT_EQ((*session_->collect("select * from raw.every limit 1"))[0].schema(),
            (*source_->collect(kEveryType))[0].schema());
}

TEST_F(LoadTest, ColumnsAndFiltersChooseTheRightRows) {
  // What duckdb_arrow_scan gets wrong without an error.
  auto rows = *source_->query(kEveryType);
  ASSERT_TRUE(session_->load("every", *rows).ok());
  std::string question =
      "select day, id, text from {} where id % 97 = 3 and day is not null order by id";
  auto ask = [&](Session& session, const std::string& from) {
    std::string sql = question;
    sql.replace(sql.find("{}"), 2, from);
    return rows_of(*session.collect(sql));
  };
  EXPECT_EQ(ask(*session_, "every"), ask(*source_, "(" + std::string(kEveryType) + ")"));
}

TEST_F(LoadTest, SlicesAreReadAtTheirOffsets) {
  auto batches = *source_->collect(kEveryType);
  ASSERT_EQ(batches.size(), 3U);
  auto expected = rows_of(*source_->collect(
      "select * from (" + std::string(kEveryType) +
      ") where (id >= 5 and id < 1005) or "
      "(id >= 4096 + 13 and id < 4096 + 14) or (id >= 2048 + 3 and id < 2048 + 2048) order by "
      "case when id < 2048 then 0 when id >= 4096 then 1 else 2 end, id"));
  std::vector<RecordBatch> slices;
  slices.push_back(slice(std::move(batches[0]), 5, 1000));
  slices.push_back(slice(std::move(batches[2]), 13, 1));
  slices.push_back(slice(std::move(batches[1]), 3, 2045));
  auto rows = reader(std::move(slices));
  auto loaded = session_->load("slices", *rows);
  ASSERT_TRUE(loaded.ok()) << loaded.error().message();
  EXPECT_EQ(*loaded, 3046);
  expect_same(rows_of(*session_->collect("select * from slices")), expected);
}

TEST_F(LoadTest, ABatchLargerThanDuckdbsVectorIsCutUp) {
  auto schema = std::make_shared<Schema>(
      std::vector<columnar::Field>{{"i", columnar::simple(columnar::Kind::Int64)},
                                   {"b", columnar::simple(columnar::Kind::Boolean)},
                                   {"s", columnar::simple(columnar::Kind::String)}});
  columnar::BatchBuilder builder(schema);
  for (int i = 0; i < 100'001; ++i) {
    builder.append_integer(0, i);
    builder.append_boolean(1, i % 3 == 0);
    if (i % 5 == 0) {
      builder.append_null(2);
    } else {
      builder.append_text(2, "a text that is longer than twelve bytes " + std::to_string(i));
    }
  }
  std::vector<RecordBatch> batches;
  batches.push_back(builder.finish());
  auto rows = reader(std::move(batches));
  EXPECT_EQ(*session_->load("big", *rows), 100'001);
  EXPECT_EQ(
      session_
          ->scalar("select count(*) from (select *, row_number() over () - 1 as n from big) "
                   "where i <> n or b <> (n % 3 = 0) or s is distinct from case when n % 5 = 0 "
                   "then null else 'a text that is longer than twelve bytes ' || n end")
          ->as_integer(),
      0);
}

TEST_F(LoadTest, AnEmptyAnswerMakesAnEmptyTable) {
  auto rows = *source_->query("select 1 as a, date '2013-01-01' as \"b c\" where false");
  EXPECT_EQ(*session_->load("t", *rows), 0);
  EXPECT_EQ(session_->scalar("select count(\"b c\") from t")->as_integer(), 0);
}

TEST_F(LoadTest, ReadingAnAnswerAfterTheNextCallIsABug) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  auto rows = *source_->query("from range(100000)");
  ASSERT_TRUE(source_->scalar("select 1").ok());
  EXPECT_DEATH((void)rows->next(), "read to its end");
}

}  // namespace
}  // namespace millrace::engine
