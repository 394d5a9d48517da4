#pragma once

// What a caller says about a write, and what it is told afterwards.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "lake/conflict.h"
#include "lake/snapshot.h"
#include "lake/table_name.h"

namespace millrace::lake {

enum class WriteMode : std::uint8_t {
  Append,
  Overwrite,            // all rows
  OverwritePartitions,  // exactly the partitions that the new rows touch
};

/// What may happen to the columns of a table that is there.
enum class SchemaChange : std::uint8_t {
  Refuse,      // the rows must have the table's columns
  AddColumns,  // new columns come at the end; missing ones are null
  Replace,     // with Overwrite: the rows' columns and partitioning become the table's
};

/// How far an application has come, recorded in the same commit: the cursor of an ingest.
struct Mark {
  std::string app_id;
  std::int64_t version = 0;
};

/// Of the writers of one series the highest rank stands, partition by partition: each file is tagged with
/// the rank of its writer, so that what is remembered goes with the rows.
struct Rank {
  std::string series;  // whose ranks are compared
  std::int64_t value = 0;
};

/// The rows that were not written, since their partitions hold rows of a higher rank.
struct Outranked {
  std::int64_t partitions = 0;
  std::int64_t rows = 0;
  std::int64_t highest = 0;  // rank among those that stand
};

struct WriteSpec {
  /// An empty app_id writes without the promise: a retry writes again.
  Writer writer;
  WriteMode mode = WriteMode::Append;
  /// For a new table, or with SchemaChange::Replace; else empty or equal to the table's.
  std::vector<std::string> partition_by;
  std::vector<Mark> marks;
  /// With OverwritePartitions, a partition of a higher rank is left as it is. Nothing: no rank, and
  /// nothing is compared.
  std::optional<Rank> rank;
  /// The snapshot of this table that the caller decided by: marks that it saw, rows that the SELECT
  /// reads. Whatever was committed after it is checked for conflicts. A null snapshot: there was no
  /// table. Nothing: the newest one.
  std::optional<SnapshotPtr> based_on;
  /// Keeps the SELECT's order within each file.
  bool ordered = false;
  SchemaChange schema_change = SchemaChange::Refuse;
  std::string operation = "WRITE";
  /// Kept in commitInfo as text.
  Json user_metadata;
  /// Asked right before each put of the commit; a failure ends the write. May be empty.
  std::function<Status()> fence;
};

struct Committed {
  Version version;  // that this write made, now or before
  /// This generation (or a later one) of the writer was in the table already; nothing was written
  /// now, and what is counted here is what had been.
  bool already_done = false;
  std::int64_t rows_written = 0;
  std::int64_t bytes_written = 0;
  std::int64_t files_added = 0;
  std::int64_t files_removed = 0;
  Outranked outranked;  // is not known any more where already_done
};

}  // namespace millrace::lake
