#pragma once

// A table as it was at one version: what readers hold, and what writers start from.

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "columnar/schema.h"
#include "engine/engine.h"
#include "lake/actions.h"
#include "lake/predicate.h"
#include "lake/replay.h"
#include "lake/schema_json.h"
#include "lake/table_name.h"
#include "storage/object_store.h"

namespace millrace::lake {

/// Immutable; many threads and tasks share one. It holds what the log says, never rows.
class Snapshot {
 public:
  /// Errors: Corruption (no protocol or no metadata), Unsupported (a feature that we do not read,
  /// by name). `store` must outlive the snapshot.
  static Result<std::shared_ptr<const Snapshot>> make(storage::ObjectStore& store, TableName table,
                                                      Version version, Instant time,
                                                      TableState state);

  const TableName& table() const { return table_; }
  Version version() const { return version_; }
  /// When the version was committed, by the rule of CommitEntry::time.
  Instant time() const { return time_; }

  const Protocol& protocol() const { return *state_.protocol; }
  const Metadata& metadata() const { return *state_.metadata; }
  const columnar::Schema& schema() const { return schema_.columns; }
  /// Spelled as in the schema.
  const std::vector<std::string>& partition_columns() const { return partition_columns_; }

  /// The active files, by key. The first call puts them in order.
  const std::vector<std::shared_ptr<const AddFile>>& files() const;
  std::int64_t size_bytes() const;
  /// Nothing when a file has no statistics.
  std::optional<std::int64_t> row_count() const;

  /// How far the application has come: a task's generation, a source's cursor.
  std::optional<std::int64_t> txn_version(const std::string& app_id) const;

  /// The files that may hold rows for which `predicate` is true, for Session::define_scan. Reads
  /// the deletion vectors of the files. Errors: those of check_predicate; NotFound names a data
  /// file that is gone; Corruption.
  Result<engine::TableScan> scan(const Predicate& predicate = {}) const;

  /// 64 hexadecimal digits that are equal for equal contents: SHA-256 over schema, partitioning and
  /// the sorted hashes of the files (by their bytes, where we wrote them; else by path and size).
  /// Does not depend on version, time or order of commits.
  std::string content_hash() const;
  /// The same of the rows for which the predicate may be true: over the files that scan(predicate)
  /// gives. Errors: those of check_predicate.
  Result<std::string> content_hash(const Predicate& predicate) const;

  /// All that replay left, for checkpoints and for the next version.
  const TableState& state() const { return state_; }

 private:
  Snapshot(storage::ObjectStore& store, TableName table, Version version, Instant time,
           TableState state);
  Status read_metadata();
  Result<engine::ScanFile> scan_file(const AddFile& add) const;
  bool may_hold(const AddFile& add, const Predicate& predicate) const;

  storage::ObjectStore* store_;
  TableName table_;
  Version version_;
  Instant time_;
  TableState state_;
  TableSchema schema_;
  std::vector<std::string> partition_columns_;
  std::vector<std::string> stored_partition_columns_;  // as the log's partition values name them

  // By key. An append does not look at them, and a table may have many.
  mutable std::once_flag files_are_sorted_;
  mutable std::vector<std::shared_ptr<const AddFile>> files_;
};

using SnapshotPtr = std::shared_ptr<const Snapshot>;

}  // namespace millrace::lake
