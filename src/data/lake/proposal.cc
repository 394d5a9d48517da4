// From files that were written to the actions of a commit.

#include <algorithm>
#include <charconv>
#include <set>

#include <fmt/core.h>

#include "lake/statistics.h"
#include "lake/uri.h"
#include "lake/write_plan.h"
#include "lake/writer_tags.h"

namespace millrace::lake {

namespace {

using columnar::Field;

/// For how many columns the table wants extremes.
int indexed_columns(const std::optional<std::string>& property) {
  int count = kIndexedColumns;
  if (property) {
    const auto read = std::from_chars(property->data(), property->data() + property->size(), count);
    if (read.ec != std::errc() || count < -1) count = kIndexedColumns;
  }
  return count;
}

AddFile add_of(const HashedFile& hashed, const TablePlan& plan, const WriteSpec& spec, int indexed,
               std::int64_t now_ms) {
  const engine::WrittenFile& file = hashed.file;
  AddFile add{.file = {.path = encode_path(file.relative_path)},
              .partition_values = file.partition_values,
              .size_bytes = static_cast<std::int64_t>(file.size_bytes),
              .modification_time_ms = now_ms,
              .stats = statistics_json(file, plan.schema, plan.partition_columns, indexed),
              .tags = {{kHashTag, hashed.sha256}}};
  if (!spec.writer.app_id.empty()) {
    add.tags[kWriterTag] = spec.writer.app_id;
    add.tags[kGenerationTag] = std::to_string(spec.writer.generation);
  }
  if (spec.rank) {
    add.tags[kSeriesTag] = spec.rank->series;
    add.tags[kRankTag] = std::to_string(spec.rank->value);
  }
  return add;
}

/// Nothing where a file of another series, or of none, is asked.
std::optional<std::int64_t> rank_of(const AddFile& add, const std::string& series) {
  const auto text = add.tag(kRankTag);
  if (!text || add.tag(kSeriesTag) != series) return std::nullopt;
  std::int64_t rank = 0;
  const auto read = std::from_chars(text->data(), text->data() + text->size(), rank);
  return read.ec == std::errc() ? std::optional(rank) : std::nullopt;
}

RemoveFile remove_of(const AddFile& add, std::int64_t now_ms) {
  return {.file = add.file,
          .deletion_time_ms = now_ms,
          .extended = true,
          .partition_values = add.partition_values,
          .size_bytes = add.size_bytes};
}

/// Chooses the files of the base that the write takes away.
class Removal {
 public:
  Removal(const Snapshot& base, const WriteSpec& spec, const std::set<PartitionKey>& touched)
      : base_(base), spec_(spec), touched_(touched) {
    clears_ = !spec.writer.app_id.empty() && base.txn_version(spec.writer.app_id).has_value();
  }

  bool takes_any() const { return clears_ || spec_.mode != WriteMode::Append; }
  bool takes(const AddFile& add) const {
    if (spec_.mode == WriteMode::Overwrite) return true;
    // An earlier generation of the same writer: its files go, wherever they are.
    if (clears_ && add.tag(kWriterTag) == spec_.writer.app_id) return true;
    return spec_.mode == WriteMode::OverwritePartitions &&
           touched_.contains(
               partition_key(add.partition_values, base_.schema(), base_.partition_columns()));
  }

