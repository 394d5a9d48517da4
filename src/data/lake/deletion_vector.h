#pragma once

// The rows of a data file that are deleted, as others write them.
//
// Source: delta-io/delta PROTOCOL.md, "Deletion Vectors" and "Deletion Vector Format"; the bitmaps
// inside: RoaringBitmap/RoaringFormatSpec (portable, 32 bit, one for each upper half of the row
// number). Read by our own code and not by libroaring, which trusts the counts in the bytes.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "lake/actions.h"
#include "storage/object_store.h"

namespace millrace::lake {

/// Row numbers from 0, ascending. `folder` is the table's. Errors: Corruption (bytes that do not
/// parse, or do not match their checksum or count), NotFound, Unsupported (a storage type that we
/// do not know).
Result<std::vector<std::int64_t>> read_deletion_vector(storage::ObjectStore& store,
                                                       std::string_view folder,
                                                       const DeletionVector& vector);

/// The rows of a serialised bitmap. Errors: Corruption.
Result<std::vector<std::int64_t>> parse_row_bitmap(std::string_view bytes);

/// Base 85 in ZeroMQ's alphabet (rfc.zeromq.org/spec/32). Errors: Corruption.
Result<std::string> decode_base85(std::string_view text);

}  // namespace millrace::lake
