#pragma once

// Delta tables under one object store: read, written and remembered.
//
//   Lake lake(store, engine, clock);
//   SnapshotPtr flights = TRY(lake.snapshot(TRY(TableName::parse("raw.flights"))));
//   TRY(session.define_scan("raw.flights", TRY(flights->scan())));
//
// A write is one commit: all of its rows and marks are there, or none. It is idempotent by its
// writer: the same generation again changes nothing, a later one replaces what the earlier one
// added.

#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"
#include "columnar/schema.h"
#include "engine/engine.h"
#include "lake/commit.h"
#include "lake/log.h"
#include "lake/snapshot.h"
#include "lake/table_name.h"
#include "lake/write_spec.h"
#include "storage/object_store.h"

namespace millrace::lake {

/// One version in a table's history.
struct HistoryEntry {
  Version version;
  Instant time;
  std::string operation;  // "WRITE"; empty when the commit does not say
  Json info;              // the whole commitInfo, or null
};

/// Thread-safe. Keeps the newest snapshot of each table that was asked for, so that the next
/// question reads only the commits since. Store, engine and clock must outlive it.
class Lake {
 public:
  Lake(storage::ObjectStore& store, engine::Engine& engine, const Clock& clock)
      : store_(store), engine_(engine), clock_(clock) {}

  /// Errors of the three: NotFound (no such table; no such version or moment, with those that there
  /// are); Corruption names the file; Unsupported names the feature.
  /// Cost: a listing, and the commits that are new.
  Result<SnapshotPtr> snapshot(const TableName& table);
  /// Cost of these: a listing of the whole log, a checkpoint, and the commits after it.
  Result<SnapshotPtr> snapshot_at(const TableName& table, Version version);
  /// The last version that was committed at `moment` or before.
  Result<SnapshotPtr> snapshot_at(const TableName& table, Instant moment);

  /// By name. Cost: a listing of the lake.
  Result<std::vector<TableName>> tables();
  /// The newest first, at most `limit`.
  Result<std::vector<HistoryEntry>> history(const TableName& table, std::size_t limit);

  /// Data files in the table's folder that belong neither to this version nor to one that it
  /// remembers to have replaced: left by writers that were killed (or are still writing), or older
  /// than the log's memory. Cost: a listing of the table.
  Result<std::vector<storage::ObjectInfo>> loose_files(const Snapshot& snapshot);

  /// The version in which the writer's generation (or a later one of it) came into the table as it is
  /// in `newest`; that of `newest` where the log does not say so any more. Cost: a listing of the whole
  /// log, and the commits since.
  Result<Version> version_of(const Snapshot& newest, const Writer& writer);

  /// An empty table. Errors: AlreadyExists; Invalid names a column that a Delta table cannot have,
  /// or a table that this one cannot stand beside: one whose name differs in case only (engines and
  /// some file systems take them for one), or one whose folder is around this one's or inside it (a
  /// vacuum of the outer would delete the inner). Cost, for a new table: a listing of the lake.
  Result<Version> create(const TableName& table, const columnar::Schema& schema,
                         const std::vector<std::string>& partition_by = {},
                         const std::map<std::string, std::string>& properties = {});

  /// Writes the rows of a SELECT, which is not computed when the work is done already. Makes the
  /// table if there is none.
  /// Errors: Invalid (the SELECT; columns that do not fit, by name), DataQuality (null in a column
  /// that may not be), Unsupported (what the table asks of writers and we do not do, by name),
  /// Conflict (others changed what the write depends on: run it again), those of the fence and of
  /// the store. After an error the commit may be there (Unavailable, and what the store or fence
  /// said after an unanswered put); the same write again finds out. As in create() for a new table.
  Result<Committed> write(engine::Session& session, const TableName& table, std::string_view select,
                          const WriteSpec& spec);

  storage::ObjectStore& store() { return store_; }
  engine::Engine& engine() { return engine_; }
  const Clock& clock() const { return clock_; }

 private:
  struct Newest {
    SnapshotPtr snapshot;
    CommitEntry commit;  // that made it
  };

  Result<SnapshotPtr> load(const TableName& table, const LogSegment& segment);
  Result<SnapshotPtr> load_newest(const TableName& table);
  Result<SnapshotPtr> load_and_remember(const TableName& table, const LogListing& listing,
                                        const LogSegment& segment);
  Result<SnapshotPtr> advance(const Newest& newest);

  struct Attempt {
    Committed committed;
    bool table_appeared = false;  // nothing was written, because the plan was for a new table
  };
  /// The newest snapshot, or null where there is no table.
  Result<SnapshotPtr> newest_of(const TableName& table);
  /// Whether there may be a table of that name, which there is not yet.
  Status check_new(const TableName& table);
  struct LoggedCommit {
    Version version;
    Actions actions;
  };
  /// As in version_of(); nothing where the log does not say it any more.
  Result<std::optional<LoggedCommit>> commit_of(const Snapshot& newest, const Writer& writer);
  /// What was found done by another attempt is on disk when it is reported. It is counted in the
  /// commit that did it; where the log has lost that one, in the writer's files that are left.
  Result<Committed> already_done(const Snapshot& newest, const Writer& writer);
  Result<Attempt> finish(const TableName& table, const Snapshot* base, const columnar::Schema& rows,
                         std::vector<engine::WrittenFile> files, const WriteSpec& spec);
  void checkpoint(const TableName& table, Version version);

  void remember(Newest newest);
  std::optional<Newest> remembered(const TableName& table);

  Result<std::optional<Instant>> in_commit_time(const std::string& key);
  storage::ObjectStore& store_;
  engine::Engine& engine_;
  const Clock& clock_;
  std::mutex mutex_;
  std::map<TableName, Newest> newest_;
};

}  // namespace millrace::lake
