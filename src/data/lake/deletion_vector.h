#pragma once

// The rows of a data file that are deleted, as others write them.
//
// Source: delta-io/delta PROTOCOL.md, "Deletion Vectors" and "Deletion Vector Format"; the bitmaps
// inside: RoaringBitmap/RoaringFormatSpec (portable, 32 bit, one for each upper half of the row
// number). Read by our own code: libroaring 0.2.66 checks where the bytes end and nothing else (its
// check of what they say came with 1.3), and a run of 4 bytes stands for 65,536 rows.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "lake/actions.h"
#include "storage/object_store.h"

namespace millrace::lake {

/// The most rows of one file that a vector may take away: 128 MB as a list. A file with more belongs
/// rewritten without them.
constexpr std::int64_t kMostDeletedRows = 1LL << 24U;

/// Row numbers from 0, ascending. `folder` is the table's. Errors: Corruption (bytes that do not
/// parse, or do not match their checksum or count), NotFound, Exhausted (more than
/// kMostDeletedRows), Unsupported (a storage type that we do not know).
Result<std::vector<std::int64_t>> read_deletion_vector(storage::ObjectStore& store,
                                                       std::string_view folder,
                                                       const DeletionVector& vector);

/// The rows of a serialised bitmap, which are `count`: nothing is kept beyond them. Errors:
/// Corruption, also where they do not ascend.
Result<std::vector<std::int64_t>> parse_row_bitmap(std::string_view bytes, std::size_t count);

/// Base 85 in ZeroMQ's alphabet (rfc.zeromq.org/spec/32). Errors: Corruption.
Result<std::string> decode_base85(std::string_view text);

}  // namespace millrace::lake
