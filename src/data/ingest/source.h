#pragma once

// The port through which data arrives: files now; databases, message logs and connector
// subprocesses later.
//
// A source hands over deliveries: immutable, named pieces (a file, a range of offsets), each landed
// whole or not at all. The source keeps no state of its own. How far we have come is written into
// the same lake commit as the rows, one mark per delivery (land.h), so that rows and cursor cannot
// disagree.
//
// The law that every implementation keeps (source_contract.h tests it):
//   - list(before) gives exactly the deliveries with delivered_at < before, ordered by
//     delivered_at, then path; a path stands once.
//   - open() of one delivery always gives the same rows with the same row numbers in the same
//     order, and may be called from several threads at once, each reader being used by one.
//   - Every row of a delivery comes back once: in a batch, or rejected with the reason.
//   - Batches have the schema arrived(source).
//   - content_hash(delivery) is the hash that the counts of a reader have at its end.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "columnar/record_batch.h"
#include "columnar/schema.h"

namespace millrace::ingest {

struct Delivery {
  std::string path;  // its name in the source: "flights/flights-2013-01-05.jsonl.gz"
  /// The last moment at which its rows were handed over: a row of it was delivered no later.
  Instant delivered_at;
  std::uint64_t size_bytes = 0;
  Instant modified{};  // when its bytes were last written, as far as the source knows
  std::string etag;    // ObjectInfo's: the file that was listed, and no other of its name

  bool operator==(const Delivery&) const = default;
};

/// A name that looks like a delivery's and is none.
struct PassedOver {
  std::string path;
  std::string why;  // a sentence that goes on after the path: "is a pipe"
  /// Its rows are there and cannot be read by this name; otherwise there is nothing behind it.
  bool has_rows = false;

  bool operator==(const PassedOver&) const = default;
};

/// A row that could not be read: a dead letter.
struct RejectedRow {
  /// The line on which the row begins, from 1; nothing when the fault is the whole delivery's.
  std::optional<std::int64_t> row_number;
  std::string reason;  // a sentence: "column \"dep_delay\" is INTEGER, found the string \"12\""
  std::string column_name;  // empty when no single column is to blame
  std::string raw;          // the row as it stood, cut to kRawBytes, as valid UTF-8 (readable_text)

  bool operator==(const RejectedRow&) const = default;
};
inline constexpr std::size_t kRawBytes = 64 << 10;

struct Piece {
  std::optional<columnar::RecordBatch> rows;  // the good rows
  std::vector<RejectedRow> rejected;          // the bad ones among and after them
};

/// What was seen so far in one delivery.
struct DeliveryCounts {
  std::int64_t rows = 0;      // good and bad
  std::int64_t rejected = 0;  // bad
  std::uint64_t bytes = 0;    // as stored (packed)
  std::string sha256;         // of these bytes: 64 hexadecimal digits, once the end was reached
  /// Members of rows that no column is declared for, with how many rows had them; at most
  /// kUnknownMembers names.
  std::map<std::string, std::int64_t> unknown_members;
};
inline constexpr std::size_t kUnknownMembers = 100;

class DeliveryReader {
 public:
  virtual ~DeliveryReader() = default;
  /// The next piece, or nothing at the end. Errors: DataQuality or Corruption when the delivery as
  /// a whole cannot be used (empty, cut off, wrong header), with a message that names it; anything
  /// else when it could not be reached.
  virtual Result<std::optional<Piece>> next() = 0;
  virtual const DeliveryCounts& counts() const = 0;
};

class Source {
 public:
  virtual ~Source() = default;
  /// Part of the marks in the lake, so it must never change.
  virtual const std::string& name() const = 0;
  /// The columns as declared.
  virtual const columnar::Schema& columns() const = 0;
  /// The declared column that says when a row was delivered, or "" when that is its delivery's
  /// delivered_at.
  virtual const std::string& delivered_at_column() const = 0;
  /// Whether members without a declared column are kept, in the column `_unknown`.
  virtual bool keeps_unknown() const = 0;

  virtual Result<std::vector<Delivery>> list(Instant before) = 0;
  virtual Result<std::unique_ptr<DeliveryReader>> open(const Delivery& delivery) = 0;
  /// Reads the delivery's bytes, not its rows.
  virtual Result<std::string> content_hash(const Delivery& delivery) = 0;
  /// What somebody may have meant to deliver before that moment, by path. Nothing where a source
  /// cannot tell.
  virtual Result<std::vector<PassedOver>> passed_over(Instant /*before*/) {
    return std::vector<PassedOver>();
  }
  /// Where list(before) is empty: why, as a clause for people. "" where a source cannot tell.
  virtual Result<std::string> why_nothing(Instant /*before*/) { return std::string(); }
};

// The columns that arrive beside the declared ones.
inline constexpr std::string_view kDeliveredAt = "delivered_at";   // TIMESTAMP WITH TIME ZONE
inline constexpr std::string_view kFile = "_file";                 // VARCHAR: Delivery::path
inline constexpr std::string_view kRow = "_row";                   // BIGINT: line in it, from 1
inline constexpr std::string_view kUnknown = "_unknown";           // VARCHAR: a JSON object
inline constexpr std::string_view kDeliveryDay = "_delivery_day";  // DATE: not kept in the lake

/// The schema of the batches that come out of a source: the declared columns; `_unknown` when kept;
/// `delivered_at` unless declared; `_file`, `_row`, and `_delivery_day`: the day by which lateness
/// is judged.
columnar::Schema arrived(const Source& source);

/// `bytes` as valid UTF-8 for people: what is not valid, and NUL, becomes \xHH; cut to `limit`
/// bytes of input.
std::string readable_text(std::string_view bytes, std::size_t limit = kRawBytes);

}  // namespace millrace::ingest
