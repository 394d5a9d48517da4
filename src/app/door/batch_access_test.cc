#include "door/batch_access.h"

#include <limits>

#include <gtest/gtest.h>

#include "columnar/arrow_ipc.h"

namespace millrace::door {
namespace {

using columnar::Kind;

/// What a program reads when an engine gives these rows back: through the bytes of a stream.
Batch there_and_back(const Batch& batch) {
  const auto lent = BatchAccess::lend(batch);
  EXPECT_TRUE(lent.ok()) << lent.error().message();
  const std::string bytes =
      columnar::ipc_schema_message(lent->schema()) + columnar::ipc_batch_message(*lent);
  auto reader = *columnar::read_ipc_stream(columnar::read_bytes(bytes));
  return BatchAccess::copy(**reader->next());
}

template <typename T>
std::vector<std::optional<T>> values_of(const Batch& batch, std::string_view name) {
  const Column<T>* column = *batch.column<T>(name);
  std::vector<std::optional<T>> values;
  for (std::size_t row = 0; row < column->size(); ++row) {
    const auto value = column->at(row);
    values.emplace_back();
    if (value.has_value()) values.back().emplace(*value);
  }
  return values;
}

template <typename T>
void expect_back(const std::vector<std::optional<T>>& values) {
  Batch batch;
  Column<T>& column = batch.add<T>("a");
  for (const std::optional<T>& value : values) column.push(value);
  EXPECT_EQ(values_of<T>(batch, "a"), values);
  EXPECT_EQ(values_of<T>(there_and_back(batch), "a"), values);
}

TEST(Batch, EveryTypeComesBackWithItsNulls) {
  expect_back<bool>({true, std::nullopt, false, true, true, true, true, true, std::nullopt, true});
  expect_back<std::int64_t>({std::numeric_limits<std::int64_t>::min(), std::nullopt, 7});
  expect_back<double>({0.1, -0.0, std::nullopt, std::numeric_limits<double>::infinity()});
  expect_back<std::string>({"", "Zürich", std::nullopt, "a"});
  expect_back<std::string>({std::nullopt, std::nullopt});
  expect_back<Date>({Date{std::chrono::year{2013} / 12 / 1}, std::nullopt, Date{}});
  expect_back<Instant>({*parse_instant("1969-07-20T20:17:40.5Z"), std::nullopt});
}

TEST(Batch, ColumnsStayWhereTheyAreWhenItGrowsAndMoves) {
  Batch batch;
  auto& first = batch.add<std::int64_t>("c0");
  for (int i = 1; i < 100; ++i) batch.add<bool>("c" + std::to_string(i));
  first.push(7);
  const Batch moved = std::move(batch);
  first.push(8);
  EXPECT_EQ(values_of<std::int64_t>(moved, "c0"), (std::vector<std::optional<std::int64_t>>{7, 8}));
}

TEST(Batch, IsFilledAgainAfterItWasCleared) {
  Batch batch;
  auto& text = batch.add<std::string>("a");
  text.push_null();
  text.push("b");
  batch.clear();
  EXPECT_EQ(batch.row_count(), 0U);
  text.push("c");
  EXPECT_EQ(values_of<std::string>(there_and_back(batch), "a"),
            (std::vector<std::optional<std::string>>{"c"}));
}

TEST(Batch, AskedForAColumnThatItDoesNotHaveItSaysWhatItHas) {
  Batch batch;
  batch.add<double>("total");
  EXPECT_EQ(batch.column<double>("totle").error().message(), "no column 'totle'; known: total");
  const Error other = batch.column<std::string>("total").error();
  EXPECT_EQ(other.code(), ErrorCode::Invalid);
  EXPECT_EQ(
      other.message(),
      "column 'total' holds double, not std::string: ask for column<double>, or cast it in the "
      "SQL");
}

TEST(Batch, ColumnsOfDifferentLengthAreNamed) {
  Batch batch;
  batch.add<double>("price").push(1);
  batch.add<bool>("sold");
  EXPECT_EQ(
      BatchAccess::lend(batch).error().message(),
      "column 'sold' has 0 values, 'price' has 1: push a value or a null into every column for "
      "every row");
}

TEST(Batch, TypesOfTheEngineBecomeTheNearestOfAProgram) {
  using columnar::simple;
  columnar::BatchBuilder builder(std::make_shared<columnar::Schema>(
      std::vector<columnar::Field>{{"tiny", simple(Kind::Int8)},
                                   {"float", simple(Kind::Float32)},
                                   {"price", columnar::decimal(10, 2)},
                                   {"bytes", simple(Kind::Binary)},
                                   {"wall", simple(Kind::TimestampNtz)}}));
  builder.append_integer(0, -3);
  builder.append_number(1, 0.5);
  builder.append_integer(2, 1250);
  builder.append_text(3, "\xFF");
  builder.append_integer(4, 1'000'000);
  const Batch batch = BatchAccess::copy(builder.finish());
  EXPECT_EQ(values_of<std::int64_t>(batch, "tiny")[0], -3);
  EXPECT_EQ(values_of<double>(batch, "float")[0], 0.5);
  EXPECT_EQ(values_of<double>(batch, "price")[0], 12.5);
  EXPECT_EQ(values_of<std::string>(batch, "bytes")[0], "\xFF");
  EXPECT_EQ(values_of<Instant>(batch, "wall")[0], *parse_instant("1970-01-01T00:00:01Z"));
}

}  // namespace
}  // namespace millrace::door
