#pragma once

// The whole state of a table in one file, so that a reader need not replay the log from its start.
//
// Read: classic, in parts, and v2 (JSON or Parquet, with sidecars). Written: classic v1, which
// every reader knows. Both go through the engine's Parquet; in between stand the same JSON actions
// as in a commit, so that there is one reading and one writing of actions. Source: delta-io/delta
// PROTOCOL.md, "Checkpoints".

#include "base/result.h"
#include "base/time.h"
#include "engine/engine.h"
#include "lake/log.h"
#include "lake/replay.h"
#include "lake/snapshot.h"
#include "storage/object_store.h"

namespace millrace::lake {

/// Errors: Corruption names the file and what to do.
Result<TableState> read_checkpoint(storage::ObjectStore& store, engine::Engine& engine,
                                   const TableName& table, const CheckpointEntry& checkpoint);

/// Writes the snapshot's checkpoint and points _last_checkpoint to it. Removed files whose
/// retention (delta.deletedFileRetentionDuration, a week) has passed at `now` are left out. Writing
/// the same checkpoint twice is fine. Errors: those of the store and the engine; Unsupported for a
/// table that asks for v2 checkpoints.
Status write_checkpoint(storage::ObjectStore& store, engine::Engine& engine,
                        const Snapshot& snapshot, Instant now);

/// Whether a commit of this version, to a table of so many files, ends with a checkpoint: as the
/// property delta.checkpointInterval says; else every tenth, from 100 files on every hundredth, from
/// 5,000 on every five hundredth. A checkpoint costs as many lines as there are files, so that a fixed
/// number would make a thousand appends cost a million; a reader of so many files reads the commits
/// behind it in less time than the checkpoint.
bool is_checkpoint_due(const Metadata& metadata, std::size_t files, Version version);

}  // namespace millrace::lake
