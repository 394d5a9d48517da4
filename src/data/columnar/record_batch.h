#pragma once

// A piece of a table in memory: columns of equal length, in Arrow's layout.
//
// Batches travel between rooms and libraries by the Arrow C data interface, without copies. A
// RecordBatch owns its arrays (it releases them at its end); a Column looks into one and must not
// outlive it.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "columnar/arrow_abi.h"
#include "columnar/schema.h"

namespace millrace::columnar {

/// One column of a batch, or the child of a nested one. Cheap to copy.
///
/// The layouts are Arrow's with 32-bit offsets: utf8 and binary (not their large or view forms),
/// list, struct, map, decimal128, date32, timestamp[us]. schema_from_arrow refuses the others.
class Column {
 public:
  Column(const DataType& type, const ArrowArray& array)
      : Column(type, array, 0, static_cast<std::size_t>(array.length)) {}
  /// The rows [first, first + size) of the array, as a struct lends its children.
  Column(const DataType& type, const ArrowArray& array, std::size_t first, std::size_t size)
      : type_(&type),
        array_(&array),
        start_(static_cast<std::size_t>(array.offset) + first),
        size_(size) {}

  const DataType& type() const { return *type_; }
  std::size_t size() const { return size_; }
  bool is_null(std::size_t row) const;
  std::size_t null_count() const;

  // The value of a row. Precondition: not null, and the kind fits.
  bool boolean(std::size_t row) const;
  /// Int8..Int64, Date (days), Timestamp and TimestampNtz (microseconds).
  std::int64_t integer(std::size_t row) const;
  /// Float32, Float64, the integers, and Decimal rounded to the nearest double.
  double number(std::size_t row) const;
  /// String and Binary.
  std::string_view text(std::size_t row) const;
  /// List: the rows [first, last) of child(0); Map: those of child(0), the keys, and child(1), the
  /// values.
  std::pair<std::size_t, std::size_t> range(std::size_t row) const;
  /// The child named by type().children[i]. A Struct's children have the Struct's rows.
  Column child(std::size_t i) const;

  /// For people: numbers plain ("nan", "inf"), text as it is, bytes beyond printable ASCII as
  /// "\xAB", dates and moments in ISO 8601 ("2013-12-01T05:00:00Z", without Z where there is no
  /// zone), nested values as JSON, null as "".
  std::string to_string(std::size_t row) const;
  /// The same as a JSON value. Integers are integers, decimals strings ("12.50") unless their scale
  /// is 0 and they fit 64 bits; a Map is an object whose names are its keys' to_string.
  Json to_json(std::size_t row) const;

 private:
  Json nested_json(std::size_t row) const;

  const DataType* type_;
  const ArrowArray* array_;
  std::size_t start_;  // of row 0, counted from the beginning of the array's buffers
  std::size_t size_;
};

class RecordBatch {
 public:
  /// Takes over `array`, a struct array whose children are the columns of `schema`; it is released
  /// in every case. Errors: Invalid when they do not fit: number of columns and buffers, lengths,
  /// missing buffers, offsets that go backwards or beyond the child. What the C interface cannot
  /// say is trusted: the sizes of the buffers, and that text is UTF-8. Cost: O(1) a fixed-width
  /// column, O(rows) a column with offsets.
  static Result<RecordBatch> adopt(std::shared_ptr<const Schema> schema, ArrowArray array);
  RecordBatch(RecordBatch&& other) noexcept;
  RecordBatch& operator=(RecordBatch&& other) noexcept;
  ~RecordBatch();

  const Schema& schema() const { return *schema_; }
  const std::shared_ptr<const Schema>& shared_schema() const { return schema_; }
  std::size_t row_count() const { return static_cast<std::size_t>(array_.length); }
  Column column(std::size_t i) const;
  /// Errors: NotFound with a suggestion.
  Result<Column> column(std::string_view name) const;

  /// Lends the arrays to a library; they stay this batch's.
  const ArrowArray& arrow() const { return array_; }
  /// Gives the arrays away; the batch is empty afterwards.
  ArrowArray release_arrow() &&;

 private:
  RecordBatch(std::shared_ptr<const Schema> schema, ArrowArray array);
  std::shared_ptr<const Schema> schema_;
  ArrowArray array_;
};

/// A table as a sequence of batches that is read once.
class BatchReader {
 public:
  virtual ~BatchReader() = default;
  virtual const Schema& schema() const = 0;
  /// The next batch (never an empty one), or nothing at the end.
  virtual Result<std::optional<RecordBatch>> next() = 0;
};

/// A reader over batches that are in memory already; all have `schema`.
std::unique_ptr<BatchReader> read_batches(std::shared_ptr<const Schema> schema,
                                          std::vector<RecordBatch> batches);

/// The C description of a schema, released at the end of the object.
class ArrowSchemaHolder {
 public:
  explicit ArrowSchemaHolder(const Schema& schema);
  ArrowSchemaHolder(const ArrowSchemaHolder&) = delete;
  ArrowSchemaHolder& operator=(const ArrowSchemaHolder&) = delete;
  ~ArrowSchemaHolder();
  ArrowSchema* get() { return &schema_; }

 private:
  ArrowSchema schema_{};
};

/// The Schema that a C description says (a struct whose children are the columns). The description
/// stays the caller's. Errors: Invalid (it is none), Unsupported names the column and its Arrow
/// format.
Result<Schema> schema_from_arrow(const ArrowSchema& schema);

/// Builds a batch row by row or column by column, for flat columns (no nested types). Every column
/// must have got the same number of values when finish() is called. A column holds less than 2 GiB
/// of text: whoever appends without bound finishes a batch when size_bytes() says so.
class BatchBuilder {
 public:
  explicit BatchBuilder(std::shared_ptr<const Schema> schema);
  BatchBuilder(BatchBuilder&&) noexcept;
  ~BatchBuilder();

  // Precondition: the column's kind fits (see Column), and the value fits the kind.
  void append_null(std::size_t column);
  void append_boolean(std::size_t column, bool value);
  void append_integer(std::size_t column,
                      std::int64_t value);  // also dates, moments, and unscaled decimals
  void append_number(std::size_t column, double value);
  void append_text(std::size_t column, std::string_view value);

  /// Rows that all columns have.
  std::size_t row_count() const;
  /// What the values take in memory, in all columns.
  std::size_t size_bytes() const;
  /// Takes back everything appended after the first `rows` rows, in all columns.
  void truncate(std::size_t rows);
  /// The batch; the builder starts again, empty.
  RecordBatch finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace millrace::columnar
