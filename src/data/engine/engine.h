#pragma once

// The port through which questions are asked of tables.
//
// A Session is one conversation with an engine: relations are defined in it (a table of the lake, a
// SQL model, batches in memory), then SQL is asked over them. All times in a session are UTC. A
// Session is used by one thread at a time, but progress() and cancel() may be called from any.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "columnar/record_batch.h"
#include "columnar/schema.h"

namespace millrace::engine {

/// "schema.name" or "name", unquoted, as users write it: "raw.flights".
using RelationName = std::string;

/// One Parquet file of a table and what its path does not say.
struct ScanFile {
  std::string path;  // absolute path or URL
  /// Partition column -> value as text in the lake's form, or null; the file itself does not hold
  /// these columns.
  std::map<std::string, std::optional<std::string>> partition_values;
  /// Rows of the file that are no rows of the table: their numbers from 0, ascending. Null: none.
  std::shared_ptr<const std::vector<std::int64_t>> deleted_rows = nullptr;
};

/// A table as a list of files, decided by whoever knows its log. The engine never lists folders
/// itself.
struct TableScan {
  columnar::Schema schema;  // of the result; a column that a file lacks is read as null
  std::vector<ScanFile> files;
  /// Where the files name columns, or fields in them, otherwise than the schema: for each column of
  /// the schema the field as the files have it, of the same shape. Else empty.
  std::vector<columnar::Field> stored = {};
  /// Where the files tell columns by Parquet's field id and not by name: one for each column. Else
  /// empty.
  std::vector<std::optional<std::int64_t>> field_ids = {};
};

struct ParquetWrite {
  std::string folder;  // where the files go; exists
  /// Columns that become hive-style folders and leave the files. A folder's name is
  /// "column=value", both percent-encoded (RFC 3986: all but letters, digits and "-._~"), null as
  /// __HIVE_DEFAULT_PARTITION__.
  std::vector<std::string> partition_by;
  /// Keeps the query's order: one file, or one a partition, with its rows as the answer had them
  /// (the partitions of an ordered answer are sorted in a temporary table, and cost a few
  /// milliseconds each). Otherwise files of up to about 512 MB, in no order.
  bool ordered = false;
  std::optional<std::uint64_t> rows_per_group;
};

struct ColumnStatistics {
  /// Bounds of the values that are not null, as DuckDB prints them ("2013-12-01 05:00:00.5+00",
  /// "true"); absent when unknown, or where a bound means nothing (NaN, infinity, binary). A long
  /// text's are cut to 256 bytes and still bounds: the minimum may be smaller than the smallest
  /// value, the maximum greater than the greatest.
  std::optional<std::string> min;
  std::optional<std::string> max;
  std::optional<std::int64_t> null_count;
  bool has_nan = false;
};

/// A file that write_parquet made: all that an `add` action of the lake needs.
struct WrittenFile {
  /// To ParquetWrite::folder, as the file is called on disk: the '%' of a partition's folder is a
  /// '%' there, and becomes "%25" in a URI.
  std::string relative_path;
  std::uint64_t size_bytes = 0;
  std::int64_t row_count = 0;
  /// In the lake's form, unescaped: dates and moments in ISO 8601 (a Timestamp ends in Z, a
  /// TimestampNtz has a space for the T), booleans as true and false. An empty text stays one.
  std::map<std::string, std::optional<std::string>> partition_values;
  /// By column path ("a" or "a.b" for a struct's field). Lists, maps and columns with a
  /// dot in their name have none.
  std::map<std::string, ColumnStatistics> statistics;
};

/// What a statement means over the relations defined so far, without running it.
struct BoundStatement {
  columnar::Schema result;  // the columns of its answer (empty for a statement that gives none)
  Json plan;                // the engine's bound plan, for sql::references and lineage
};

/// Which of its plans an engine explains.
enum class Plan : std::uint8_t {
  Bound,     // as the statement would run; it does not
  Measured,  // the statement runs, and each step has its time and its rows
};

class Session {
 public:
  virtual ~Session() = default;

