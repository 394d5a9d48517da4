// table: what the lake holds, and held.

#include <cstdio>

#include <fmt/core.h>

#include "base/size.h"
#include "cli/connection.h"
#include "cli/lake_session.h"

namespace millrace::cli {
namespace {

Json table_summary(const lake::Snapshot& snapshot) {
  return Json::object({{"table", snapshot.table().text()},
                       {"version", snapshot.version().value()},
                       {"rows", snapshot.row_count() ? Json(*snapshot.row_count()) : Json()},
                       {"size_bytes", snapshot.size_bytes()},
                       {"files", snapshot.files().size()},
                       {"committed_at", format_instant(snapshot.time())}});
}

/// Nobody knows how many rows files without statistics have.
std::string rows_in(const Json& table) {
  return table["rows"].is_null() ? "unknown" : with_commas(table.integer_or("rows", 0));
}

/// A table that cannot be read is listed with its "error", and the verb fails when all were told.
Result<Json> list_tables(LakeSession& lake, bool& all_read) {
  Json tables = Json::array();
  for (const lake::TableName& name : TRY(lake.lake->tables())) {
    const auto snapshot = lake.lake->snapshot(name);
    all_read = all_read && snapshot.ok();
    tables.push(snapshot.ok() ? table_summary(**snapshot)
                              : Json::object({{"table", name.text()},
                                              {"error", snapshot.error().message()}}));
  }
  return tables;
}

Result<Json> describe_table(LakeSession& lake, const TableArguments& arguments) {
  const auto snapshot = TRY(lake.snapshot(arguments.name, ""));
  Json columns = Json::array();
  for (const columnar::Field& field : snapshot->schema().fields())
    columns.push(Json::object({{"name", field.name},
                               {"type", columnar::to_sql(field.type)},
                               {"nullable", field.nullable}}));
  Json writers = Json::object();
  for (const auto& [app_id, txn] : snapshot->state().txns) writers.set(app_id, txn.version);
  const auto loose = TRY(lake.lake->loose_files(*snapshot));
  std::uint64_t loose_bytes = 0;
  for (const storage::ObjectInfo& file : loose) loose_bytes += file.size_bytes;
  Json table = table_summary(*snapshot);
  table.set("loose_files", loose.size())
      .set("loose_bytes", loose_bytes)
      .set("partition_columns", Json(snapshot->partition_columns()))
      .set("content_hash", snapshot->content_hash())
      .set("reader_version", snapshot->protocol().min_reader)
      .set("writer_version", snapshot->protocol().min_writer)
      .set("columns", std::move(columns))
      .set("writers", std::move(writers));
  return table;
}

Result<Json> history_of(LakeSession& lake, const TableArguments& arguments) {
  Json versions = Json::array();
  for (const auto& entry : TRY(lake.lake->history(TRY(lake::TableName::parse(arguments.name)),
                                                  static_cast<std::size_t>(arguments.limit))))
    versions.push(Json::object({{"version", entry.version.value()},
                                {"time", format_instant(entry.time)},
                                {"operation", entry.operation},
                                {"info", entry.info}}));
  return versions;
}

/// "event_date, origin".
std::string comma_list(const Json& texts) {
  std::string text;
  for (const Json& each : texts.as_array()) text += (text.empty() ? "" : ", ") + each.as_string();
  return text;
}

/// "numFiles 1, numOutputRows 20"; "" where the writer said nothing.
std::string facts_text(const Json& facts) {
  std::string text;
  if (!facts.is_object()) return text;
  for (const auto& [name, value] : facts.as_object())
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name,
                        value.is_string() ? value.as_string() : value.dump());
  return printable(text);
}

void print_description(Terminal& terminal, const Json& table) {
  terminal.line(fmt::format(
      "{} version {} of {}: {}, {} in {}{}",
      terminal.paint(Colour::Bold, table.string_or("table", "")), table.integer_or("version", 0),
      to_the_second(table.string_or("committed_at", "")),
      table["rows"].is_null() ? "rows unknown" : counted(table.integer_or("rows", 0), "row"),
      format_bytes(static_cast<std::uint64_t>(table.integer_or("size_bytes", 0))),
      counted(table.integer_or("files", 0), "file"),
      table["partition_columns"].as_array().empty()
          ? ""
          : ", partitioned by " + comma_list(table["partition_columns"])));
  if (const std::int64_t loose = table.integer_or("loose_files", 0); loose > 0)
    terminal.line(
        fmt::format("{} more in its folder, {}, belong to no version that it remembers: left by "
                    "attempts that were "
                    "killed or are writing now; they are never read",
                    counted(loose, "file"),
                    format_bytes(static_cast<std::uint64_t>(table.integer_or("loose_bytes", 0)))));
  std::vector<std::vector<std::string>> rows;
  for (const Json& column : table["columns"].as_array())
    rows.push_back({column.string_or("name", ""), column.string_or("type", ""),
                    column.bool_or("nullable", true) ? "" : "not null"});
  terminal.table({"COLUMN", "TYPE", ""}, rows);
}

/// Opens the lake, makes the answer, prints it as JSON or by `print`.
template <typename Make, typename Print>
int with_lake(const Common& common, Make make, Print print) {
  auto lake = LakeSession::open(common);
  if (!lake.ok()) return fail(common, lake.error());
  const Result<Json> answer = make(*lake);
  if (!answer.ok()) return fail(common, answer.error());
  if (common.json) {
    print_json(*answer);
  } else {
    Terminal terminal(stdout);
    print(terminal, *answer);
  }
  return kSuccess;
}

}  // namespace

