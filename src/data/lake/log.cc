#include "lake/log.h"

#include <algorithm>
#include <charconv>
#include <map>

#include <fmt/core.h>

#include "base/json.h"

namespace millrace::lake {

namespace {

constexpr std::size_t kVersionDigits = 20;
constexpr std::size_t kPartDigits = 10;

/// Exactly `digits` decimal digits that fit a version.
std::optional<std::int64_t> number(std::string_view text, std::size_t digits) {
  std::int64_t value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.size() != digits || read.ec != std::errc() || read.ptr != text.data() + text.size() ||
      value < 0) {
    return std::nullopt;
  }
  return value;
}

enum class CheckpointKind { MultiPart, V2, Classic };  // the last is the best to read

/// What a file's name in the log says.
struct LogName {
  std::int64_t version = 0;
  bool is_commit = false;
  CheckpointKind kind = CheckpointKind::Classic;
  std::int64_t part = 0;
  std::int64_t parts = 0;
};

bool is_uuid(std::string_view text) {
  return text.size() == 36 && text.find_first_not_of("0123456789abcdefABCDEF-") == text.npos;
}

std::optional<LogName> parse_checkpoint_name(std::int64_t version, std::string_view rest) {
  if (rest == "parquet") return LogName{.version = version};
  const std::size_t dot = rest.find('.');
  if (dot == std::string_view::npos) return std::nullopt;
  const std::string_view first = rest.substr(0, dot);
  const std::string_view last = rest.substr(dot + 1);
  if (is_uuid(first) && (last == "json" || last == "parquet")) {
    return LogName{.version = version, .kind = CheckpointKind::V2};
  }
  const std::string_view ending = ".parquet";
  if (!last.ends_with(ending)) return std::nullopt;
  const auto part = number(first, kPartDigits);
  const auto parts = number(last.substr(0, last.size() - ending.size()), kPartDigits);
  if (!part || !parts || *part < 1 || *part > *parts) return std::nullopt;
  return LogName{
      .version = version, .kind = CheckpointKind::MultiPart, .part = *part, .parts = *parts};
}

std::optional<LogName> parse_log_name(std::string_view name) {
  if (name.size() <= kVersionDigits) return std::nullopt;
  const auto version = number(name.substr(0, kVersionDigits), kVersionDigits);
  if (!version) return std::nullopt;
  const std::string_view rest = name.substr(kVersionDigits);
  if (rest == ".json") return LogName{.version = *version, .is_commit = true};
  const std::string_view checkpoint = ".checkpoint.";
  if (!rest.starts_with(checkpoint)) return std::nullopt;
  return parse_checkpoint_name(*version, rest.substr(checkpoint.size()));
}

Instant whole_milliseconds(Instant instant) {
  return std::chrono::floor<std::chrono::milliseconds>(instant);
}

/// Gathers the parts of checkpoints and keeps those that are complete.
class CheckpointCollector {
 public:
  void add(const LogName& name, const storage::ObjectInfo& info) {
    Parts& parts = found_[{name.version, name.kind, name.parts}];
    parts.keys.push_back(info.key);  // parts come in order, since the listing is sorted
    parts.modified = std::max(parts.modified, info.modified);
  }

  std::vector<CheckpointEntry> complete() && {
    std::vector<CheckpointEntry> entries;
    for (auto& [id, parts] : found_) {
      const auto& [version, kind, count] = id;
      if (kind == CheckpointKind::MultiPart &&
          static_cast<std::int64_t>(parts.keys.size()) != count) {
        continue;
      }
      // Several v2 checkpoints of one version hold the same; one is enough.
      if (kind != CheckpointKind::MultiPart) parts.keys.resize(1);
      entries.push_back({Version(version), std::move(parts.keys), parts.modified});
    }
    return entries;
  }

