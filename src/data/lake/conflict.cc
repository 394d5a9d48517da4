#include "lake/conflict.h"

#include <algorithm>

#include <fmt/core.h>

namespace millrace::lake {

namespace {

Error conflict(std::string_view what) {
  return {ErrorCode::Conflict, std::string(what)};
}

bool is_in_scope(const AddFile& add, const Intent& ours) {
  if (ours.reads.whole_table) return true;
  if (ours.reads.partitions.empty()) return false;
  return ours.reads.partitions.contains(
      partition_key(add.partition_values, ours.schema, ours.partition_columns));
}

Result<Standing> check_txns(const Actions& winner, const Intent& ours) {
  for (const Txn& txn : winner.txns) {
    if (!ours.writer.app_id.empty() && txn.app_id == ours.writer.app_id) {
      if (txn.version >= ours.writer.generation) return Standing::AlreadyDone;
      return conflict(fmt::format("it wrote an earlier generation of {}", txn.app_id));
    }
  }
  for (const Txn& txn : winner.txns) {
    if (ours.marks.contains(txn.app_id)) {
      return conflict(fmt::format("it moved the mark {} too", txn.app_id));
    }
  }
  return Standing::Compatible;
}

}  // namespace

PartitionKey partition_key(const PartitionValues& values, const columnar::Schema& schema,
                           const std::vector<std::string>& partition_columns) {
  PartitionKey key;
  for (const std::string& name : partition_columns) {
    std::optional<Value>& part = key.emplace_back();
    const auto found = values.find(name);
    if (found == values.end() || !found->second || found->second->empty()) continue;
    const std::optional<std::size_t> column = schema.index_of(name);
    if (column) part = parse_value(schema[*column].type, *found->second);
    if (!part) part = *found->second;
  }
  return key;
}

Result<Standing> check_conflict(const Actions& winner, const Intent& ours) {
  if (TRY(check_txns(winner, ours)) == Standing::AlreadyDone) return Standing::AlreadyDone;
  if (winner.protocol) return conflict("it changed the table's protocol");
  if (winner.metadata) return conflict("it changed the table's schema or properties");
  for (const AddFile& add : winner.adds) {
    if (is_in_scope(add, ours)) {
      return conflict(fmt::format("it added {} to the rows that are replaced here", add.file.path));
    }
  }
  for (const RemoveFile& remove : winner.removes) {
    if (ours.reads.whole_table || ours.removes.contains(remove.file.key())) {
      return conflict(fmt::format("it removed {}, which is to be removed here", remove.file.path));
    }
  }
  return Standing::Compatible;
}

}  // namespace millrace::lake
