#include "lake/lake.h"

#include <algorithm>
#include <set>

#include <fmt/core.h>

#include "lake/checkpoint.h"
#include "lake/protocol.h"
#include "lake/uri.h"

namespace millrace::lake {

namespace {

bool has_in_commit_timestamps(const TableState& state) {
  return state.protocol && state.metadata &&
         has_writer_feature(*state.protocol, "inCommitTimestamp") &&
         state.metadata->property("delta.enableInCommitTimestamps").value_or("") == "true";
}

/// The first version whose commits carry their own time.
Version in_commit_since(const Snapshot& snapshot) {
  const std::string text =
      snapshot.metadata().property("delta.inCommitTimestampEnablementVersion").value_or("0");
  const Result<Json> version = Json::parse(text);
  return Version(version.ok() && version->is_integer() ? version->as_integer() : 0);
}

Error no_version_at(const TableName& table, Instant moment, std::string_view which, Version version,
                    Instant time) {
  return {ErrorCode::NotFound,
          fmt::format("table {} has no version at {}; the {} is version {} of {}", table.text(),
                      format_instant(moment), which, version.value(), format_instant(time))};
}

}  // namespace

Result<SnapshotPtr> Lake::snapshot(const TableName& table) {
  if (const std::optional<Newest> newest = remembered(table)) {
    Result<SnapshotPtr> advanced = advance(*newest);
    // The table was dropped and made anew, or its log was cut: begin again.
    if (advanced.ok() && *advanced != nullptr) return advanced;
  }
  return load_newest(table);
}

/// The newest snapshot from an older one; null when the log does not continue where that ended.
Result<SnapshotPtr> Lake::advance(const Newest& newest) {
  const TableName& table = newest.snapshot->table();
  const auto commits = TRY(commits_after(store_, table, newest.commit));
  if (!commits) return SnapshotPtr();
  if (commits->empty()) return newest.snapshot;
  TableState state = newest.snapshot->state();
  Instant time = newest.snapshot->time();
  for (const CommitEntry& entry : *commits) {
    state.apply(TRY(read_commit(store_, entry.key)));
    time = std::max(entry.time, time + std::chrono::milliseconds(1));
  }
  const CommitEntry& last = commits->back();
  SnapshotPtr snapshot = TRY(Snapshot::make(store_, table, last.version, time, std::move(state)));
  if (has_in_commit_timestamps(snapshot->state())) return SnapshotPtr();
  remember({snapshot, last});
  return snapshot;
}

Result<SnapshotPtr> Lake::load_newest(const TableName& table) {
  if (const std::optional<Version> hint = last_checkpoint(store_, table)) {
    const LogListing listing = TRY(list_log(store_, table, *hint));
    const Result<LogSegment> segment = segment_for(listing, table, std::nullopt);
    if (segment.ok() && segment->checkpoint) return load_and_remember(table, listing, *segment);
  }
  const LogListing listing = TRY(list_log(store_, table, Version(0)));
  const LogSegment segment = TRY(segment_for(listing, table, std::nullopt));
  return load_and_remember(table, listing, segment);
}

Result<SnapshotPtr> Lake::load_and_remember(const TableName& table, const LogListing& listing,
                                            const LogSegment& segment) {
  SnapshotPtr snapshot = TRY(load(table, segment));
  const bool has_commit =
      !listing.commits.empty() && listing.commits.back().version == snapshot->version();
  if (has_commit && !has_in_commit_timestamps(snapshot->state())) {
    remember({snapshot, listing.commits.back()});
  }
  return snapshot;
}

Result<SnapshotPtr> Lake::load(const TableName& table, const LogSegment& segment) {
  TableState state;
  if (segment.checkpoint) {
    state = TRY(read_checkpoint(store_, engine_, table, *segment.checkpoint));
  }
  for (const CommitEntry& entry : segment.commits) state.apply(TRY(read_commit(store_, entry.key)));
  Instant time = segment.time;
  if (has_in_commit_timestamps(state)) {
    time = TRY(in_commit_time(commit_key(table, segment.version))).value_or(time);
  }
  return Snapshot::make(store_, table, segment.version, time, std::move(state));
}

Result<SnapshotPtr> Lake::snapshot_at(const TableName& table, Version version) {
  const LogListing listing = TRY(list_log(store_, table, Version(0)));
  return load(table, TRY(segment_for(listing, table, version)));
}

/// What the commit says of its own time, or nothing.
Result<std::optional<Instant>> Lake::in_commit_time(const std::string& key) {
  const Result<Actions> actions = read_commit(store_, key);
  if (!actions.ok() && actions.error().code() == ErrorCode::NotFound)
    return std::optional<Instant>();
  if (!actions.ok()) return actions.error();
  if (!actions->commit_info) return std::optional<Instant>();
  const Json info = TRY_DOING(key, Json::parse(*actions->commit_info));
  const Json& milliseconds = info["inCommitTimestamp"];
  if (!milliseconds.is_integer()) return std::optional<Instant>();
  return std::optional(Instant(std::chrono::milliseconds(milliseconds.as_integer())));
}

Result<SnapshotPtr> Lake::snapshot_at(const TableName& table, Instant moment) {
  const LogListing listing = TRY(list_log(store_, table, Version(0)));
  const LogSegment newest = TRY(segment_for(listing, table, std::nullopt));
  if (moment > clock_.now()) {
    // What will have been committed by then is not known yet.
    return no_version_at(table, moment, "latest", newest.version, newest.time);
  }
  const SnapshotPtr latest = TRY(load(table, newest));
  if (moment >= latest->time()) return latest;
  const bool in_commit = has_in_commit_timestamps(latest->state());
  const Version since = in_commit_since(*latest);
  const Version earliest = TRY(earliest_version(listing, table));
  Instant earliest_time = latest->time();
  for (auto entry = listing.commits.rbegin(); entry != listing.commits.rend(); ++entry) {
    if (entry->version < earliest) break;
    Instant time = entry->time;
    if (in_commit && entry->version >= since) {
      time = TRY(in_commit_time(entry->key)).value_or(time);
    }
    if (time <= moment) return load(table, TRY(segment_for(listing, table, entry->version)));
    earliest_time = time;
  }
  return no_version_at(table, moment, "earliest", earliest, earliest_time);
}

Result<std::vector<TableName>> Lake::tables() {
  const std::vector<storage::ObjectInfo> objects = TRY(store_.list(""));
  std::set<TableName> names;
  for (const storage::ObjectInfo& object : objects) {
    const std::size_t log = object.key.find("/_delta_log/");
    if (log == std::string::npos || !object.key.ends_with(".json")) continue;
    std::string name = object.key.substr(0, log);
    std::ranges::replace(name, '/', '.');
    const Result<TableName> table = TableName::parse(name);
    // Folders that no name of ours means are other people's tables.
    if (table.ok()) names.insert(*table);
  }
  return std::vector<TableName>(names.begin(), names.end());
}

Result<std::vector<HistoryEntry>> Lake::history(const TableName& table, std::size_t limit) {
  const LogListing listing = TRY(list_log(store_, table, Version(0)));
  if (listing.empty()) {
    return Error(ErrorCode::NotFound, fmt::format("table {} does not exist", table.text()));
  }
  std::vector<HistoryEntry> history;
  for (auto entry = listing.commits.rbegin(); entry != listing.commits.rend(); ++entry) {
    if (history.size() >= limit) break;
    HistoryEntry& found = history.emplace_back();
    found.version = entry->version;
    found.time = entry->time;
    const Actions actions = TRY(read_commit(store_, entry->key));
    if (!actions.commit_info) continue;
    found.info = TRY_DOING(entry->key, Json::parse(*actions.commit_info));
    found.operation = found.info.string_or("operation", "");
    const std::int64_t own_time = found.info.integer_or("inCommitTimestamp", -1);
    if (own_time >= 0) found.time = Instant(std::chrono::milliseconds(own_time));
  }
  return history;
}

Result<std::vector<storage::ObjectInfo>> Lake::loose_files(const Snapshot& snapshot) {
  const std::string folder = snapshot.table().folder();
  std::set<std::string> known;
  const auto note = [&](const FileName& file) -> Status {
    const Location location = TRY(locate(folder, file.path));
    if (!location.is_local_path) known.insert(location.place);
    return {};
  };
  for (const auto& add : snapshot.files()) TRY(note(add->file));
  for (const auto& remove : snapshot.state().tombstones.sorted()) TRY(note(remove->file));
  std::vector<storage::ObjectInfo> loose;
  for (storage::ObjectInfo& object : TRY(store_.list(folder + "/")))
    if (!object.key.starts_with(folder + "/_") && object.key.ends_with(".parquet") &&
        !known.contains(object.key))
      loose.push_back(std::move(object));
  return loose;
}

Result<std::optional<Lake::LoggedCommit>> Lake::commit_of(const Snapshot& newest,
                                                          const Writer& writer) {
  const LogListing listing = TRY(list_log(store_, newest.table(), Version(0)));
  for (auto entry = listing.commits.rbegin(); entry != listing.commits.rend(); ++entry) {
    if (newest.version() < entry->version) continue;
    Actions actions = TRY(read_commit(store_, entry->key));
    for (const Txn& txn : actions.txns)
      if (txn.app_id == writer.app_id && txn.version >= writer.generation)
        return std::optional(LoggedCommit{entry->version, std::move(actions)});
  }
  return std::optional<LoggedCommit>();
}

Result<Version> Lake::version_of(const Snapshot& newest, const Writer& writer) {
  const auto commit = TRY(commit_of(newest, writer));
  return commit ? commit->version : newest.version();
}

void Lake::remember(Newest newest) {
  const std::lock_guard lock(mutex_);
  const TableName table = newest.snapshot->table();
  newest_.insert_or_assign(table, std::move(newest));
}

std::optional<Lake::Newest> Lake::remembered(const TableName& table) {
  const std::lock_guard lock(mutex_);
  const auto found = newest_.find(table);
  return found == newest_.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace millrace::lake