 private:
  struct Parts {
    std::vector<std::string> keys;
    Instant modified{};
  };
  std::map<std::tuple<std::int64_t, CheckpointKind, std::int64_t>, Parts> found_;
};

/// The commit of that version, or nothing.
Result<std::optional<storage::ObjectInfo>> find_commit(storage::ObjectStore& store,
                                                       const TableName& table, Version version) {
  Result<storage::ObjectInfo> info = store.head(commit_key(table, version));
  if (!info.ok() && info.error().code() == ErrorCode::NotFound)
    return std::optional<storage::ObjectInfo>();
  return std::optional(TRY(std::move(info)));
}

using Commits = std::map<std::int64_t, storage::ObjectInfo>;  // by version

/// Asks for the commits that are missing below the newest one, from there back, until one is really
/// not there: below it the log was cleaned, or is broken.
Status fill_gaps(storage::ObjectStore& store, const TableName& table, Version from,
                 Commits& commits) {
  if (commits.empty()) return {};
  for (std::int64_t version = commits.rbegin()->first - 1; version >= from.value(); --version) {
    if (commits.contains(version)) continue;
    const std::optional<storage::ObjectInfo> info =
        TRY(find_commit(store, table, Version(version)));
    if (!info) return {};
    commits.emplace(version, *info);
  }
  return {};
}

std::vector<CommitEntry> entries_of(const Commits& commits) {
  std::vector<CommitEntry> entries;
  entries.reserve(commits.size());
  for (const auto& [version, info] : commits) {
    Instant time = whole_milliseconds(info.modified);
    if (!entries.empty()) {
      time = std::max(time, entries.back().time + std::chrono::milliseconds(1));
    }
    entries.push_back({Version(version), info.key, time, info.modified, info.size_bytes});
  }
  return entries;
}

Error missing_commit(const TableName& table, Version version) {
  return {ErrorCode::Corruption,
          fmt::format("table {}: the log has a gap, {} is missing; restore the file, or read a "
                      "version before it",
                      table.text(), commit_key(table, version))};
}

/// Whether the commits of (after, last] are all there.
bool has_commits(const LogListing& listing, std::int64_t after, std::int64_t last) {
  const auto begin =
      std::ranges::lower_bound(listing.commits, Version(after + 1), {}, &CommitEntry::version);
  const auto end =
      std::ranges::upper_bound(listing.commits, Version(last), {}, &CommitEntry::version);
  return end - begin == last - after;
}

}  // namespace

std::string log_folder(const TableName& table) {
  return table.folder() + "/_delta_log";
}

std::string commit_key(const TableName& table, Version version) {
  return fmt::format("{}/{:020}.json", log_folder(table), version.value());
}

std::string checkpoint_key(const TableName& table, Version version) {
  return fmt::format("{}/{:020}.checkpoint.parquet", log_folder(table), version.value());
}

std::string last_checkpoint_key(const TableName& table) {
  return log_folder(table) + "/_last_checkpoint";
}

Version LogListing::latest() const {
  Version latest(-1);
  if (!commits.empty()) latest = commits.back().version;
  if (!checkpoints.empty()) latest = std::max(latest, checkpoints.back().version);
  return latest;
}

Result<LogListing> list_log(storage::ObjectStore& store, const TableName& table, Version from) {
  const std::string prefix = log_folder(table) + "/";
  const std::vector<storage::ObjectInfo> found =
      TRY(store.list(prefix, fmt::format("{}{:020}", prefix, from.value())));
  Commits commits;
  CheckpointCollector checkpoints;
  for (const storage::ObjectInfo& info : found) {
    const auto name = parse_log_name(std::string_view(info.key).substr(prefix.size()));
    if (!name) continue;
    if (name->is_commit) {
      commits.emplace(name->version, info);
    } else {
      checkpoints.add(*name, info);
    }
  }
  TRY(fill_gaps(store, table, from, commits));
  return LogListing{entries_of(commits), std::move(checkpoints).complete()};
}

