// The lake for tests written in Python: one question a line on standard input, one answer a line on
// standard output.
//
// usage: lake_probe FOLDER
//   {"op": "write", "table": "t", "select": "SELECT 1 AS a", "mode": "overwrite", "app": "w",
//    "generation": 1, "partition_by": ["a"], "marks": {"cursor": 5}, "schema_change":
//    "add_columns", "die_before_commit": true}
//   {"op": "read", "table": "t", "version": 3, "where": [["a", "=", "1"]], "sql": "SELECT ..."}
//   {"op": "state", "table": "t"}      {"op": "history", "table": "t"}
//   {"op": "create", "table": "t", "select": "...", "properties": {...}}
// A question that fails is answered by {"error": "...", "code": "..."}.

#include <csignal>
#include <iostream>
#include <map>
#include <string>

#include "base/clock.h"
#include "base/json.h"
#include "engine/engine.h"
#include "lake/lake.h"
#include "storage/object_store.h"

namespace millrace::lake {
namespace {

std::vector<std::string> texts(const Json& json) {
  std::vector<std::string> texts;
  if (!json.is_array()) return texts;
  for (const Json& text : json.as_array()) texts.push_back(text.as_string());
  return texts;
}

Result<WriteSpec> spec_of(const Json& question) {
  WriteSpec spec;
  const std::string mode = question.string_or("mode", "append");
  if (mode == "overwrite") spec.mode = WriteMode::Overwrite;
  if (mode == "overwrite_partitions") spec.mode = WriteMode::OverwritePartitions;
  const std::string change = question.string_or("schema_change", "refuse");
  if (change == "add_columns") spec.schema_change = SchemaChange::AddColumns;
  if (change == "replace") spec.schema_change = SchemaChange::Replace;
  spec.writer = {question.string_or("app", ""), question.integer_or("generation", 1)};
  spec.partition_by = texts(question["partition_by"]);
  spec.ordered = question.bool_or("ordered", false);
  if (question.bool_or("die_before_commit", false)) {
    spec.fence = []() -> Status {
      std::raise(SIGKILL);
      return {};
    };
  }
  if (const Json* marks = question.find("marks")) {
    for (const auto& [name, value] : marks->as_object()) {
      spec.marks.push_back({name, value.as_integer()});
    }
  }
  return spec;
}

Comparison comparison_of(const std::string& text) {
  const std::map<std::string, Comparison> names = {
      {"=", Comparison::Equal},     {"!=", Comparison::NotEqual},
      {"<", Comparison::Less},      {"<=", Comparison::LessOrEqual},
      {">", Comparison::Greater},   {">=", Comparison::GreaterOrEqual},
      {"null", Comparison::IsNull}, {"not null", Comparison::IsNotNull},
  };
  return names.at(text);
}

class Probe {
 public:
  Probe(Lake& lake, engine::Session& session) : lake_(lake), session_(session) {}

  Result<Json> answer(const Json& question) {
    const TableName table = TRY(TableName::parse(TRY(question.string_at("table"))));
    const std::string op = TRY(question.string_at("op"));
    if (op == "write") return write(table, question);
    if (op == "create") return create(table, question);
    if (op == "read") return read(table, question);
    if (op == "state") return state(*TRY(snapshot_of(table, question)));
    if (op == "history") return history(table);
    return Error(ErrorCode::Invalid, "no such op: " + op);
  }

 private:
  Result<SnapshotPtr> snapshot_of(const TableName& table, const Json& question) {
    if (question.contains("version")) {
      return lake_.snapshot_at(table, Version(question["version"].as_integer()));
    }
    if (question.contains("at")) {
      return lake_.snapshot_at(table, TRY(parse_instant(question["at"].as_string())));
    }
    return lake_.snapshot(table);
  }

  Result<Json> write(const TableName& table, const Json& question) {
    const std::string select = TRY(question.string_at("select"));
    const Committed done = TRY(lake_.write(session_, table, select, TRY(spec_of(question))));
    return Json::object({{"version", done.version.value()},
                         {"already_done", done.already_done},
                         {"rows", done.rows_written},
                         {"files_added", done.files_added},
                         {"files_removed", done.files_removed}});
  }

