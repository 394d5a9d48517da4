#include <algorithm>
#include <charconv>

#include <fmt/core.h>

#include "base/file.h"
#include "lake/checkpoint.h"
#include "lake/protocol.h"
#include "sql/names.h"

namespace millrace::lake {

namespace {

/// The classic checkpoint's columns as a structure that the engine's from_json takes. Types as the
/// protocol's "Checkpoint Schema" has them.
constexpr std::string_view kStructure = R"json({
  "txn": {"appId": "VARCHAR", "version": "BIGINT", "lastUpdated": "BIGINT"},
  "add": {"path": "VARCHAR", "partitionValues": "MAP(VARCHAR, VARCHAR)", "size": "BIGINT",
          "modificationTime": "BIGINT", "dataChange": "BOOLEAN", "stats": "VARCHAR",
          "tags": "MAP(VARCHAR, VARCHAR)",
          "deletionVector": {"storageType": "VARCHAR", "pathOrInlineDv": "VARCHAR",
                             "offset": "INTEGER", "sizeInBytes": "INTEGER",
                             "cardinality": "BIGINT"}},
  "remove": {"path": "VARCHAR", "deletionTimestamp": "BIGINT", "dataChange": "BOOLEAN",
             "extendedFileMetadata": "BOOLEAN", "partitionValues": "MAP(VARCHAR, VARCHAR)",
             "size": "BIGINT",
             "deletionVector": {"storageType": "VARCHAR", "pathOrInlineDv": "VARCHAR",
                                "offset": "INTEGER", "sizeInBytes": "INTEGER",
                                "cardinality": "BIGINT"}},
  "metaData": {"id": "VARCHAR", "name": "VARCHAR", "description": "VARCHAR",
               "format": {"provider": "VARCHAR", "options": "MAP(VARCHAR, VARCHAR)"},
               "schemaString": "VARCHAR", "partitionColumns": ["VARCHAR"],
               "configuration": "MAP(VARCHAR, VARCHAR)", "createdTime": "BIGINT"},
  "protocol": {"minReaderVersion": "INTEGER", "minWriterVersion": "INTEGER",
               "readerFeatures": ["VARCHAR"], "writerFeatures": ["VARCHAR"]},
  "domainMetadata": {"domain": "VARCHAR", "configuration": "VARCHAR", "removed": "BOOLEAN"}
})json";

/// Of a table of `files` that does not say it.
std::int64_t default_interval(std::size_t files) {
  if (files < 100) return 10;
  return files < 5'000 ? 100 : 500;
}
constexpr std::size_t kLinesPerBatch = 2048;

/// The retention of removed files: "interval 1 week", "interval 48 hours". What we do not
/// understand counts as for ever, which costs room and loses nothing.
std::optional<Duration> retention_of(const Metadata& metadata) {
  const std::string text =
      metadata.property("delta.deletedFileRetentionDuration").value_or("interval 1 week");
  std::string_view rest = text;
  if (rest.starts_with("interval ")) rest.remove_prefix(std::string_view("interval ").size());
  std::int64_t count = 0;
  const auto read = std::from_chars(rest.data(), rest.data() + rest.size(), count);
  if (read.ec != std::errc() || count < 0 || count > 1'000'000) return std::nullopt;
  rest.remove_prefix(static_cast<std::size_t>(read.ptr - rest.data()));
  if (rest.starts_with(' ')) rest.remove_prefix(1);
  if (rest.ends_with('s')) rest.remove_suffix(1);
  using namespace std::chrono;
  if (rest == "week") return weeks(count);
  if (rest == "day") return days(count);
  if (rest == "hour") return hours(count);
  if (rest == "minute") return minutes(count);
  if (rest == "second") return seconds(count);
  return std::nullopt;
}

