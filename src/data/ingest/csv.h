#pragma once

// CSV deliveries: a header that names declared columns, in any order, then one record per row
// (csv_record.h). A column that the header lacks is null, if it may be. In UTF-8. Empty lines are passed
// over unless there is only one column. A file with a header and no rows is a delivery of nothing, and
// fine.

#include <memory>
#include <string>
#include <vector>

#include "ingest/byte_stream.h"
#include "ingest/piece_builder.h"
#include "ingest/source.h"

namespace millrace::ingest {

struct CsvOptions {
  char delimiter = ',';
  /// Fields without quotes that mean null.
  std::vector<std::string> null_texts = {""};
  std::size_t max_line_bytes = 1 << 20;
};

/// `layout` must outlive the reader.
std::unique_ptr<DeliveryReader> read_csv(std::unique_ptr<ByteStream> bytes, const RowLayout& layout,
                                         const Delivery& delivery, DeliveryWindow window,
                                         const CsvOptions& options);

}  // namespace millrace::ingest
