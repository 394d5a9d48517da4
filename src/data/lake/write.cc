// Lake::write, Lake::create: files, then one commit.

#include <algorithm>
#include <filesystem>
#include <set>

#include <fmt/core.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/text.h"
#include "lake/checkpoint.h"
#include "lake/lake.h"
#include "lake/protocol.h"
#include "lake/statistics.h"
#include "lake/write_plan.h"
#include "lake/writer_tags.h"
#include "sql/names.h"

namespace millrace::lake {

namespace {

/// Files that belong to no version yet. At its end it deletes them, unless they were let go.
class StagedFiles {
 public:
  StagedFiles(storage::ObjectStore& store, std::string folder, std::string staging,
              std::vector<engine::WrittenFile> files)
      : store_(store), folder_(std::move(folder)), staging_(std::move(staging)) {
    for (engine::WrittenFile& file : files) hashed_.push_back({std::move(file), ""});
  }
  StagedFiles(const StagedFiles&) = delete;
  StagedFiles& operator=(const StagedFiles&) = delete;
  ~StagedFiles() {
    for (const HashedFile& hashed : hashed_) remove(hashed);
  }

  /// Deletes those of partitions that stand.
  Outranked leave_out(const HigherRanks& ranks) {
    Outranked outranked;
    std::set<PartitionValues> partitions;
    std::erase_if(hashed_, [&](const HashedFile& hashed) {
      const auto rank = ranks.above(hashed.file);
      if (!rank) return false;
      partitions.insert(hashed.file.partition_values);
      outranked.rows += hashed.file.row_count;
      outranked.highest = std::max(outranked.highest, *rank);
      remove(hashed);
      return true;
    });
    outranked.partitions = static_cast<std::int64_t>(partitions.size());
    return outranked;
  }

  /// Reads each file once.
  Status hash() {
    for (HashedFile& hashed : hashed_) {
      hashed.sha256 = TRY(sha256_hex_of_file(staging_ + "/" + hashed.file.relative_path));
    }
    return {};
  }

  /// Makes them durable objects.
  Status publish() {
    std::vector<std::string> paths;
    paths.reserve(hashed_.size());
    for (const HashedFile& hashed : hashed_) paths.push_back(hashed.file.relative_path);
    return store_.publish(folder_, paths);
  }

  const std::vector<HashedFile>& files() const { return hashed_; }
  void let_go() { hashed_.clear(); }

 private:
  void remove(const HashedFile& hashed) {
    // What cannot be deleted now is garbage that vacuum finds.
    std::error_code ignored;
    std::filesystem::remove(staging_ + "/" + hashed.file.relative_path, ignored);
    (void)store_.remove(folder_ + "/" + hashed.file.relative_path);
  }