Result<std::optional<std::vector<CommitEntry>>> commits_after(storage::ObjectStore& store,
                                                              const TableName& table,
                                                              const CommitEntry& known) {
  const std::optional<storage::ObjectInfo> as_it_is = TRY(find_commit(store, table, known.version));
  if (!as_it_is || as_it_is->modified != known.modified ||
      as_it_is->size_bytes != known.size_bytes) {
    return std::optional<std::vector<CommitEntry>>();
  }
  Commits commits;
  Version version = known.version.next();
  for (;; version = version.next()) {
    const std::optional<storage::ObjectInfo> info = TRY(find_commit(store, table, version));
    if (!info) break;
    commits.emplace(version.value(), *info);
  }
  if (TRY(find_commit(store, table, version.next()))) {
    return std::optional<std::vector<CommitEntry>>();
  }
  return std::optional(entries_of(commits));
}

std::optional<Version> last_checkpoint(storage::ObjectStore& store, const TableName& table) {
  const Result<std::string> text = store.get(last_checkpoint_key(table));
  if (!text.ok()) return std::nullopt;
  const Result<Json> json = Json::parse(*text);
  if (!json.ok()) return std::nullopt;
  const std::int64_t version = json->integer_or("version", -1);
  return version < 0 ? std::nullopt : std::optional(Version(version));
}

Result<LogSegment> segment_for(const LogListing& listing, const TableName& table,
                               std::optional<Version> target) {
  if (listing.empty()) {
    return Error(ErrorCode::NotFound, fmt::format("table {} does not exist", table.text()));
  }
  const Version latest = listing.latest();
  if (target && (*target > latest || target->value() < 0)) {
    return Error(ErrorCode::NotFound, fmt::format("table {} has no version {}; the latest is {}",
                                                  table.text(), target->value(), latest.value()));
  }
  const Result<Version> earliest = earliest_version(listing, table);
  if (target && earliest.ok() && *target < *earliest) {
    return Error(ErrorCode::NotFound,
                 fmt::format("table {} has no version {} any more, its log was cleaned; the "
                             "earliest is {}",
                             table.text(), target->value(), earliest->value()));
  }
  LogSegment segment{.version = target.value_or(latest)};
  std::int64_t after = -1;
  for (const CheckpointEntry& checkpoint : listing.checkpoints) {
    if (checkpoint.version > segment.version) break;
    segment.checkpoint = checkpoint;
    segment.time = whole_milliseconds(checkpoint.modified);
    after = checkpoint.version.value();
  }
  for (const CommitEntry& commit : listing.commits) {
    if (commit.version == segment.version) segment.time = commit.time;
    if (commit.version.value() <= after || commit.version > segment.version) continue;
    const Version expected(after + 1 + static_cast<std::int64_t>(segment.commits.size()));
    if (commit.version != expected) return missing_commit(table, expected);
    segment.commits.push_back(commit);
  }
  const Version reached(after + static_cast<std::int64_t>(segment.commits.size()));
  if (reached != segment.version) return missing_commit(table, reached.next());
  return segment;
}

Result<Version> earliest_version(const LogListing& listing, const TableName& table) {
  const std::int64_t latest = listing.latest().value();
  if (has_commits(listing, -1, latest)) return Version(0);
  for (const CheckpointEntry& checkpoint : listing.checkpoints) {
    if (has_commits(listing, checkpoint.version.value(), latest)) return checkpoint.version;
  }
  return missing_commit(table, Version(latest));
}

Result<Actions> read_commit(storage::ObjectStore& store, const std::string& key) {
  const std::string text = TRY(store.get(key));
  if (text.empty()) return Error(ErrorCode::Corruption, key + ": the file is empty");
  Result<Actions> actions = parse_actions(text);
  if (actions.ok()) return actions;
  return std::move(actions).error().while_doing(key);
}

}  // namespace millrace::lake
