#pragma once

// Record batches as bytes: Arrow's streaming format, which programs of any language read and write.
//
//   stream  = schema message, record batch messages, end marker (a stream may also just end)
//   message = FF FF FF FF, length of the metadata (int32), metadata (a FlatBuffers table, padded to
//             8 bytes), body (the buffers of all columns, each padded to 8 bytes)
//
// Source: the Arrow columnar format 1.5, "Serialization and Interprocess Communication (IPC)", and
// its Schema.fbs and Message.fbs. Metadata of versions 4 and 5 is read, 5 is written.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "columnar/record_batch.h"

namespace millrace::columnar {

/// The message that begins a stream: the columns.
std::string ipc_schema_message(const Schema& schema);

/// The message of one batch. A batch whose arrays are slices of larger ones gives the bytes of its
/// own rows, no more. Cost: one copy of the values.
std::string ipc_batch_message(const RecordBatch& batch);

/// Ends a stream: FF FF FF FF, and no metadata.
inline constexpr std::string_view kIpcEnd{"\xFF\xFF\xFF\xFF\0\0\0\0", 8};

/// Gives the next bytes of a stream: fills the span from its beginning and returns how many came, 0
/// at the end and only there.
using ByteSource = std::function<Result<std::size_t>(std::span<char>)>;

/// A source over bytes in memory, which must outlive it.
ByteSource read_bytes(std::string_view bytes);

struct IpcLimits {
  std::int64_t metadata_bytes = 16LL << 20U;  // of one message
  std::int64_t body_bytes = 4LL << 30U;
};

/// Reads the schema at once, then a batch at each next(), whose values are not copied again. The
/// bytes may be hostile: every length, offset and count is held against what has really come, memory
/// is taken as bytes arrive, and text must be UTF-8.
///
/// Errors name the message and the column:
///   Invalid      the bytes are no such stream, or end within a message
///   Unsupported  a type that no table has, dictionaries, compressed bodies, big-endian values
///   Exhausted    a message beyond the limits
/// What the source gives as its error is passed on as it is.
Result<std::unique_ptr<BatchReader>> read_ipc_stream(ByteSource source, IpcLimits limits = {});

}  // namespace millrace::columnar