  storage::ObjectStore& store_;
  std::string folder_;
  std::string staging_;
  std::vector<HashedFile> hashed_;
};

bool is_done(const Snapshot* base, const Writer& writer) {
  if (base == nullptr || writer.app_id.empty()) return false;
  const std::optional<std::int64_t> done = base->txn_version(writer.app_id);
  return done && *done >= writer.generation;
}

Committed committed(const Proposal& proposal, const std::vector<HashedFile>& files,
                    Version version) {
  Committed committed{.version = version,
                      .files_added = static_cast<std::int64_t>(proposal.actions.adds.size()),
                      .files_removed = static_cast<std::int64_t>(proposal.actions.removes.size())};
  for (const HashedFile& hashed : files) {
    committed.rows_written += hashed.file.row_count;
    committed.bytes_written += static_cast<std::int64_t>(hashed.file.size_bytes);
  }
  return committed;
}

Committed done_before(Version version, const Actions& actions) {
  Committed done{.version = version,
                 .already_done = true,
                 .files_added = static_cast<std::int64_t>(actions.adds.size()),
                 .files_removed = static_cast<std::int64_t>(actions.removes.size())};
  for (const AddFile& add : actions.adds) {
    done.rows_written += FileStatistics::parse(add.stats.value_or("")).row_count().value_or(0);
    done.bytes_written += add.size_bytes;
  }
  return done;
}

/// The snapshot that the write starts from.
Result<SnapshotPtr> start_of(const SnapshotPtr& newest, const WriteSpec& spec) {
  if (!spec.based_on) return newest;
  const SnapshotPtr& base = *spec.based_on;
  const bool is_there = newest != nullptr;
  const bool is_same = base != nullptr && is_there && base->metadata().id == newest->metadata().id;
  if (is_same || (base == nullptr && !is_there)) return base;
  return Error(ErrorCode::Conflict,
               base == nullptr
                   ? "another writer made the table since it was looked for; run it again"
                   : "the table was dropped or made anew since it was read; run it again");
}

Status check_spec(const WriteSpec& spec) {
  for (const Mark& mark : spec.marks) {
    if (mark.app_id.empty() || mark.app_id == spec.writer.app_id) {
      return Error(ErrorCode::Invalid, "a mark needs a name of its own");
    }
  }
  return {};
}

}  // namespace

Result<SnapshotPtr> Lake::newest_of(const TableName& table) {
  Result<SnapshotPtr> snapshot = this->snapshot(table);
  if (!snapshot.ok() && snapshot.error().code() == ErrorCode::NotFound) return SnapshotPtr();
  return snapshot;
}

Status Lake::check_new(const TableName& table) {
  const std::string name = fold_case(table.text());
  for (const TableName& other : TRY(tables())) {
    const std::string found = fold_case(other.text());
    if (found == name) {
      return Error(ErrorCode::Invalid,
                   fmt::format("there is a table {} already, and names that differ in case only "
                               "mean one table; use that name, or another one",
                               other.text()));
    }
    if (found.starts_with(name + ".") || name.starts_with(found + ".")) {
      return Error(ErrorCode::Invalid,
                   fmt::format("its folder {} would lie around or inside that of table {}, and a "
                               "vacuum of the outer one would delete the inner one; choose another "
                               "name",
                               table.folder(), other.text()));
    }
  }
  return {};
}

Result<Committed> Lake::already_done(const Snapshot& newest, const Writer& writer) {
  TRY(store_.make_durable(log_folder(newest.table())));
  if (const auto commit = TRY(commit_of(newest, writer)))
    return done_before(commit->version, commit->actions);
  Actions left;
  for (const auto& add : newest.files())
    if (add->tag(kWriterTag) == writer.app_id) left.adds.push_back(*add);
  return done_before(newest.version(), left);
}

Result<Lake::Attempt> Lake::finish(const TableName& table, const Snapshot* base,
                                   const columnar::Schema& rows,
                                   std::vector<engine::WrittenFile> files, const WriteSpec& spec) {
  StagedFiles staged(store_, table.folder(), TRY(store_.staging_folder(table.folder())),
                     std::move(files));
  const std::int64_t now_ms = to_milliseconds(clock_.now());
  const TablePlan plan = TRY(plan_table(base, rows, spec, now_ms));
  const Outranked outranked = staged.leave_out(HigherRanks(base, spec));
  TRY(staged.hash());
  TRY(check_files(plan, staged.files()));
  TRY(staged.publish());
  Proposal proposal = propose(table, base, plan, staged.files(), spec, now_ms);
  proposal.fence = spec.fence;
  CommitOutcome outcome = lake::commit(store_, clock_, proposal);
  switch (outcome.kind) {
    case CommitOutcome::Kind::Committed: {
      Committed done = committed(proposal, staged.files(), outcome.version);
      done.outranked = outranked;
      staged.let_go();
      const auto& metadata = plan.metadata ? plan.metadata : base->state().metadata;
      const std::size_t before = base == nullptr ? 0 : base->state().files.size();
      if (is_checkpoint_due(*metadata, before, outcome.version)) checkpoint(table, outcome.version);
      return Attempt{.committed = done};
    }
    case CommitOutcome::Kind::AlreadyDone: {
      const SnapshotPtr newest = TRY(snapshot(table));
      return Attempt{.committed = TRY(already_done(*newest, spec.writer))};
    }
    case CommitOutcome::Kind::Unknown:
      staged.let_go();
      break;
    case CommitOutcome::Kind::Failed:
      if (outcome.table_appeared) return Attempt{.table_appeared = true};
      break;
  }
  return *std::move(outcome.error);
}

Result<Committed> Lake::write(engine::Session& session, const TableName& table,
                              std::string_view select, const WriteSpec& spec) {
  const std::string doing = "writing table " + table.text();
  TRY_DOING(doing, check_spec(spec));
  // Twice at most: once a table has appeared, it stays.
  for (;;) {
    const SnapshotPtr newest = TRY(newest_of(table));
    if (is_done(newest.get(), spec.writer)) {
      return TRY_DOING(doing, already_done(*newest, spec.writer));
    }
    if (newest == nullptr) TRY_DOING(doing, check_new(table));
    const SnapshotPtr base = TRY_DOING(doing, start_of(newest, spec));
    const columnar::Schema rows = TRY_DOING(doing, session.bind(select)).result;
    const TablePlan plan =
        TRY_DOING(doing, plan_table(base.get(), rows, spec, to_milliseconds(clock_.now())));
    const std::string exact = TRY_DOING(doing, select_for(plan, rows, select));
    const engine::ParquetWrite write{.folder = TRY(store_.staging_folder(table.folder())),
                                     .partition_by = plan.partition_columns,
                                     .ordered = spec.ordered};
    std::vector<engine::WrittenFile> files = TRY_DOING(doing, session.write_parquet(exact, write));
    const Attempt attempt =
        TRY_DOING(doing, finish(table, base.get(), rows, std::move(files), spec));
    if (!attempt.table_appeared) return attempt.committed;
  }
}

Result<Version> Lake::create(const TableName& table, const columnar::Schema& schema,
                             const std::vector<std::string>& partition_by,
                             const std::map<std::string, std::string>& properties) {
  const std::string doing = "making table " + table.text();
  const std::int64_t now_ms = to_milliseconds(clock_.now());
  const WriteSpec spec{.partition_by = partition_by, .operation = "CREATE TABLE"};
  TablePlan plan = TRY_DOING(doing, plan_table(nullptr, schema, spec, now_ms));
  plan.metadata->configuration = properties;
  TRY_DOING(doing, check_writable(*plan.protocol, *plan.metadata));
  if (TRY(newest_of(table)) != nullptr) {
    return Error(ErrorCode::AlreadyExists, fmt::format("table {} exists", table.text()));
  }
  TRY_DOING(doing, check_new(table));
  CommitOutcome outcome =
      lake::commit(store_, clock_, propose(table, nullptr, plan, {}, spec, now_ms));
  if (outcome.kind == CommitOutcome::Kind::Committed) return outcome.version;
  if (outcome.table_appeared) {
    return Error(ErrorCode::AlreadyExists, fmt::format("table {} exists", table.text()));
  }
  return (*std::move(outcome.error)).while_doing(doing);
}

/// The commit stands, whatever becomes of its checkpoint.
void Lake::checkpoint(const TableName& table, Version version) {
  const auto write = [&]() -> Status {
    SnapshotPtr snapshot = TRY(this->snapshot(table));
    if (snapshot->version() != version) snapshot = TRY(snapshot_at(table, version));
    return write_checkpoint(store_, engine_, *snapshot, clock_.now());
  };
  const Status done = write();
  if (done.ok() || done.error().code() == ErrorCode::Unsupported) return;
  log_warning(fmt::format("no checkpoint of table {} at version {}: {}", table.text(),
                          version.value(), done.error().message()));
}

}  // namespace millrace::lake
