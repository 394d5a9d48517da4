#include "project/config.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include <arpa/inet.h>
#include <fmt/core.h>

#include "base/size.h"
#include "base/suggest.h"
#include "base/text.h"
#include "sql/names.h"

namespace millrace::project {
namespace fs = std::filesystem;
namespace {

std::string absolute(const std::string& root, const std::string& path) {
  return (fs::path(path).is_absolute() ? fs::path(path) : fs::path(root) / path)
      .lexically_normal()
      .string();
}

/// "127.0.0.1:8080".
void read_address(Fields& fields, std::string_view key, std::string& host, std::uint16_t& port) {
  const std::string text = fields.text(key, "");
  if (text.empty()) return;
  const std::size_t colon = text.rfind(':');
  int number = -1;
  if (colon != std::string::npos && colon + 1 < text.size() && text.size() - colon <= 6 &&
      std::all_of(text.begin() + static_cast<std::ptrdiff_t>(colon) + 1, text.end(),
                  [](char c) { return c >= '0' && c <= '9'; }))
    number = std::stoi(text.substr(colon + 1));
  if (colon == std::string::npos || colon == 0 || number < 0 || number > 65'535) {
    fields.problem(
        key,
        fmt::format("'{}' is an address and a port such as 127.0.0.1:8080; found '{}'", key, text));
    return;
  }
  host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  in6_addr address{};
  if (::inet_pton(AF_INET, host.c_str(), &address) != 1 &&
      ::inet_pton(AF_INET6, host.c_str(), &address) != 1)
    fields.problem(key, fmt::format("'{}' listens at an address such as 127.0.0.1, 0.0.0.0 or "
                                    "[::1], not at a name; found '{}'",
                                    key, host));
  port = static_cast<std::uint16_t>(number);
}

Target read_target(const Node& node, const std::string& name, const Project& project,
                   Problems& problems) {
  Target target;
  target.name = name;
  Fields fields(node, "target", problems);
  const std::string engine = fields.text("engine", "duckdb");
  if (engine != "duckdb")
    fields.problem("engine",
                   fmt::format("the engine '{}' is not supported yet; there is duckdb", engine));
  const auto folder = [&](std::string_view key, const std::string& fallback) {
    return absolute(project.root, fields.text(key, fallback));
  };
  target.lake = folder("lake", ".millrace/lake");
  target.metadata = folder("metadata", ".millrace/metadata.db");
  target.models = folder("models", ".millrace/models");
  target.parallelism = static_cast<int>(fields.integer("parallelism", target.parallelism));
  target.threads = static_cast<int>(fields.integer("threads", target.threads));
  if (target.parallelism < 1 || target.parallelism > 1'000)
    fields.problem("parallelism", "'parallelism' is 1 to 1000 attempts at once");
  if (target.threads < 0 || target.threads > 1'000)
    fields.problem("threads", "'threads' is 0 (all) to 1000");
  if (const std::string memory = fields.text("memory", ""); !memory.empty()) {
    const auto bytes = parse_bytes(memory);
    if (bytes.ok())
      target.memory_bytes = *bytes;
    else
      fields.problem("memory", bytes.error().message());
  }
  if (const Node* pools = fields.mapping("pools")) {
    Fields slots(*pools, "list of pools", problems);
    for (const Node::Entry& pool : pools->entries()) {
      const std::int64_t size = slots.integer(pool.key, 1);
      if (size < 1 || size > 1'000'000)
        slots.problem(pool.key, fmt::format("the pool '{}' has 1 to 1000000 slots", pool.key));
      target.pools[pool.key] = static_cast<int>(size);
    }
  }
  read_address(fields, "endpoint", target.endpoint_host, target.endpoint_port);
  read_address(fields, "status", target.status_host, target.status_port);
  target.default_model = fields.text("default_model", "");
  fields.refuse_unknown();
  return target;
}

Target default_target(const Project& project) {
  Problems none;
  return read_target(*parse_yaml("", "", none), "dev", project, none);
}

void read_targets(const Node* list, const std::string& wanted, Fields& fields, Project& project,
                  Problems& problems) {
  const std::string chosen = wanted.empty() ? fields.text("default_target", "dev") : wanted;
  const bool by_default = fields.any("default_target") != nullptr && wanted.empty();
  const auto no_such_target = [&] {
    fields.problem(
        by_default ? "default_target" : "targets",
        fmt::format("there is no target '{}'{}", chosen, suggestion(chosen, project.target_names)));
  };
  project.target = default_target(project);
  if (list == nullptr) {
    project.target_names = {"dev"};
    if (chosen != "dev") no_such_target();
    return;
  }
  bool found = false;
  for (const Node::Entry& entry : list->entries()) {
    project.target_names.push_back(entry.key);
    const Target target = read_target(entry.value, entry.key, project, problems);
    if (entry.key != chosen) continue;
    project.target = target;
    found = true;
  }
  if (!found) no_such_target();
}

/// One declared column: {name, type, not_null, description}.
std::optional<columnar::Field> read_column(const Node& node, Problems& problems) {
  Fields fields(node, "column", problems);
  columnar::Field column{
      .name = fields.text("name"), .type = {}, .nullable = !fields.boolean("not_null", false)};
  fields.text("description", "");
  const std::string type = fields.text("type");
  fields.refuse_unknown();
  const auto parsed = columnar::parse_type(type);
  if (!parsed.ok()) {
    if (!type.empty()) fields.problem("type", parsed.error().message());
    return std::nullopt;
  }
  column.type = *parsed;
  return column;
}

/// What all tables of one file share.
struct SourceFile {
  std::string name;
  std::string folder;
  std::string schema;
  std::string zone;
  std::string format;
};

void read_format(Fields& fields, SourceTable& table, const std::string& fallback) {
  const std::string format = fields.text("format", fallback);
  if (format == "jsonl" || format == "json_lines" || format == "ndjson")
    table.files.format = ingest::FileFormat::JsonLines;
  else if (format == "csv")
    table.files.format = ingest::FileFormat::Csv;
  else
    fields.problem(
        "format",
        fmt::format("'{}' is no format of delivered files; there are jsonl and csv", format));
  const std::string unknown = fields.text("unknown_columns", "count");
  if (unknown == "count")
    table.files.unknown = ingest::UnknownMembers::Count;
  else if (unknown == "refuse")
    table.files.unknown = ingest::UnknownMembers::Refuse;
  else if (unknown == "keep")
    table.files.unknown = ingest::UnknownMembers::Keep;
  else
    fields.problem("unknown_columns", "'unknown_columns' is count, refuse or keep");
  const std::string delimiter = fields.text("delimiter", ",");
  if (delimiter.size() == 1)
    table.files.delimiter = delimiter[0];
  else
    fields.problem("delimiter", "'delimiter' is one character");
}

void check_column(Fields& fields, std::string_view key, const std::string& column,
                  const columnar::Schema& columns) {
  if (column.empty() || columns.index_of(column).has_value()) return;
  fields.problem(key, fmt::format("'{}' names the column '{}', which is not declared{}", key,
                                  column, suggestion(column, columns.names())));
}

void read_zone(Fields& fields, SourceTable& table, const std::string& fallback) {
  const auto zone = TimeZone::load(fields.text("timezone", fallback));
  if (zone.ok())
    table.files.zone = *zone;
  else
    fields.problem("timezone", zone.error().message());
  const std::string delivered = fields.text("delivered", "");
  if (delivered.empty()) return;
  const auto moment = parse_instant(delivered);
  if (moment.ok())
    table.files.delivered = *moment;
  else
    fields.problem("delivered", moment.error().message());
}

/// A run defines relations of its own beside its sources (`models.labels`, `landed_shop.orders`); a
/// source of that name would take their place.
bool is_taken_by_runs(std::string_view source) {
  const std::string name = fold_case(source);
  constexpr std::array<std::string_view, 5> kTaken = {"models", "datasets", "validated", "checked",
                                                      "evaluate"};
  return name.starts_with("landed_") || std::ranges::find(kTaken, name) != kTaken.end();
}

SourceTable read_table(const Node& node, const SourceFile& file, Problems& problems) {
  SourceTable table;
  table.place = node.place();
  table.node = node;
  table.folder = file.folder;
  Fields fields(node, "source table", problems);
  const std::string name = fields.text("name");
  fields.text("description", "");
  table.name = file.name + "." + name;
  table.table = fields.text("table", file.schema + "." + name);
  for (const std::string& checked : {table.name, table.table})
    if (const auto parsed = sql::parse_table_name(checked); !parsed.ok() && !name.empty())
      fields.problem("name", parsed.error().message());
  table.files.name = table.name;
  table.files.pattern = fields.text("pattern");
  if (const Node* columns = fields.sequence("columns")) {
    std::vector<columnar::Field> read;
    for (const Node& column : columns->elements())
      if (auto one = read_column(column, problems)) read.push_back(*std::move(one));
    table.files.columns = columnar::Schema(std::move(read));
  }
  if (fields.readable() && !fields.has("columns"))
    fields.problem("columns", "a source table needs 'columns'");
  read_format(fields, table, file.format);
  read_zone(fields, table, file.zone);
  table.files.delivered_at_column = fields.text("delivered_at", "");
  table.event_time = fields.text("event_time", "");
  check_column(fields, "delivered_at", table.files.delivered_at_column, table.files.columns);
  check_column(fields, "event_time", table.event_time, table.files.columns);
  table.available_at = table.files.delivered_at_column.empty() ? std::string(ingest::kDeliveredAt)
                                                               : table.files.delivered_at_column;
  table.max_bad_share = fields.number("max_bad_share", table.max_bad_share);
  if (table.max_bad_share < 0 || table.max_bad_share > 1)
    fields.problem("max_bad_share", "'max_bad_share' is a share of the rows, 0 to 1");
  const std::string on_bad_file = fields.text("on_bad_file", "fail");
  if (on_bad_file != "fail" && on_bad_file != "skip")
    fields.problem("on_bad_file", "'on_bad_file' is fail or skip");
  table.skip_bad_files = on_bad_file == "skip";
  const auto longest = parse_bytes(fields.text("max_line", "1MiB"));
  if (!longest.ok())
    fields.problem("max_line", longest.error().message());
  else if (*longest < 1 || *longest > (256U << 20U))
    fields.problem("max_line", "'max_line' is 1 to 256MiB");
  else
    table.files.max_line_bytes = *longest;
  fields.refuse_unknown();
  return table;
}

}  // namespace

std::vector<std::string> read_config(const Node& root, const std::string& wanted, Project& project,
                                     Problems& problems) {
  Fields fields(root, "project", problems);
  project.name = fields.text("name", fs::path(project.root).filename().string());
  if (fields.readable() && project.name.empty())
    fields.problem("name", "'name' is the project's name; found an empty text");
  fields.text("description", "");
  fields.any("version");
  if (const Node* vars = fields.mapping("vars")) project.vars = vars->to_json();
  read_targets(fields.mapping("targets"), wanted, fields, project, problems);
  std::vector<std::string> programs = fields.texts("programs");
  fields.refuse_unknown();
  return programs;
}

void read_sources(const Node& root, Project& project, Problems& problems) {
  Fields fields(root, "source", problems);
  fields.any("version");
  SourceFile file;
  file.name = fields.text("name");
  if (is_taken_by_runs(file.name))
    fields.problem("name", fmt::format("the name '{}' is one that runs use for relations of their "
                                       "own; give the source another one",
                                       file.name));
  fields.text("description", "");
  file.folder = absolute(project.root, fields.text("path", "deliveries"));
  file.schema = fields.text("schema", "raw");
  file.zone = fields.text("timezone", "UTC");
  file.format = fields.text("format", "jsonl");
  const Node* tables = fields.sequence("tables");
  if (fields.readable() && tables == nullptr)
    fields.problem("tables", "a source needs a list of 'tables'");
  fields.refuse_unknown();
  if (tables == nullptr) return;
  for (const Node& node : tables->elements()) {
    const SourceTable table = read_table(node, file, problems);
    // A session takes names that differ in case for one.
    const auto same = std::ranges::find_if(project.sources, [&](const auto& other) {
      return fold_case(other.first) == fold_case(table.name);
    });
    if (same != project.sources.end())
      problems.push_back({table.place, fmt::format("the source '{}' is also in {}", table.name,
                                                   same->second.place.str())});
    else
      project.sources.emplace(table.name, table);
  }
}

}  // namespace millrace::project
