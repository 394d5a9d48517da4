// A stream of bytes as messages, and those as batches.

#include <algorithm>
#include <array>
#include <bit>

#include <fmt/core.h>

#include "columnar/arrow_ipc.h"
#include "columnar/arrow_ipc_body.h"

namespace millrace::columnar {
namespace {

static_assert(std::endian::native == std::endian::little, "the values are read as they lie there");

Error invalid_stream(std::string message) {
  return {ErrorCode::Invalid, std::move(message)};
}

/// One message as it came: its metadata, whose root is verified, and what the body will take.
struct Message {
  ipc::AlignedBytes metadata;
  const ipc::MessageTable* table = nullptr;
};

class StreamReader final : public BatchReader {
 public:
  StreamReader(ByteSource source, IpcLimits limits) : source_(std::move(source)), limits_(limits) {}

  Status open() {
    auto message = TRY(located(read_message()));
    if (!message.has_value())
      return invalid_stream("an Arrow stream begins with a schema; there is nothing");
    if (message->table->kind() != ipc::HeaderKind::Schema)
      return invalid_stream(place() + ": a stream begins with its schema");
    schema_ = std::make_shared<Schema>( TRY(located(ipc::schema_of(*message->table->schema()))));
    TRY(located(read_body(message->table->body_length())));
    return {};
  }

  const Schema& schema() const override { return *schema_; }

  Result<std::optional<RecordBatch>> next() override {
    while (!at_end_) {
      ++number_;
      auto message = TRY(located(read_message()));
      at_end_ = !message.has_value();
      if (at_end_) break;
      RecordBatch batch = TRY(located(read_batch(*message->table)));
      if (batch.row_count() > 0) return std::optional(std::move(batch));
    }
    return std::optional<RecordBatch>();
  }

 private:
  std::string place() const { return fmt::format("message {} of the Arrow stream", number_); }

  /// Says which message is wrong; what the source gives as its error says where it comes from.
  template <typename T>
  Result<T> located(Result<T> result) const {
    if (result.ok() || source_failed_) return result;
    return Result<T>(std::move(result).error().while_doing(place()));
  }

  /// Nothing at the end of the stream.
  Result<std::optional<Message>> read_message() {
    std::array<char, 8> head{};
    const std::size_t got = TRY(read_up_to(head.data(), head.size()));
    if (got == 0) return std::optional<Message>();
    std::uint32_t mark = 0;
    std::int32_t size = 0;
    std::memcpy(&mark, head.data(), 4);
    std::memcpy(&size, head.data() + 4, 4);
    if (got < 4 || mark != 0xFFFFFFFF)
      return invalid_stream(
          "expected FF FF FF FF and a length; this is no Arrow stream, or one of before "
          "Arrow 0.15");
    if (got < 8) return invalid_stream("the stream ends within the message");
    if (size == 0) return std::optional<Message>();
    if (size < 0) return invalid_stream(fmt::format("its metadata has {} bytes", size));
    if (size > limits_.metadata_bytes) return too_large("metadata", size, limits_.metadata_bytes);
    Message message;
    TRY(read_exactly(message.metadata, size));
    flatbuffers::Verifier verifier(reinterpret_cast<const std::uint8_t*>(message.metadata.data()),
                                   static_cast<std::size_t>(size));
    const bool has_root = verifier.VerifyOffset(0) != 0;
    if (has_root) message.table = flatbuffers::GetRoot<ipc::MessageTable>(message.metadata.data());
    if (!has_root || !message.table->verify(verifier))
      return invalid_stream("its metadata is no FlatBuffers table as Message.fbs has it");
    if (message.table->version() != static_cast<std::int16_t>(ipc::MetadataVersion::V4) &&
        message.table->version() != static_cast<std::int16_t>(ipc::MetadataVersion::V5))
      return Error(ErrorCode::Unsupported,
                   fmt::format("its metadata has version {}, which is not 4 or 5",
                               message.table->version() + 1));
    return std::optional(std::move(message));
  }

  Result<RecordBatch> read_batch(const ipc::MessageTable& message) {
    if (message.kind() == ipc::HeaderKind::DictionaryBatch)
      return Error(ErrorCode::Unsupported, "it is a dictionary; send the columns decoded");
    if (message.kind() != ipc::HeaderKind::RecordBatch)
      return invalid_stream("expected a record batch");
    const ipc::BatchTable& table = *message.batch();
    if (table.is_compressed())
      return Error(ErrorCode::Unsupported, "its body is compressed; send it plain");
    if (table.length() < 0 || table.length() > kMostRows)
      return invalid_stream(fmt::format("it has {} rows", table.length()));
    auto body = TRY(read_body(message.body_length()));
    return ipc::read_batch(table, table.length(), std::move(body), schema_);
  }

  Result<std::shared_ptr<const ipc::Body>> read_body(std::int64_t size) {
    if (size < 0) return invalid_stream(fmt::format("its body has {} bytes", size));
    if (size > limits_.body_bytes) return too_large("body", size, limits_.body_bytes);
    auto body = std::make_shared<ipc::Body>();
    body->size = size;
    TRY(read_exactly(body->bytes, size));
    return std::shared_ptr<const ipc::Body>(std::move(body));
  }

  static Error too_large(std::string_view what, std::int64_t size, std::int64_t limit) {
    return {ErrorCode::Exhausted, fmt::format("its {} has {} bytes, at most {} are taken; send "
                                              "smaller batches",
                                              what, size, limit)};
  }

  /// Takes memory as bytes arrive: a length that is a lie costs what has really come.
  Status read_exactly(ipc::AlignedBytes& into, std::int64_t size) {
    constexpr std::int64_t kFirst = 4LL << 20U;
    std::int64_t have = 0;
    while (have < size) {
      const std::int64_t room = std::min(size, std::max(kFirst, have * 2));
      into.resize(static_cast<std::size_t>(room));
      const std::size_t got =
          TRY(read_up_to(into.data() + have, static_cast<std::size_t>(room - have)));
      have += static_cast<std::int64_t>(got);
      if (have < room) return invalid_stream("the stream ends within the message");
    }
    return {};
  }

  /// Less only at the end of the stream.
  Result<std::size_t> read_up_to(char* into, std::size_t size) {
    std::size_t have = 0;
    while (have < size) {
      Result<std::size_t> got = source_({into + have, size - have});
      source_failed_ = !got.ok();
      if (!got.ok()) return got;
      if (*got == 0) break;
      have += *got;
    }
    return have;
  }

  static constexpr std::int64_t kMostRows = std::int64_t{1} << 40U;

  ByteSource source_;
  IpcLimits limits_;
  std::shared_ptr<const Schema> schema_;
  std::int64_t number_ = 1;
  bool at_end_ = false;
  bool source_failed_ = false;
};

}  // namespace

ByteSource read_bytes(std::string_view bytes) {
  return [bytes](std::span<char> into) mutable -> Result<std::size_t> {
    const std::size_t size = std::min(into.size(), bytes.size());
    std::memcpy(into.data(), bytes.data(), size);
    bytes.remove_prefix(size);
    return size;
  };
}

Result<std::unique_ptr<BatchReader>> read_ipc_stream(ByteSource source, IpcLimits limits) {
  auto reader = std::make_unique<StreamReader>(std::move(source), limits);
  TRY(reader->open());
  return std::unique_ptr<BatchReader>(std::move(reader));
}

}  // namespace millrace::columnar
