#include "columnar/record_batch.h"

#include <cmath>
#include <cstring>
#include <limits>

#include <gtest/gtest.h>

namespace millrace::columnar {
namespace {

/// An array of hand-made buffers that counts how often it was released.
struct HandMade {
  std::vector<std::vector<std::uint8_t>> storage;
  std::vector<const void*> buffers;
  std::vector<ArrowArray> children;
  std::vector<ArrowArray*> pointers;
  int* releases = nullptr;
};

void release_hand_made(ArrowArray* array) {
  auto* made = static_cast<HandMade*>(array->private_data);
  for (ArrowArray& child : made->children) {
    if (child.release != nullptr) child.release(&child);
  }
  ++*made->releases;
  delete made;
  array->release = nullptr;
}

template <typename T>
std::vector<std::uint8_t> bytes_of(const std::vector<T>& values) {
  std::vector<std::uint8_t> bytes(values.size() * sizeof(T));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

std::vector<std::uint8_t> text_bytes(std::string_view text) {
  return {text.begin(), text.end()};
}

class Arrays : public testing::Test {
 protected:
  /// An empty vector is a missing (null) buffer.
  ArrowArray make(std::int64_t length, std::int64_t offset,
                  std::vector<std::vector<std::uint8_t>> buffers,
                  std::vector<ArrowArray> children = {}) {
    auto made = std::make_unique<HandMade>();
    made->storage = std::move(buffers);
    for (const auto& bytes : made->storage) {
      made->buffers.push_back(bytes.empty() ? nullptr : bytes.data());
    }
    made->children = std::move(children);
    for (ArrowArray& child : made->children) made->pointers.push_back(&child);
    made->releases = &releases_;
    ++made_count_;
    ArrowArray array{};
    array.length = length;
    array.offset = offset;
    array.null_count = -1;
    array.n_buffers = static_cast<std::int64_t>(made->buffers.size());
    array.buffers = made->buffers.data();
    array.n_children = static_cast<std::int64_t>(made->children.size());
    array.children = made->pointers.data();
    array.release = release_hand_made;
    array.private_data = made.release();
    return array;
  }

  template <typename T>
  ArrowArray numbers(const std::vector<T>& values, std::vector<std::uint8_t> validity = {}) {
    return make(static_cast<std::int64_t>(values.size()), 0,
                {std::move(validity), bytes_of(values)});
  }

  Result<RecordBatch> adopt(std::vector<Field> fields, ArrowArray array) {
    return RecordBatch::adopt(std::make_shared<Schema>(std::move(fields)), array);
  }

  void TearDown() override { EXPECT_EQ(releases_, made_count_) << "every array is released once"; }

  int releases_ = 0;
  int made_count_ = 0;
};

TEST_F(Arrays, FlatColumnsAreReadAtTheirOffsets) {
  // Rows 1.. of each child, and row 2.. of those by the batch's own offset: physical row 3.
  ArrowArray integer = make(5, 1, {{0b00110111}, bytes_of<std::int32_t>({9, 9, 9, 7, -8, 9})});
  ArrowArray flag = make(5, 1, {{}, {0b00001000}});
  ArrowArray text =
      make(5, 1, {{}, bytes_of<std::int32_t>({0, 1, 2, 3, 5, 5, 6}), text_bytes("abcdef")});
  ArrowArray whole = make(2, 2, {{}}, {integer, flag, text});
  RecordBatch batch = *adopt(
      {{"i", simple(Kind::Int32)}, {"b", simple(Kind::Boolean)}, {"t", simple(Kind::String)}},
      whole);
  EXPECT_EQ(batch.row_count(), 2U);
  EXPECT_EQ(batch.column(0).size(), 2U);
  EXPECT_TRUE(batch.column(0).is_null(0));
  EXPECT_FALSE(batch.column(0).is_null(1));
  EXPECT_EQ(batch.column(0).null_count(), 1U);
  EXPECT_EQ(batch.column(0).integer(1), -8);
  EXPECT_TRUE(batch.column(1).boolean(0));
  EXPECT_FALSE(batch.column(1).boolean(1));
  EXPECT_EQ(batch.column(2).text(0), "de");
  EXPECT_EQ(batch.column(2).text(1), "");
}

TEST_F(Arrays, ListsStructsAndMapsAreReadAtTheirOffsets) {
  DataType type = list_of(struct_of({{"x", simple(Kind::Int64)}, {"y", simple(Kind::String)}}));
  ArrowArray x = make(5, 1, {{0b111110}, bytes_of<std::int64_t>({99, 1, 2, 3, 4, 5})});
  ArrowArray y = make(5, 0, {{}, bytes_of<std::int32_t>({0, 1, 2, 3, 4, 5}), text_bytes("abcde")});
  ArrowArray element = make(4, 1, {{0b01111}}, {x, y});  // the last struct is null
  ArrowArray list = make(3, 1, {{0b1011}, bytes_of<std::int32_t>({0, 1, 3, 3, 4})}, {element});
  ArrowArray keys = make(3, 0, {{}, bytes_of<std::int32_t>({0, 1, 2, 3}), text_bytes("kvw")});
  ArrowArray values = make(3, 0, {{}, bytes_of<double>({1.5, 2.5, 3.5})});
  ArrowArray entries = make(2, 1, {{}}, {keys, values});
  ArrowArray map = make(3, 0, {{}, bytes_of<std::int32_t>({0, 0, 1, 2})}, {entries});
  ArrowArray whole = make(3, 0, {{}}, {list, map});
  RecordBatch batch =
      *adopt({{"l", type}, {"m", map_of(simple(Kind::String), simple(Kind::Float64))}}, whole);
  EXPECT_EQ(batch.column(0).to_string(0), R"([{"x":3,"y":"c"},{"x":4,"y":"d"}])");
  EXPECT_TRUE(batch.column(0).is_null(1));
  EXPECT_EQ(batch.column(0).to_json(1), Json());
  EXPECT_EQ(batch.column(0).to_string(2), "[null]");
  EXPECT_EQ(batch.column(1).to_string(0), "{}");
  EXPECT_EQ(batch.column(1).to_string(1), R"({"v":2.5})");
  EXPECT_EQ(batch.column(1).to_json(2), Json::object({{"w", 3.5}}));
}

TEST_F(Arrays, EveryKindHasATextAndAJsonValue) {
  auto one = [this](DataType type, std::vector<std::vector<std::uint8_t>> buffers) {
    ArrowArray whole = make(1, 0, {{}}, {make(1, 0, std::move(buffers))});
    return *adopt({{"c", std::move(type)}}, whole);
  };
  struct Case {
    RecordBatch batch;
    std::string text;
    Json json;
  };
  constexpr std::int64_t kBig = (std::int64_t{1} << 60U) + 1;
  std::vector<std::uint64_t> small_decimal = {static_cast<std::uint64_t>(-1205), ~std::uint64_t{0}};
  std::vector<Case> cases;
  cases.push_back({one(simple(Kind::Int8), {{}, {0xFF}}), "-1", -1});
  cases.push_back({one(simple(Kind::Int16), {{}, bytes_of<std::int16_t>({-300})}), "-300", -300});
  cases.push_back({one(simple(Kind::Int64), {{}, bytes_of<std::int64_t>({kBig})}),
                   "1152921504606846977", kBig});
  cases.push_back({one(simple(Kind::Float32), {{}, bytes_of<float>({0.1F})}), "0.1",
                   static_cast<double>(0.1F)});
  cases.push_back({one(simple(Kind::Float64), {{}, bytes_of<double>({0.1})}), "0.1", 0.1});
  cases.push_back({one(decimal(10, 2), {{}, bytes_of(small_decimal)}), "-12.05", "-12.05"});
  cases.push_back({one(decimal(10, 0), {{}, bytes_of(small_decimal)}), "-1205", -1205});
  cases.push_back({one(decimal(38, 0), {{}, bytes_of<std::uint64_t>({0, 1})}),
                   "18446744073709551616", "18446744073709551616"});
  cases.push_back(
      {one(simple(Kind::Binary), {{}, bytes_of<std::int32_t>({0, 4}), text_bytes("a\\\x01\xFF")}),
       "a\\x5C\\x01\\xFF", "a\\x5C\\x01\\xFF"});
  cases.push_back(
      {one(simple(Kind::Date), {{}, bytes_of<std::int32_t>({-1})}), "1969-12-31", "1969-12-31"});
  cases.push_back({one(simple(Kind::Date), {{}, bytes_of<std::int32_t>({2'932'897})}),
                   "10000-01-01", "10000-01-01"});
  cases.push_back({one(simple(Kind::Timestamp), {{}, bytes_of<std::int64_t>({-1})}),
                   "1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999Z"});
  cases.push_back(
      {one(simple(Kind::TimestampNtz), {{}, bytes_of<std::int64_t>({1'385'874'000'250'000})}),
       "2013-12-01T05:00:00.25", "2013-12-01T05:00:00.25"});
  cases.push_back({one(simple(Kind::Timestamp),
                       {{}, bytes_of<std::int64_t>({std::numeric_limits<std::int64_t>::max()})}),
                   "infinity", "infinity"});
  for (const Case& c : cases) {
    SCOPED_TRACE(to_sql(c.batch.schema()[0].type) + " " + c.text);
    EXPECT_EQ(c.batch.column(0).to_string(0), c.text);
    EXPECT_EQ(c.batch.column(0).to_json(0), c.json);
  }
}

TEST_F(Arrays, DecimalsBecomeTheNearestDouble) {
  using Pair = std::vector<std::uint64_t>;
  ArrowArray column = make(3, 0,
                           {{},
                            bytes_of(Pair{12'345'678'901'234'567'890U, 0, 5, 0,
                                          static_cast<std::uint64_t>(-1), ~0ULL})});
  RecordBatch batch = *adopt({{"d", decimal(38, 20)}}, make(3, 0, {{}}, {column}));
  EXPECT_EQ(batch.column(0).number(0), 0.12345678901234567890);
  EXPECT_EQ(batch.column(0).number(1), 5e-20);
  EXPECT_EQ(batch.column(0).number(2), -1e-20);
}

TEST_F(Arrays, AMoveLeavesNothingBehindAndReleasesOnce) {
  RecordBatch a =
      *adopt({{"i", simple(Kind::Int64)}}, make(1, 0, {{}}, {numbers<std::int64_t>({1})}));
  RecordBatch b =
      *adopt({{"i", simple(Kind::Int64)}}, make(1, 0, {{}}, {numbers<std::int64_t>({2})}));
  a = std::move(b);
  EXPECT_EQ(releases_, 2) << "the batch that was assigned over is gone";
  EXPECT_EQ(a.column(0).integer(0), 2);
  ArrowArray given = std::move(a).release_arrow();
  EXPECT_EQ(releases_, 2);
  given.release(&given);
}

TEST_F(Arrays, AMissingColumnIsNotFoundWithASuggestion) {
  RecordBatch batch =
      *adopt({{"carrier", simple(Kind::Int64)}}, make(1, 0, {{}}, {numbers<std::int64_t>({1})}));
  EXPECT_EQ(batch.column("CARRIER")->integer(0), 1);
  Result<Column> missing = batch.column("carier");
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code(), ErrorCode::NotFound);
  EXPECT_NE(missing.error().message().find("did you mean 'carrier'"), std::string::npos);
}

class HostileArrays : public Arrays {
 protected:
  void expect_refused(DataType type, ArrowArray child, std::string_view why) {
    SCOPED_TRACE(why);
    Result<RecordBatch> batch = adopt({{"c", std::move(type)}}, make(2, 0, {{}}, {child}));
    ASSERT_FALSE(batch.ok());
    EXPECT_EQ(batch.error().code(), ErrorCode::Invalid);
    EXPECT_NE(batch.error().message().find(why), std::string::npos) << batch.error().message();
  }
};

TEST_F(HostileArrays, AreRefusedAndReleased) {
  std::vector<std::int32_t> ends = {0, 1, 2};
  expect_refused(simple(Kind::Int64), numbers<std::int64_t>({1}), "it has 1 rows, expected 2");
  expect_refused(simple(Kind::Int64), make(2, 0, {{}}), "1 buffers, expected 2");
  expect_refused(simple(Kind::Int64), make(2, 0, {{}, {}}), "its values are missing");
  expect_refused(simple(Kind::String), make(2, 0, {{}, {}, text_bytes("a")}),
                 "offsets are missing");
  expect_refused(simple(Kind::String), make(2, 0, {{}, bytes_of(ends), {}}), "text is missing");
  expect_refused(simple(Kind::String),
                 make(2, 0, {{}, bytes_of<std::int32_t>({0, 5, 2}), text_bytes("abcde")}),
                 "go backwards at row 1");
  expect_refused(simple(Kind::String),
                 make(2, 0, {{}, bytes_of<std::int32_t>({-4, 1, 2}), text_bytes("ab")}),
                 "an offset is negative");
  expect_refused(
      list_of(simple(Kind::Int64)),
      make(2, 0, {{}, bytes_of<std::int32_t>({0, 1, 3})}, {numbers<std::int64_t>({1, 2})}),
      "it has 2 rows, expected 3");
  expect_refused(list_of(simple(Kind::Int64)), make(2, 0, {{}, bytes_of(ends)}),
                 "0 children, expected 1");
  expect_refused(struct_of({{"a", simple(Kind::Int64)}}),
                 make(2, 0, {{}}, {numbers<std::int64_t>({1})}), "field 'a'");
  ArrowArray nulls = numbers<std::int64_t>({1, 2});
  nulls.null_count = 1;
  expect_refused(simple(Kind::Int64), nulls, "1 nulls without a validity bitmap");
  ArrowArray many = numbers<std::int64_t>({1, 2});
  many.null_count = 3;
  expect_refused(simple(Kind::Int64), many, "3 nulls");
  ArrowArray negative = numbers<std::int64_t>({1, 2});
  negative.length = -2;
  expect_refused(simple(Kind::Int64), negative, "length -2");
  ArrowArray far = numbers<std::int64_t>({1, 2});
  far.offset = std::numeric_limits<std::int64_t>::max();
  expect_refused(simple(Kind::Int64), far, "with offset");
}

TEST_F(HostileArrays, ABatchOfTheWrongShapeIsRefused) {
  auto schema = std::vector<Field>{{"c", simple(Kind::Int64)}};
  EXPECT_FALSE(adopt(schema, make(0, 0, {{}})).ok()) << "a column is missing";
  EXPECT_FALSE(adopt(schema, make(2, 0, {{0b01}}, {numbers<std::int64_t>({1, 2})})).ok())
      << "a whole row is null";
  EXPECT_FALSE(adopt(schema, ArrowArray{}).ok()) << "released already";
  ArrowArray released = numbers<std::int64_t>({1, 2});
  ArrowArray copy = released;
  copy.release(&copy);
  released.release = nullptr;
  EXPECT_FALSE(adopt(schema, make(2, 0, {{}}, {released})).ok()) << "a child was released";
}

TEST(ArrowSchema, EverySchemaComesBackFromItsDescription) {
  Schema schema({{"b", simple(Kind::Boolean)},
                 {"i8", simple(Kind::Int8)},
                 {"i16", simple(Kind::Int16)},
                 {"i32", simple(Kind::Int32)},
                 {"i64", simple(Kind::Int64), false},
                 {"f", simple(Kind::Float32)},
                 {"g", simple(Kind::Float64)},
                 {"d", decimal(38, 6)},
                 {"s", simple(Kind::String)},
                 {"z", simple(Kind::Binary)},
                 {"day", simple(Kind::Date)},
                 {"at", simple(Kind::Timestamp)},
                 {"wall", simple(Kind::TimestampNtz)},
                 {"l", list_of(list_of(simple(Kind::Int8)))},
                 {"st", struct_of({{"x", simple(Kind::Date), false}, {"y", decimal(3, 0)}})},
                 {"m", map_of(simple(Kind::String), list_of(simple(Kind::Float64)))}});
  ArrowSchemaHolder holder(schema);
  Result<Schema> back = schema_from_arrow(*holder.get());
  ASSERT_TRUE(back.ok()) << back.error().message();
  EXPECT_EQ(*back, schema);
}

TEST(ArrowSchema, WhatNoTableHoldsIsRefusedByNameAndFormat) {
  Schema schema({{"odd", simple(Kind::Int64)}});
  struct Case {
    const char* format;
    ErrorCode code;
  };
  const Case cases[] = {{"L", ErrorCode::Unsupported},         {"U", ErrorCode::Unsupported},
                        {"vu", ErrorCode::Unsupported},        {"tsn:", ErrorCode::Unsupported},
                        {"ttu", ErrorCode::Unsupported},       {"d:39,0", ErrorCode::Unsupported},
                        {"d:5", ErrorCode::Unsupported},       {"d:5,6", ErrorCode::Unsupported},
                        {"d:9,2,256", ErrorCode::Unsupported}, {"d:", ErrorCode::Unsupported},
                        {"", ErrorCode::Unsupported},          {"+l", ErrorCode::Invalid},
                        {"+L", ErrorCode::Unsupported},        {nullptr, ErrorCode::Invalid}};
  for (const Case& c : cases) {
    SCOPED_TRACE(c.format == nullptr ? "no format" : c.format);
    ArrowSchemaHolder holder(schema);
    ArrowSchema& child = *holder.get()->children[0];
    const char* before = child.format;
    child.format = c.format;
    Result<Schema> back = schema_from_arrow(*holder.get());
    child.format = before;
    ASSERT_FALSE(back.ok());
    EXPECT_EQ(back.error().code(), c.code);
    EXPECT_NE(back.error().message().find("odd"), std::string::npos) << back.error().message();
  }
}

TEST(ArrowSchema, ATypeThatContainsItselfIsRefused) {
  Schema schema({{"l", list_of(simple(Kind::Int64))}});
  ArrowSchemaHolder holder(schema);
  ArrowSchema* list = holder.get()->children[0];
  ArrowSchema* before = list->children[0];
  list->children[0] = list;
  EXPECT_FALSE(schema_from_arrow(*holder.get()).ok());
  list->children[0] = before;
}

TEST(BatchBuilder, WhatWasAppendedIsRead) {
  auto schema = std::make_shared<Schema>(std::vector<Field>{{"b", simple(Kind::Boolean)},
                                                            {"i", simple(Kind::Int16)},
                                                            {"d", decimal(20, 2)},
                                                            {"f", simple(Kind::Float32)},
                                                            {"s", simple(Kind::String)}});
  BatchBuilder builder(schema);
  for (int row = 0; row < 20; ++row) {
    builder.append_boolean(0, row % 3 == 0);
    builder.append_integer(1, -row);
    builder.append_integer(2, -5L * row);
    builder.append_number(3, row / 2.0);
    if (row % 7 == 0) {
      builder.append_null(4);
    } else {
      builder.append_text(4, std::string(static_cast<std::size_t>(row), 'x'));
    }
  }
  EXPECT_EQ(builder.row_count(), 20U);
  EXPECT_GT(builder.size_bytes(), 190U);
  RecordBatch batch = builder.finish();
  ASSERT_EQ(batch.row_count(), 20U);
  EXPECT_EQ(batch.column(4).null_count(), 3U);
  EXPECT_TRUE(batch.column(4).is_null(14));
  EXPECT_EQ(batch.column(4).text(13).size(), 13U);
  EXPECT_EQ(batch.column(0).to_string(18), "true");
  EXPECT_EQ(batch.column(1).integer(19), -19);
  EXPECT_EQ(batch.column(2).to_string(3), "-0.15");
  EXPECT_EQ(batch.column(3).number(19), 9.5);
  EXPECT_EQ(builder.row_count(), 0U);
  EXPECT_EQ(builder.finish().row_count(), 0U);
}

TEST(BatchBuilder, TruncateTakesBackHalfRowsToo) {
  auto schema = std::make_shared<Schema>(
      std::vector<Field>{{"i", simple(Kind::Int64)}, {"s", simple(Kind::String)}});
  BatchBuilder builder(schema);
  builder.append_integer(0, 1);
  builder.append_text(1, "one");
  builder.append_integer(0, 2);
  builder.append_null(1);
  builder.append_integer(0, 3);  // the row breaks off here
  EXPECT_EQ(builder.row_count(), 2U);
  builder.truncate(1);
  builder.append_integer(0, 4);
  builder.append_text(1, "four");
  RecordBatch batch = builder.finish();
  ASSERT_EQ(batch.row_count(), 2U);
  EXPECT_EQ(batch.column(1).null_count(), 0U);
  EXPECT_EQ(batch.column(1).text(1), "four");
  EXPECT_EQ(batch.column(0).integer(1), 4);
}

TEST(BatchReader, BatchesInMemoryAreReadOnceAndEmptyOnesSkipped) {
  auto schema = std::make_shared<Schema>(std::vector<Field>{{"i", simple(Kind::Int64)}});
  BatchBuilder builder(schema);
  std::vector<RecordBatch> batches;
  batches.push_back(builder.finish());
  builder.append_integer(0, 7);
  batches.push_back(builder.finish());
  std::unique_ptr<BatchReader> reader = read_batches(schema, std::move(batches));
  EXPECT_EQ(reader->schema(), *schema);
  std::optional<RecordBatch> first = *reader->next();
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->column(0).integer(0), 7);
  EXPECT_FALSE(reader->next()->has_value());
}

}  // namespace
}  // namespace millrace::columnar