/// The actions that make the snapshot, in a fixed order.
Actions actions_of(const Snapshot& snapshot, Instant now) {
  const TableState& state = snapshot.state();
  Actions actions{.protocol = state.protocol, .metadata = state.metadata};
  for (const auto& [app_id, txn] : state.txns) actions.txns.push_back(txn);
  for (const auto& [name, domain] : state.domains) actions.domains.push_back(domain);
  for (const auto& add : snapshot.files()) {
    AddFile& copy = actions.adds.emplace_back(*add);
    copy.data_change = false;
  }
  const std::optional<Duration> retention = retention_of(snapshot.metadata());
  const std::int64_t oldest_ms =
      retention ? std::chrono::floor<std::chrono::milliseconds>(now - *retention)
                      .time_since_epoch()
                      .count()
                : 0;
  for (const auto& remove : state.tombstones.sorted()) {
    if (remove->deletion_time_ms.value_or(0) <= oldest_ms) continue;
    RemoveFile& copy = actions.removes.emplace_back(*remove);
    copy.data_change = false;
  }
  return actions;
}

/// The lines of a text as a table with one column.
class CheckpointLines final : public columnar::BatchReader {
 public:
  explicit CheckpointLines(std::string_view text) : rest_(text) {}

  const columnar::Schema& schema() const override { return *schema_; }
  Result<std::optional<columnar::RecordBatch>> next() override {
    if (rest_.empty()) return std::optional<columnar::RecordBatch>();
    columnar::BatchBuilder builder(schema_);
    while (!rest_.empty() && builder.row_count() < kLinesPerBatch) {
      const std::size_t end = rest_.find('\n');
      builder.append_text(0, rest_.substr(0, end));
      rest_.remove_prefix(end + 1);
    }
    return std::optional(builder.finish());
  }

 private:
  std::shared_ptr<const columnar::Schema> schema_ = std::make_shared<const columnar::Schema>(
      std::vector<columnar::Field>{{"line", columnar::simple(columnar::Kind::String)}});
  std::string_view rest_;
};

/// The Parquet file's bytes.
Result<std::string> to_parquet(engine::Session& session, const std::string& lines) {
  const TemporaryFolder folder = TRY(TemporaryFolder::make());
  CheckpointLines reader(lines);
  TRY(session.load("checkpoint_lines", reader));
  const std::string select = fmt::format("SELECT unnest(from_json(line, {})) FROM checkpoint_lines",
                                         sql::quote_literal(kStructure));
  const std::vector<engine::WrittenFile> files =
      TRY(session.write_parquet(select, {.folder = folder.path(), .ordered = true}));
  if (files.size() != 1) {
    return Error(ErrorCode::Internal, fmt::format("a checkpoint of {} files", files.size()));
  }
  return read_file(folder.path() + "/" + files[0].relative_path);
}

}  // namespace

bool is_checkpoint_due(const Metadata& metadata, std::size_t files, Version version) {
  std::int64_t interval = default_interval(files);
  if (const auto text = metadata.property("delta.checkpointInterval")) {
    const auto read = std::from_chars(text->data(), text->data() + text->size(), interval);
    if (read.ec != std::errc() || interval < 1) interval = default_interval(files);
  }
  return version.value() > 0 && version.value() % interval == 0;
}

Status write_checkpoint(storage::ObjectStore& store, engine::Engine& engine,
                        const Snapshot& snapshot, Instant now) {
  if (snapshot.metadata().property("delta.checkpointPolicy").value_or("classic") != "classic") {
    return Error(ErrorCode::Unsupported,
                 "the table asks for v2 checkpoints (delta.checkpointPolicy)");
  }
  const Actions actions = actions_of(snapshot, now);
  const std::unique_ptr<engine::Session> session = TRY(engine.open_session());
  const std::string bytes = TRY(to_parquet(*session, to_json_lines(actions)));
  TRY(store.put(checkpoint_key(snapshot.table(), snapshot.version()), bytes));
  const std::size_t size = 2 + actions.txns.size() + actions.domains.size() + actions.adds.size() +
                           actions.removes.size();
  const Json hint = Json::object({{"version", snapshot.version().value()},
                                  {"size", size},
                                  {"sizeInBytes", bytes.size()},
                                  {"numOfAddFiles", actions.adds.size()}});
  return store.put(last_checkpoint_key(snapshot.table()), hint.dump());
}

}  // namespace millrace::lake