 private:
  const Snapshot& base_;
  const WriteSpec& spec_;
  const std::set<PartitionKey>& touched_;
  bool clears_ = false;
};

std::set<PartitionKey> touched_partitions(const TablePlan& plan,
                                          const std::vector<HashedFile>& files) {
  std::set<PartitionKey> touched;
  for (const HashedFile& hashed : files) {
    touched.insert(
        partition_key(hashed.file.partition_values, plan.schema, plan.partition_columns));
  }
  return touched;
}

std::string_view mode_name(WriteMode mode) {
  switch (mode) {
    case WriteMode::Append:
      return "Append";
    case WriteMode::Overwrite:
      return "Overwrite";
    case WriteMode::OverwritePartitions:
      return "OverwritePartitions";
  }
  return "";
}

/// Parameters and metrics are texts, as delta-spark writes them.
CommitDescription describe(const Proposal& proposal, const TablePlan& plan, const WriteSpec& spec,
                           const std::vector<HashedFile>& files) {
  std::int64_t rows = 0;
  std::uint64_t bytes = 0;
  for (const HashedFile& hashed : files) {
    rows += hashed.file.row_count;
    bytes += hashed.file.size_bytes;
  }
  const Actions& actions = proposal.actions;
  return {.operation = spec.operation,
          .parameters = Json::object({{"mode", mode_name(spec.mode)},
                                      {"partitionBy", Json(plan.partition_columns).dump()}}),
          .metrics = Json::object({{"numFiles", std::to_string(actions.adds.size())},
                                   {"numOutputRows", std::to_string(rows)},
                                   {"numOutputBytes", std::to_string(bytes)},
                                   {"numRemovedFiles", std::to_string(actions.removes.size())}}),
          .user_metadata = spec.user_metadata,
          .is_blind_append = spec.mode == WriteMode::Append && actions.removes.empty()};
}

void add_txns(Proposal& proposal, const WriteSpec& spec, std::int64_t now_ms) {
  if (!spec.writer.app_id.empty()) {
    proposal.actions.txns.push_back({spec.writer.app_id, spec.writer.generation, now_ms});
  }
  for (const Mark& mark : spec.marks) {
    proposal.actions.txns.push_back({mark.app_id, mark.version, now_ms});
    proposal.intent.marks.insert(mark.app_id);
  }
}

void add_removes(Proposal& proposal, const Snapshot& base, const Removal& removal,
                 std::int64_t now_ms) {
  if (!removal.takes_any()) return;
  for (const auto& add : base.files()) {
    if (!removal.takes(*add)) continue;
    proposal.intent.removes.insert(add->file.key());
    proposal.actions.removes.push_back(remove_of(*add, now_ms));
  }
}

Status check_not_null(const Field& field, const TablePlan& plan, const HashedFile& hashed) {
  const auto refuse = [&](std::string_view count) {
    return Error(ErrorCode::DataQuality,
                 fmt::format("column '{}' may not be null in this table; the rows to write have {} "
                             "in it",
                             field.name, count));
  };
  const bool is_partition =
      std::ranges::find(plan.partition_columns, field.name) != plan.partition_columns.end();
  if (is_partition) {
    const auto value = hashed.file.partition_values.find(field.name);
    const bool is_null = value == hashed.file.partition_values.end() || !value->second;
    return is_null ? Status(refuse("nulls")) : Status();
  }
  const auto column = hashed.file.statistics.find(field.name);
  if (column == hashed.file.statistics.end() || !column->second.null_count) {
    return Error(ErrorCode::Unsupported,
                 fmt::format("column '{}' may not be null in this table, and how many nulls are in "
                             "the rows to write is not known",
                             field.name));
  }
  const std::int64_t nulls = *column->second.null_count;
  return nulls > 0 ? Status(refuse(fmt::format("{} nulls", nulls))) : Status();
}

}  // namespace

HigherRanks::HigherRanks(const Snapshot* base, const WriteSpec& spec) : base_(base) {
  if (base == nullptr || !spec.rank || spec.mode != WriteMode::OverwritePartitions) return;
  for (const auto& add : base->files()) {
    const auto rank = rank_of(*add, spec.rank->series);
    if (!rank || *rank <= spec.rank->value) continue;
    std::int64_t& highest =
        ranks_[partition_key(add->partition_values, base->schema(), base->partition_columns())];
    highest = std::max(highest, *rank);
  }
}

std::optional<std::int64_t> HigherRanks::above(const engine::WrittenFile& file) const {
  if (ranks_.empty()) return std::nullopt;
  const auto found = ranks_.find(
      partition_key(file.partition_values, base_->schema(), base_->partition_columns()));
  return found == ranks_.end() ? std::nullopt : std::optional(found->second);
}

Status check_files(const TablePlan& plan, const std::vector<HashedFile>& files) {
  for (const HashedFile& hashed : files) {
    for (const auto& [name, value] : hashed.file.partition_values) {
      if (value && value->empty()) {
        return Error(
            ErrorCode::Invalid,
            fmt::format("an empty text in partition column '{}': a Delta table cannot tell "
                        "it from null; write nullif({}, '') or another word for it",
                        name, name));
      }
      if (value && value->find('\0') != std::string::npos) {
        return Error(ErrorCode::Invalid,
                     fmt::format("a text with a NUL character in partition column '{}', which no "
                                 "folder's name can hold; write replace({}, chr(0), '') or "
                                 "partition by another column",
                                 name, name));
      }
    }
    for (const Field& field : plan.schema.fields()) {
      if (!field.nullable) TRY(check_not_null(field, plan, hashed));
    }
  }
  return {};
}

Proposal propose(const TableName& table, const Snapshot* base, const TablePlan& plan,
                 const std::vector<HashedFile>& files, const WriteSpec& spec, std::int64_t now_ms) {
  Proposal proposal{.table = table};
  proposal.actions.protocol = plan.protocol;
  proposal.actions.metadata = plan.metadata;
  proposal.intent.writer = spec.writer;
  proposal.intent.schema = plan.schema;
  proposal.intent.partition_columns = plan.partition_columns;
  const std::set<PartitionKey> touched = touched_partitions(plan, files);
  proposal.intent.reads.whole_table = spec.mode == WriteMode::Overwrite;
  if (spec.mode == WriteMode::OverwritePartitions) proposal.intent.reads.partitions = touched;

  const std::optional<std::string> indexed =
      base == nullptr ? std::nullopt
                      : base->metadata().property("delta.dataSkippingNumIndexedCols");
  for (const HashedFile& hashed : files) {
    proposal.actions.adds.push_back(add_of(hashed, plan, spec, indexed_columns(indexed), now_ms));
  }
  if (base != nullptr) {
    proposal.base = base->version();
    add_removes(proposal, *base, Removal(*base, spec, touched), now_ms);
  }
  add_txns(proposal, spec, now_ms);
  proposal.description = describe(proposal, plan, spec, files);
  return proposal;
}

}  // namespace millrace::lake
