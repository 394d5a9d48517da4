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

/// One column of a batch. Cheap to copy.
class Column {
 public:
  Column(const DataType& type, const ArrowArray& array) : type_(&type), array_(&array) {}

  const DataType& type() const { return *type_; }
  std::size_t size() const { return static_cast<std::size_t>(array_->length); }
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
  /// List, Map: the rows [first, last) of element(); Struct: field(i) has the same rows.
  std::pair<std::size_t, std::size_t> range(std::size_t row) const;
  Column child(std::size_t i) const;

  /// For people and for JSON: numbers plain, text as it is, dates and moments in ISO 8601, nested
  /// values as JSON, null as "".
  std::string to_string(std::size_t row) const;
  /// The same as a JSON value; decimals and 64-bit integers beyond 2^53 stay exact as integers or
  /// strings.
  Json to_json(std::size_t row) const;

 private:
  const DataType* type_;
  const ArrowArray* array_;
};

class RecordBatch {
 public:
  /// Takes over `array`, a struct array whose children are the columns of `schema`. Errors: Invalid
  /// when they do not fit (count, lengths, missing buffers).
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
/// stays the caller's. Errors: Unsupported names the column and its Arrow format.
Result<Schema> schema_from_arrow(const ArrowSchema& schema);

/// Builds a batch row by row or column by column, for flat columns (no nested types). Every column
/// must have got the same number of values when finish() is called.
class BatchBuilder {
 public:
  explicit BatchBuilder(std::shared_ptr<const Schema> schema);
  BatchBuilder(BatchBuilder&&) noexcept;
  ~BatchBuilder();

  // Precondition: the column's kind fits (see Column).
  void append_null(std::size_t column);
  void append_boolean(std::size_t column, bool value);
  void append_integer(std::size_t column,
                      std::int64_t value);  // also dates, moments, and unscaled decimals
  void append_number(std::size_t column, double value);
  void append_text(std::size_t column, std::string_view value);

  std::size_t row_count() const;
  /// Takes back everything appended after the first `rows` rows, in all columns.
  void truncate(std::size_t rows);
  /// The batch; the builder starts again, empty.
  RecordBatch finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace millrace::columnar
