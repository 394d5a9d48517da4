#include <algorithm>
#include <array>

#include <fmt/core.h>

#include "lake/checkpoint.h"
#include "lake/uri.h"
#include "sql/names.h"

namespace millrace::lake {

namespace {

/// The actions of a checkpoint and the members of each that we read. Others (stats_parsed,
/// partitionValues_parsed) are left in the file, whatever their types.
struct Wanted {
  std::string_view action;
  std::vector<std::string_view> members;
};

const std::array<Wanted, 7>& wanted() {
  static const std::array<Wanted, 7> actions = {{
      {"protocol", {"minReaderVersion", "minWriterVersion", "readerFeatures", "writerFeatures"}},
      {"metaData",
       {"id", "name", "description", "format", "schemaString", "partitionColumns", "configuration",
        "createdTime"}},
      {"add",
       {"path", "partitionValues", "size", "modificationTime", "dataChange", "stats", "tags",
        "deletionVector"}},
      {"remove",
       {"path", "deletionTimestamp", "dataChange", "extendedFileMetadata", "partitionValues",
        "size", "deletionVector"}},
      {"txn", {"appId", "version", "lastUpdated"}},
      {"domainMetadata", {"domain", "configuration", "removed"}},
      {"sidecar", {"path", "sizeInBytes"}},
  }};
  return actions;
}

/// One file of a checkpoint, asked through the engine.
class CheckpointFile {
 public:
  CheckpointFile(engine::Session& session, const std::string& path)
      : session_(session),
        source_("read_parquet(" + sql::quote_literal(path) + ", hive_partitioning = false)") {}

  Status read_into(TableState& state, std::vector<Sidecar>& sidecars) {
    const std::vector<std::string> actions = TRY(columns_of("SELECT * FROM " + source_));
    for (const Wanted& action : wanted()) {
      if (std::ranges::find(actions, action.action) == actions.end()) continue;
      TRY(read_action(action, state, sidecars));
    }
    return {};
  }

 private:
  Result<std::vector<std::string>> columns_of(const std::string& select) {
    std::vector<std::string> names;
    const auto batches = TRY(session_.collect("SELECT column_name FROM (DESCRIBE " + select + ")"));
    for (const columnar::RecordBatch& batch : batches) {
      for (std::size_t row = 0; row < batch.row_count(); ++row) {
        names.emplace_back(batch.column(0).text(row));
      }
    }
    return names;
  }

  /// {"add": {"path": ..., ...}} for each row that has the action.
  Result<std::string> select_json(const Wanted& wanted) {
    const std::string action = sql::quote_identifier(wanted.action);
    const std::vector<std::string> members =
        TRY(columns_of(fmt::format("SELECT {}.* FROM {}", action, source_)));
    std::string pairs;
    for (const std::string_view member : wanted.members) {
      if (std::ranges::find(members, member) == members.end()) continue;
      pairs += fmt::format("{}{}: {}.{}", pairs.empty() ? "" : ", ", sql::quote_literal(member),
                           action, sql::quote_identifier(member));
    }
    const bool has_parsed = wanted.action == "add" &&
                            std::ranges::find(members, "stats") == members.end() &&
                            std::ranges::find(members, "stats_parsed") != members.end();
    if (has_parsed) pairs += R"(, 'stats': CAST(to_json("add"."stats_parsed") AS VARCHAR))";
    return fmt::format(
        "SELECT CAST(to_json({{{}: {{{}}}}}) AS VARCHAR) FROM {} WHERE {} IS NOT NULL",
        sql::quote_literal(wanted.action), pairs, source_, action);
  }

  Status read_action(const Wanted& action, TableState& state, std::vector<Sidecar>& sidecars) {
    const std::string select = TRY(select_json(action));
    const std::unique_ptr<columnar::BatchReader> rows = TRY(session_.query(select));
    while (const std::optional<columnar::RecordBatch> batch = TRY(rows->next())) {
      std::string lines;
      for (std::size_t row = 0; row < batch->row_count(); ++row) {
        lines.append(batch->column(0).text(row)).append(1, '\n');
      }
      Actions actions = TRY(parse_actions(lines));
      sidecars.insert(sidecars.end(), actions.sidecars.begin(), actions.sidecars.end());
      state.apply(std::move(actions));
    }
    return {};
  }

  engine::Session& session_;
  std::string source_;
};

class CheckpointReader {
 public:
  CheckpointReader(storage::ObjectStore& store, engine::Session& session, const TableName& table)
      : store_(store), session_(session), table_(table) {}

  Status read(const std::string& key) {
    if (key.ends_with(".json")) {
      Actions actions = TRY(read_commit(store_, key));
      sidecars_ = actions.sidecars;
      state_.apply(std::move(actions));
    } else {
      TRY(read_parquet(key));
    }
    for (const Sidecar& sidecar : std::exchange(sidecars_, {})) TRY(read_sidecar(sidecar));
    return {};
  }

  TableState take() && { return std::move(state_); }

 private:
  Status read_sidecar(const Sidecar& sidecar) {
    const std::string path = decode_path(sidecar.path);
    const std::size_t slash = path.rfind('/');
    const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
    return read_parquet(log_folder(table_) + "/_sidecars/" + name);
  }

  Status read_parquet(const std::string& key) {
    const std::string path = TRY(store_.engine_path(key));
    Status read = CheckpointFile(session_, path).read_into(state_, sidecars_);
    if (read.ok()) return {};
    // What the engine says of broken bytes has many codes; for us they are one.
    const bool is_ours = read.error().code() == ErrorCode::Invalid ||
                         read.error().code() == ErrorCode::Unsupported ||
                         read.error().code() == ErrorCode::Internal;
    if (!is_ours) return std::move(read).error().while_doing(key);
    return Error(ErrorCode::Corruption, fmt::format("{}: {}", key, read.error().message()));
  }

  storage::ObjectStore& store_;
  engine::Session& session_;
  const TableName& table_;
  TableState state_;
  std::vector<Sidecar> sidecars_;
};

}  // namespace

Result<TableState> read_checkpoint(storage::ObjectStore& store, engine::Engine& engine,
                                   const TableName& table, const CheckpointEntry& checkpoint) {
  const std::unique_ptr<engine::Session> session = TRY(engine.open_session());
  CheckpointReader reader(store, *session, table);
  for (const std::string& key : checkpoint.keys) {
    TRY_DOING(
        "reading a checkpoint (restore the file; or delete it, if the log still has every "
        "commit before it)",
        reader.read(key));
  }
  return std::move(reader).take();
}

}  // namespace millrace::lake