  /// Runs one or more statements for their effect in this session. Errors: Invalid (syntax, names,
  /// types: the engine's own message, with its caret), Exhausted (memory or spill limit, with the
  /// remedy), Cancelled.
  virtual Status execute(std::string_view sql) = 0;
  /// The answer of one statement, streamed in batches of at most 2,048 rows, in the statement's
  /// order. The reader must end before the next call of this Session. Parameters stand as $1, $2
  /// ... in the SQL.
  /// The answer has the lake's types; what the engine has beyond them becomes the nearest one:
  /// unsigned integers the next wider (64 bits: DECIMAL(20,0)), TIME, INTERVAL, UUID and ENUM text,
  /// and HUGEINT, which sum() gives for integers, BIGINT (beyond it: Invalid). Nothing is lost but
  /// nanoseconds: moments are cut to microseconds.
  virtual Result<std::unique_ptr<columnar::BatchReader>> query(
      std::string_view sql, std::span<const Json> parameters = {}) = 0;
  /// The answer of a statement that gives one value (one row, one column). Errors: Invalid when it
  /// gives more.
  Result<Json> scalar(std::string_view sql);
  /// The whole answer, for small ones: at most `limit` rows. Errors: Exhausted beyond it.
  Result<std::vector<columnar::RecordBatch>> collect(std::string_view sql,
                                                     std::size_t limit = 1'000'000);

  /// Defines or replaces `name` as a view over the files.
  virtual Status define_scan(const RelationName& name, const TableScan& scan) = 0;
  /// Defines or replaces `name` as a view over a SELECT.
  virtual Status define_view(const RelationName& name, std::string_view select) = 0;
  /// Defines or replaces `name` as a temporary table with these rows. Returns how many.
  virtual Result<std::int64_t> load(const RelationName& name, columnar::BatchReader& rows) = 0;
  /// Errors: NotFound.
  virtual Status drop(const RelationName& name) = 0;

  /// Writes a SELECT's answer as Parquet. An empty answer makes no file, and neither does one that
  /// fails.
  virtual Result<std::vector<WrittenFile>> write_parquet(std::string_view select,
                                                         const ParquetWrite& write) = 0;

  /// Parses and binds. The plan names the relations that define_scan, define_view and load made (a
  /// view's plan is that of its SELECT), not the files they consist of, and costs the same for one
  /// file as for thousands. Errors: Invalid with the engine's message and position.
  virtual Result<BoundStatement> bind(std::string_view sql) = 0;
  /// The syntax tree of a SELECT, as JSON, before any name is looked up; and the text of a tree.
  /// Errors: Invalid.
  virtual Result<Json> parse(std::string_view select) = 0;
  virtual Result<std::string> unparse(const Json& tree) = 0;
  /// The engine's own plan as text.
  virtual Result<std::string> explain(std::string_view sql, Plan plan) = 0;

  /// 0..1 of the running statement, or nothing when the engine does not know, or was not opened with
  /// Limits::progress.
  virtual std::optional<double> progress() const = 0;
  /// Makes the call that is running end with Cancelled within milliseconds, whichever of its
  /// statements it has come to, and an answer that is being read. A cancel while no call runs is
  /// forgotten.
  virtual void cancel() = 0;
};

struct Limits {
  int threads = 0;                 // 0: all that the machine lends this process
  std::uint64_t memory_bytes = 0;  // 0: three quarters of the machine's
  std::string
      spill_folder;  // shared; each engine takes a folder of its own in it. Empty: no spilling
  /// Whether Session::progress() answers. DuckDB then counts after every step of every thread, even
  /// when nobody asks: a fifth of the CPU time of a point-in-time join.
  bool progress = false;
};

class Engine {
 public:
  virtual ~Engine() = default;
  virtual Result<std::unique_ptr<Session>> open_session() = 0;
  /// "duckdb 1.5.5": part of every content key.
  virtual std::string version() const = 0;
};

/// DuckDB in this process, with an in-memory catalog of its own. Errors: Invalid (limits),
/// Unavailable.
Result<std::unique_ptr<Engine>> open_duckdb(const Limits& limits);

}  // namespace millrace::engine
