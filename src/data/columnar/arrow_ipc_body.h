#pragma once

// The body of a record batch's message, and the batch that its table makes of it. For the .cc files
// of arrow_ipc.h alone.

#include <cstdint>
#include <memory>
#include <vector>

#include "columnar/arrow_ipc_tables.h"
#include "columnar/record_batch.h"

namespace millrace::columnar::ipc {

/// Bytes that begin at an address divided by 8, as the format wants buffers to.
class AlignedBytes {
 public:
  char* data() { return reinterpret_cast<char*>(words_.data()); }
  const char* data() const { return reinterpret_cast<const char*>(words_.data()); }
  void resize(std::size_t bytes) { words_.resize((bytes + 7) / 8); }

 private:
  std::vector<std::uint64_t> words_;
};

struct Body {
  AlignedBytes bytes;
  std::int64_t size = 0;
};

/// The batch that lies in `body` as `table` says, of which nothing is believed. The values are not
/// copied. Errors: Invalid; names the column. Precondition: 0 <= rows <= 2^40.
Result<RecordBatch> read_batch(const BatchTable& table, std::int64_t rows,
                               std::shared_ptr<const Body> body,
                               const std::shared_ptr<const Schema>& schema);

}  // namespace millrace::columnar::ipc