  Result<Json> create(const TableName& table, const Json& question) {
    std::map<std::string, std::string> properties;
    if (const Json* given = question.find("properties")) {
      for (const auto& [name, value] : given->as_object()) properties[name] = value.as_string();
    }
    const columnar::Schema schema = TRY(session_.bind(TRY(question.string_at("select")))).result;
    const Version version =
        TRY(lake_.create(table, schema, texts(question["partition_by"]), properties));
    return Json::object({{"version", version.value()}});
  }

  Result<Json> read(const TableName& table, const Json& question) {
    Predicate predicate;
    if (const Json* where = question.find("where")) {
      for (const Json& condition : where->as_array()) {
        const std::vector<std::string> parts = texts(condition);
        predicate.push_back({parts.at(0), comparison_of(parts.at(1)), parts.at(2)});
      }
    }
    const SnapshotPtr snapshot = TRY(snapshot_of(table, question));
    const engine::TableScan scan = TRY(snapshot->scan(predicate));
    TRY(session_.define_scan(table.text(), scan));
    const std::string sql =
        question.string_or("sql", "SELECT * FROM " + table.text() + " ORDER BY ALL");
    Json rows = Json::array();
    Json columns = Json::array();
    const std::unique_ptr<columnar::BatchReader> reader = TRY(session_.query(sql));
    for (const columnar::Field& field : reader->schema().fields()) columns.push(field.name);
    while (const std::optional<columnar::RecordBatch> batch = TRY(reader->next())) {
      for (std::size_t row = 0; row < batch->row_count(); ++row) {
        Json values = Json::array();
        for (std::size_t i = 0; i < batch->schema().size(); ++i) {
          values.push(batch->column(i).to_json(row));
        }
        rows.push(std::move(values));
      }
    }
    return Json::object({{"columns", std::move(columns)},
                         {"rows", std::move(rows)},
                         {"files_read", scan.files.size()}});
  }

  static Result<Json> state(const Snapshot& snapshot) {
    Json txns = Json::object();
    for (const auto& [app_id, txn] : snapshot.state().txns) txns.set(app_id, txn.version);
    const std::optional<std::int64_t> rows = snapshot.row_count();
    return Json::object({{"version", snapshot.version().value()},
                         {"files", snapshot.files().size()},
                         {"bytes", snapshot.size_bytes()},
                         {"rows", rows ? Json(*rows) : Json()},
                         {"partition_columns", Json(snapshot.partition_columns())},
                         {"content_hash", snapshot.content_hash()},
                         {"txns", std::move(txns)}});
  }

  Result<Json> history(const TableName& table) {
    Json entries = Json::array();
    for (const HistoryEntry& entry : TRY(lake_.history(table, 1000))) {
      entries.push(Json::object({{"version", entry.version.value()},
                                 {"time", format_instant(entry.time)},
                                 {"operation", entry.operation},
                                 {"info", entry.info}}));
    }
    return entries;
  }

  Lake& lake_;
  engine::Session& session_;
};

Result<int> run(const std::string& folder) {
  const std::unique_ptr<storage::ObjectStore> store = TRY(storage::open_local_store(folder));
  const std::unique_ptr<engine::Engine> engine = TRY(engine::open_duckdb({.threads = 1}));
  const std::unique_ptr<Clock> clock = make_system_clock();
  const std::unique_ptr<engine::Session> session = TRY(engine->open_session());
  Lake lake(*store, *engine, *clock);
  Probe probe(lake, *session);
  for (std::string line; std::getline(std::cin, line);) {
    const Json question = TRY(Json::parse(line));
    Result<Json> answer = probe.answer(question);
    const Json said = answer.ok() ? *std::move(answer)
                                  : Json::object({{"error", answer.error().message()},
                                                  {"code", to_string(answer.error().code())}});
    std::cout << said.dump() << '\n' << std::flush;  // the asker waits for it
  }
  return 0;
}

}  // namespace
}  // namespace millrace::lake

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: lake_probe FOLDER < questions\n";
    return 2;
  }
  try {
    const millrace::Result<int> done = millrace::lake::run(argv[1]);
    if (done.ok()) return *done;
    std::cerr << done.error().message() << "\n";
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
  }
  return 1;
}
