#pragma once

// The folder _delta_log: which commits and checkpoints there are, and which of them make a version.
//
//   00000000000000000007.json                      the commit that made version 7
//   00000000000000000010.checkpoint.parquet        the table at version 10, classic
//   00000000000000000010.checkpoint.<uuid>.json    or v2 (also .parquet), with files in _sidecars
//   00000000000000000010.checkpoint.<part>.<parts>.parquet   or in parts
//   _last_checkpoint                               a hint, which may be missing, stale or broken
//
// Everything else is ignored, as the protocol asks.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "lake/actions.h"
#include "lake/table_name.h"
#include "storage/object_store.h"

namespace millrace::lake {

std::string log_folder(const TableName& table);
std::string commit_key(const TableName& table, Version version);
std::string checkpoint_key(const TableName& table, Version version);
std::string last_checkpoint_key(const TableName& table);

/// A commit that is there. `time` is when its file was made, moved on so that no commit is earlier
/// than or equal to the one before it: the protocol's time of a version, in whole milliseconds.
struct CommitEntry {
  Version version;
  std::string key;
  Instant time;
  Instant modified;  // as the store says it
  std::uint64_t size_bytes = 0;
};

/// A complete checkpoint.
struct CheckpointEntry {
  Version version;
  std::vector<std::string> keys;  // one, or the parts in order
  Instant modified;
};

struct LogListing {
  std::vector<CommitEntry> commits;          // by version
  std::vector<CheckpointEntry> checkpoints;  // by version; of one version the best to read is last

  bool empty() const { return commits.empty() && checkpoints.empty(); }
  Version latest() const;
};

/// Lists the log, from the entries of version `from` on. A listing that runs while others commit may
/// show a commit and not the one before it (a folder is no snapshot of itself), so a commit that is
/// missing below one that is there is asked for by its name: a gap that is left is one of the log.
/// Cost: one listing; one question for each such commit, and one more where the log does not begin
/// at `from`.
Result<LogListing> list_log(storage::ObjectStore& store, const TableName& table, Version from);

/// The commits behind one that is known, asked for by their names, each as it was made: a folder of a
/// million entries is not listed for one more. Nothing where the known one is not there as it was: the
/// table was dropped or made anew, or its log was cleaned; nor where one commit is missing below the
/// next: list_log() tells such a gap. Of several that are missing in a row it knows nothing.
/// Cost: a question for each commit, and three more.
Result<std::optional<std::vector<CommitEntry>>> commits_after(storage::ObjectStore& store,
                                                              const TableName& table,
                                                              const CommitEntry& known);

/// The version that _last_checkpoint names, or nothing.
std::optional<Version> last_checkpoint(storage::ObjectStore& store, const TableName& table);

/// A checkpoint, where there is one, and the commits after it, without a gap, up to `version`.
struct LogSegment {
  Version version;
  Instant time;
  std::optional<CheckpointEntry> checkpoint;
  std::vector<CommitEntry> commits;
};

/// The segment for `target`, or for the latest version. Errors: NotFound when the version is not
/// there (any more), with the earliest or latest that is; Corruption names a commit that is missing.
/// Precondition, for an earliest version to be known: the listing begins at 0.
Result<LogSegment> segment_for(const LogListing& listing, const TableName& table,
                               std::optional<Version> target);

/// The earliest version that the log still holds whole. Precondition: the listing begins at 0 and
/// is not empty. Errors: Corruption when there is none.
Result<Version> earliest_version(const LogListing& listing, const TableName& table);

/// Errors: NotFound; Corruption names the file.
Result<Actions> read_commit(storage::ObjectStore& store, const std::string& key);

}  // namespace millrace::lake