int table_list(const Common& common) {
  bool all_read = true;
  const auto list = [&](LakeSession& lake) { return list_tables(lake, all_read); };
  const int code = with_lake(common, list, [](Terminal& terminal, const Json& tables) {
    std::vector<std::vector<std::string>> rows;
    for (const Json& table : tables.as_array())
      if (!table.contains("error"))
        rows.push_back({table.string_or("table", ""),
                        std::to_string(table.integer_or("version", 0)), rows_in(table),
                        format_bytes(static_cast<std::uint64_t>(table.integer_or("size_bytes", 0))),
                        std::to_string(table.integer_or("files", 0)),
                        to_the_second(table.string_or("committed_at", ""))});
    terminal.table({"TABLE", "VERSION", "ROWS", "SIZE", "FILES", "COMMITTED"}, rows);
    for (const Json& table : tables.as_array())
      if (table.contains("error"))
        terminal.line(fmt::format("{} cannot be read: {}", table.string_or("table", ""),
                                  table.string_or("error", "")));
  });
  return code == kSuccess && !all_read ? kUnavailable : code;
}

int table_show(const Common& common, const TableArguments& arguments) {
  return with_lake(
      common, [&](LakeSession& lake) { return describe_table(lake, arguments); },
      print_description);
}

int table_history(const Common& common, const TableArguments& arguments) {
  return with_lake(
      common, [&](LakeSession& lake) { return history_of(lake, arguments); },
      [](Terminal& terminal, const Json& versions) {
        std::vector<std::vector<std::string>> rows;
        for (const Json& entry : versions.as_array())
          rows.push_back({std::to_string(entry.integer_or("version", 0)),
                          entry.string_or("time", ""), entry.string_or("operation", ""),
                          facts_text(entry["info"]["operationMetrics"]),
                          entry["info"].string_or("engineInfo", "")});
        terminal.table({"VERSION", "TIME", "OPERATION", "METRICS", "WRITER"}, rows);
      });
}

int table_at(const Common& common, const TableArguments& arguments) {
  auto lake = LakeSession::open(common);
  if (!lake.ok()) return fail(common, lake.error());
  columnar::Schema columns;
  const auto batches = [&]() -> Result<std::vector<columnar::RecordBatch>> {
    const auto snapshot = TRY(lake->snapshot(arguments.name, arguments.at));
    columns = snapshot->schema();
    TRY(lake->session->define_scan("table_at.rows", TRY(snapshot->scan())));
    return lake->session->collect(
        fmt::format("SELECT * FROM table_at.rows LIMIT {}", arguments.limit + 1),
        static_cast<std::size_t>(arguments.limit) + 1);
  }();
  if (!batches.ok()) return fail(common, batches.error());
  print_rows(common, columns, *batches, arguments.limit, "--limit shows more");
  return kSuccess;
}

}  // namespace millrace::cli
