#include "columnar/arrow_ipc.h"

#include <cstring>

#include <gtest/gtest.h>

namespace millrace::columnar {
namespace {

std::shared_ptr<const Schema> shared(std::vector<Field> fields) {
  return std::make_shared<Schema>(std::move(fields));
}

/// One column of each flat type, with nulls.
RecordBatch flat_batch() {
  BatchBuilder builder(shared({{"yes", simple(Kind::Boolean)},
                               {"tiny", simple(Kind::Int8)},
                               {"short", simple(Kind::Int16)},
                               {"int", simple(Kind::Int32)},
                               {"long", simple(Kind::Int64), false},
                               {"float", simple(Kind::Float32)},
                               {"double", simple(Kind::Float64)},
                               {"price", decimal(10, 2)},
                               {"name", simple(Kind::String)},
                               {"bytes", simple(Kind::Binary)},
                               {"day", simple(Kind::Date)},
                               {"at", simple(Kind::Timestamp)},
                               {"wall", simple(Kind::TimestampNtz)}}));
  for (std::int64_t row = 0; row < 20; ++row) {
    const bool null = row % 3 == 1;
    for (std::size_t column = 0; column < 13; ++column)
      if (null && column != 4) builder.append_null(column);
    builder.append_integer(4, row - 10);
    if (null) continue;
    builder.append_boolean(0, row % 2 == 0);
    for (const std::size_t column : {1U, 2U, 3U, 7U, 10U, 11U, 12U})
      builder.append_integer(column, row - 5);
    builder.append_number(5, static_cast<double>(row) / 2);
    builder.append_number(6, static_cast<double>(row) / 3);
    builder.append_text(8, "Zürich " + std::to_string(row));
    builder.append_text(9, "\xFF" + std::to_string(row));
  }
  return builder.finish();
}

/// The same rows and columns, from `first` on, as an array with an offset.
RecordBatch sliced(RecordBatch batch, std::int64_t first, std::int64_t count) {
  const auto schema = batch.shared_schema();
  ArrowArray array = std::move(batch).release_arrow();
  array.offset = first;
  array.length = count;
  return *RecordBatch::adopt(schema, array);
}

std::string text_of(const RecordBatch& batch) {
  std::string text;
  for (std::size_t row = 0; row < batch.row_count(); ++row)
    for (std::size_t column = 0; column < batch.schema().size(); ++column)
      text += (column == 0 ? "\n" : "|") + batch.column(column).to_json(row).dump();
  return text;
}

std::string stream_of(const RecordBatch& batch) {
  return ipc_schema_message(batch.schema()) + ipc_batch_message(batch) + std::string(kIpcEnd);
}

/// All of a stream as text, or its error.
std::string read_all(std::string_view bytes, IpcLimits limits = {}) {
  auto reader = read_ipc_stream(read_bytes(bytes), limits);
  if (!reader.ok()) return "error: " + reader.error().message();
  std::string text;
  for (;;) {
    const auto batch = (*reader)->next();
    if (!batch.ok()) return "error: " + batch.error().message();
    if (!batch->has_value()) return text;
    text += text_of(**batch);
  }
}

TEST(ArrowIpc, EveryFlatTypeComesBackWithItsNulls) {
  const RecordBatch batch = flat_batch();
  const std::string stream = stream_of(batch);
  auto reader = read_ipc_stream(read_bytes(stream));
  ASSERT_TRUE(reader.ok()) << reader.error().message();
  EXPECT_EQ((*reader)->schema(), batch.schema());
  EXPECT_EQ(read_all(stream), text_of(batch));
}

TEST(ArrowIpc, ASliceGivesItsOwnRowsAndNoMore) {
  for (const auto& [first, count] : {std::pair{0, 20}, {1, 7}, {8, 8}, {5, 0}, {13, 7}, {19, 1}}) {
    SCOPED_TRACE(testing::Message() << count << " rows from row " << first);
    const RecordBatch batch = sliced(flat_batch(), first, count);
    EXPECT_EQ(read_all(stream_of(batch)), text_of(batch));
  }
  EXPECT_LT(ipc_batch_message(sliced(flat_batch(), 19, 1)).size(),
            ipc_batch_message(flat_batch()).size());
}

TEST(ArrowIpc, AStreamHasManyBatchesAndNeedsNoEndMarker) {
  const RecordBatch batch = flat_batch();
  const RecordBatch empty = sliced(flat_batch(), 3, 0);
  const std::string begin = ipc_schema_message(batch.schema()) + ipc_batch_message(batch) +
                            ipc_batch_message(empty) + ipc_batch_message(batch);
  EXPECT_EQ(read_all(begin), text_of(batch) + text_of(batch));
  EXPECT_EQ(read_all(begin + std::string(kIpcEnd) + "what follows the end is not read"),
            text_of(batch) + text_of(batch));
  EXPECT_EQ(read_all(ipc_schema_message(Schema())), "");
}

TEST(ArrowIpc, NestedTypesAreDescribedAsTheyWere) {
  DataType list = list_of(decimal(38, 10));
  list.children[0].nullable = false;
  const Schema schema({{"l", list},
                       {"s", struct_of({{"a", simple(Kind::String), false}, {"b", list}})},
                       {"m", map_of(simple(Kind::Date), list_of(simple(Kind::Boolean)))}});
  const std::string message = ipc_schema_message(schema);
  auto reader = read_ipc_stream(read_bytes(message));
  ASSERT_TRUE(reader.ok()) << reader.error().message();
  EXPECT_EQ((*reader)->schema(), schema);
}

TEST(ArrowIpc, ABatchOutlivesItsReader) {
  const RecordBatch batch = flat_batch();
  std::string stream = stream_of(batch);
  auto reader = *read_ipc_stream(read_bytes(stream));
  const std::optional<RecordBatch> read = *reader->next();
  reader.reset();
  stream.assign(stream.size(), '\xAA');
  EXPECT_EQ(text_of(*read), text_of(batch));
}

TEST(ArrowIpc, AStreamThatIsCutAnywhereIsRefused) {
  const std::string stream = stream_of(flat_batch());
  const std::size_t schema_ends = ipc_schema_message(flat_batch().schema()).size();
  const std::size_t batch_ends = stream.size() - kIpcEnd.size();
  for (std::size_t size = 0; size < stream.size(); ++size) {
    const std::string read = read_all(std::string_view(stream).substr(0, size));
    if (size == schema_ends || size == batch_ends) continue;
    EXPECT_TRUE(read.starts_with("error: ")) << size << " bytes gave " << read;
  }
}

TEST(ArrowIpc, NoChangedByteLeadsOutOfTheStream) {
  // The sanitizers watch; what is asked here is that it ends, and that most changes are noticed or
  // change a value only.
  const std::string stream = stream_of(flat_batch());
  int refused = 0;
  for (std::size_t at = 0; at < stream.size(); ++at) {
    for (const char value : {'\x01', '\xFF'}) {
      std::string changed = stream;
      if (changed[at] == value) continue;
      changed[at] = value;
      refused += read_all(changed).starts_with("error: ") ? 1 : 0;
    }
  }
  EXPECT_GT(refused, 500);
}

TEST(ArrowIpc, SaysWhereTheBytesAreWrong) {
  const std::string stream = stream_of(flat_batch());
  const std::size_t body = stream.size() - kIpcEnd.size();
  const auto with = [&](std::string_view old, std::string_view now) {
    std::string changed = stream;
    changed.replace(changed.find(old), old.size(), now);
    return read_all(changed);
  };
  EXPECT_EQ(read_all("PAR1 is another format"),
            "error: message 1 of the Arrow stream: expected FF FF FF FF and a length; this is no "
            "Arrow stream, or one of before Arrow 0.15");
  EXPECT_EQ(read_all(std::string_view(stream).substr(0, body - 8)),
            "error: message 2 of the Arrow stream: the stream ends within the message");
  EXPECT_EQ(with("Z\xC3\xBCrich 3", "Z\xC3\xC3rich 3"),
            "error: message 2 of the Arrow stream: column 'name': the text of row 3 is not UTF-8");
  EXPECT_EQ(with("tiny", "ti\xFFy"),
            "error: message 1 of the Arrow stream: the name of column 2 is no text");
  EXPECT_EQ(read_all(""), "error: an Arrow stream begins with a schema; there is nothing");
  EXPECT_EQ(read_all(ipc_batch_message(flat_batch())),
            "error: message 1 of the Arrow stream: a stream begins with its schema");
  EXPECT_EQ(read_all(ipc_schema_message(flat_batch().schema()) +
                     ipc_schema_message(flat_batch().schema())),
            "error: message 2 of the Arrow stream: expected a record batch");
}

TEST(ArrowIpc, AnotherTablesBatchIsRefused) {
  const Schema one({{"a", simple(Kind::Int64)}});
  const Schema text({{"a", simple(Kind::String)}, {"b", simple(Kind::String)}});
  const std::string batch = ipc_batch_message(flat_batch());
  EXPECT_EQ(read_all(ipc_schema_message(one) + batch).substr(0, 62),
            "error: message 2 of the Arrow stream: column 'a': its values h");
  EXPECT_TRUE(read_all(ipc_schema_message(text) + batch).starts_with("error: message 2"));
}

TEST(ArrowIpc, AMessageBeyondTheLimitsIsRefusedBeforeItIsRead) {
  const std::string stream = stream_of(flat_batch());
  EXPECT_EQ(read_all(stream, {.metadata_bytes = 64}).substr(0, 53),
            "error: message 1 of the Arrow stream: its metadata ha");
  EXPECT_NE(read_all(stream, {.body_bytes = 64}).find("at most 64 are taken"), std::string::npos);
  auto reader = read_ipc_stream(read_bytes(stream), {.body_bytes = 64});
  EXPECT_EQ((*reader)->next().error().code(), ErrorCode::Exhausted);
}

TEST(ArrowIpc, AFailureOfTheSourceIsPassedOn) {
  const auto failing = [](std::span<char>) -> Result<std::size_t> {
    return Error(ErrorCode::Unavailable, "the pipe broke");
  };
  const auto reader = read_ipc_stream(failing);
  EXPECT_EQ(reader.error().code(), ErrorCode::Unavailable);
  EXPECT_EQ(reader.error().message(), "the pipe broke");
}

}  // namespace
}  // namespace millrace::columnar
