#include "lake/snapshot.h"

#include <algorithm>

#include <fmt/core.h>

#include "base/hash.h"
#include "lake/deletion_vector.h"
#include "lake/protocol.h"
#include "lake/statistics.h"
#include "lake/uri.h"
#include "lake/writer_tags.h"

namespace millrace::lake {

namespace {

/// The file's rows, without its name where its bytes are known.
std::string hash_of(const AddFile& add) {
  Json json = Json::object();
  if (const auto bytes = add.tag(kHashTag)) {
    json.set("sha256", *bytes);
  } else {
    json.set("path", add.file.path).set("size", add.size_bytes);
  }
  Json values = Json::object();
  for (const auto& [name, value] : add.partition_values) {
    values.set(name, value && !value->empty() ? Json(*value) : Json());
  }
  json.set("partition", std::move(values));
  if (add.file.deletion_vector) json.set("deleted", add.file.deletion_vector->unique_id());
  return sha256_hex(json.dump_canonical());
}

}  // namespace

Snapshot::Snapshot(storage::ObjectStore& store, TableName table, Version version, Instant time,
                   TableState state)
    : store_(&store),
      table_(std::move(table)),
      version_(version),
      time_(time),
      state_(std::move(state)) {}

const std::vector<std::shared_ptr<const AddFile>>& Snapshot::files() const {
  std::call_once(files_are_sorted_, [this] { files_ = state_.files.sorted(); });
  return files_;
}

Result<std::shared_ptr<const Snapshot>> Snapshot::make(storage::ObjectStore& store, TableName table,
                                                       Version version, Instant time,
                                                       TableState state) {
  const std::string name = fmt::format("table {} at version {}", table.text(), version.value());
  if (!state.protocol || !state.metadata) {
    return Error(ErrorCode::Corruption,
                 fmt::format("{}: its log has no {}", name,
                             state.protocol ? "metaData action" : "protocol action"));
  }
  state.files.settle();
  state.tombstones.settle();
  std::shared_ptr<Snapshot> snapshot(
      new Snapshot(store, std::move(table), version, time, std::move(state)));
  TRY_DOING(name, snapshot->read_metadata());
  return std::shared_ptr<const Snapshot>(std::move(snapshot));
}

Status Snapshot::read_metadata() {
  TRY(check_readable(protocol()));
  schema_ = TRY(parse_schema(metadata().schema, TRY(column_mapping(protocol(), metadata()))));
  for (const std::string& name : metadata().partition_columns) {
    const std::optional<std::size_t> column = schema().index_of(name);
    if (!column) {
      return Error(ErrorCode::Corruption,
                   fmt::format("partition column '{}' is not in the schema", name));
    }
    partition_columns_.push_back(schema()[*column].name);
    stored_partition_columns_.push_back(schema_.stored[*column].name);
  }
  return {};
}

std::int64_t Snapshot::size_bytes() const {
  std::int64_t bytes = 0;
  for (const auto& add : files()) bytes += add->size_bytes;
  return bytes;
}

std::optional<std::int64_t> Snapshot::row_count() const {
  std::int64_t rows = 0;
  for (const auto& add : files()) {
    if (!add->stats) return std::nullopt;
    const std::optional<std::int64_t> count = FileStatistics::parse(*add->stats).row_count();
    if (!count) return std::nullopt;
    rows += *count - (add->file.deletion_vector ? add->file.deletion_vector->cardinality : 0);
  }
  return rows;
}

std::optional<std::int64_t> Snapshot::txn_version(const std::string& app_id) const {
  const auto found = state_.txns.find(app_id);
  return found == state_.txns.end() ? std::nullopt : std::optional(found->second.version);
}

Result<engine::ScanFile> Snapshot::scan_file(const AddFile& add) const {
  engine::ScanFile file;
  const Location location = TRY(locate(table_.folder(), add.file.path));
  file.path = location.is_local_path ? location.place : TRY(store_->engine_path(location.place));
  for (std::size_t i = 0; i < partition_columns_.size(); ++i) {
    const auto value = add.partition_values.find(stored_partition_columns_[i]);
    if (value == add.partition_values.end()) {
      return Error(ErrorCode::Corruption, fmt::format("{} has no value of partition column '{}'",
                                                      add.file.path, partition_columns_[i]));
    }
    const bool is_null = !value->second || value->second->empty();
    file.partition_values[partition_columns_[i]] = is_null ? std::nullopt : value->second;
  }
  if (add.file.deletion_vector) {
    file.deleted_rows = std::make_shared<const std::vector<std::int64_t>>(TRY_DOING(
        add.file.path, read_deletion_vector(*store_, table_.folder(), *add.file.deletion_vector)));
  }
  return file;
}

/// Statistics and partition values go by the files' names of the columns; under a mapping every file
/// is kept.
bool Snapshot::may_hold(const AddFile& add, const Predicate& predicate) const {
  const bool mapped = schema_.stored != schema().fields();
  return mapped || may_match(add, predicate, schema(), partition_columns_);
}

Result<engine::TableScan> Snapshot::scan(const Predicate& predicate) const {
  const std::string name =
      fmt::format("reading table {} at version {}", table_.text(), version_.value());
  TRY_DOING(name, check_predicate(predicate, schema()));
  engine::TableScan scan{.schema = schema()};
  for (const auto& add : files())
    if (may_hold(*add, predicate)) scan.files.push_back(TRY_DOING(name, scan_file(*add)));
  if (schema_.stored != schema().fields()) scan.stored = schema_.stored;
  scan.field_ids = schema_.field_ids;
  return scan;
}

std::string Snapshot::content_hash() const {
  return *content_hash({});  // no condition, no mistake
}

Result<std::string> Snapshot::content_hash(const Predicate& predicate) const {
  TRY_DOING("the content of table " + table_.text(), check_predicate(predicate, schema()));
  Json columns = Json::array();
  for (const columnar::Field& field : schema().fields()) {
    columns.push(Json::object({{"name", field.name}, {"type", columnar::to_sql(field.type)}}));
  }
  std::vector<std::string> hashes;
  for (const auto& add : files())
    if (may_hold(*add, predicate)) hashes.push_back(hash_of(*add));
  std::ranges::sort(hashes);
  return sha256_hex(Json::object({{"columns", std::move(columns)},
                                  {"partitioned_by", Json(partition_columns_)},
                                  {"files", Json(hashes)}})
                        .dump_canonical());
}

}  // namespace millrace::lake
