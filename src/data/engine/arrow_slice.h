#pragma once

// Rows of a batch as a batch of their own, without a copy of their values.

#include <memory>

#include "columnar/record_batch.h"

namespace millrace::engine {

/// Rows [first, first + count) of `batch`; the values are shared with it, and it lives until the
/// result is released.
///
/// Every array of the result starts at offset 0, at every depth: DuckDB 1.5.5 reads a struct
/// within a struct from the wrong rows when the outer one has an offset, without an error. So
/// buffers of values are entered further in, while bitmaps (which cannot be entered within a byte)
/// and the offsets of lists are written anew.
ArrowArray slice_rows(std::shared_ptr<const columnar::RecordBatch> batch, std::int64_t first,
                      std::int64_t count);

}  // namespace millrace::engine
