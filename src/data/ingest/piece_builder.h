#pragma once

// The rows of one delivery on their way into pieces: the same for every format that we parse
// ourselves.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "columnar/record_batch.h"
#include "ingest/cell.h"
#include "ingest/source.h"

namespace millrace::ingest {

/// What the readers of a source have in common.
struct RowLayout {
  std::vector<ColumnRule> rules;                   // the declared columns
  std::shared_ptr<const columnar::Schema> schema;  // arrived(source)
  std::optional<std::size_t> delivered_at;         // the declared column of that meaning
  bool keeps_unknown = false;
};

/// When the rows of a delivery were handed over, both ends included.
struct DeliveryWindow {
  Instant first;
  Instant last;
  std::int64_t day = 0;  // days since 1970: by which its rows are on time or late
};

class PieceBuilder {
 public:
  PieceBuilder(const RowLayout& layout, const Delivery& delivery, DeliveryWindow window);

  /// Takes one row: a cell per declared column. A required column without value, or a delivered_at
  /// outside of the window, rejects it. `raw` is the row as it stood.
  void add(std::int64_t row_number, std::span<const Cell> cells, std::string_view unknown,
           std::string_view raw);
  void reject(std::int64_t row_number, std::string reason, std::string_view column_name,
              std::string_view raw);

  /// It is time to take(): so many rows, or so many bytes, are in it.
  bool full() const;
  Piece take();

  const DeliveryCounts& counts() const { return counts_; }
  DeliveryCounts& counts() { return counts_; }

 private:
  std::optional<std::size_t> column_without_value(std::span<const Cell> cells) const;
  bool in_window(Instant delivered_at) const;
  void append(std::int64_t row_number, std::span<const Cell> cells, std::string_view unknown);

  const RowLayout& layout_;
  std::string path_;
  DeliveryWindow window_;
  columnar::BatchBuilder builder_;
  std::vector<RejectedRow> rejected_;
  std::size_t bytes_ = 0;  // of the rows in this piece
  DeliveryCounts counts_;
};

}  // namespace millrace::ingest
