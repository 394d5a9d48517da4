#pragma once

// JSON lines: one JSON object (RFC 8259) per line, in UTF-8. Blank lines are passed over. Members
// are matched to columns by their exact name, in any order; a missing member is null; a member that
// stands twice in one object rejects the row.

#include <memory>

#include "ingest/byte_stream.h"
#include "ingest/piece_builder.h"
#include "ingest/source.h"

namespace millrace::ingest {

/// What happens to members that no column is declared for.
enum class UnknownMembers : std::uint8_t {
  Count,   // passed over, counted and reported
  Refuse,  // the row is rejected
  Keep,    // kept as a JSON object in the column `_unknown`, and counted
};

struct JsonLinesOptions {
  UnknownMembers unknown = UnknownMembers::Count;
  std::size_t max_line_bytes = 1 << 20;
};

/// `layout` must outlive the reader.
std::unique_ptr<DeliveryReader> read_json_lines(std::unique_ptr<ByteStream> bytes,
                                                const RowLayout& layout, const Delivery& delivery,
                                                DeliveryWindow window,
                                                const JsonLinesOptions& options);

}  // namespace millrace::ingest
