// sql: questions to the lake, also to versions of its tables.

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include <fmt/core.h>
#include <unistd.h>

#include "cli/connection.h"
#include "cli/lake_session.h"
#include "sql/names.h"
#include "sql/time_travel.h"
#include "tasks/publish_file.h"
#include "transform/sql_model.h"

namespace millrace::cli {
namespace {

/// The engine shows the statement that it was given, in which tables have names of ours.
Error without_statement(const Error& error) {
  return {error.code(), error.message().substr(0, error.message().find("\n\nLINE "))};
}

/// What is no table may be a SQL model: what to do about that helps more than the names of tables.
Error without_table(const Common& common, const std::string& name, const Error& error) {
  if (error.code() != ErrorCode::NotFound) return error;
  project::Parts parts = project::Parts::config();
  parts.sources = parts.models = true;
  const auto loaded = project::load_project(common.project, common.target, parts);
  if (!loaded.ok()) return error;
  const transform::SqlModel* model =
      loaded->project.models.find(name.substr(name.rfind('.') + 1));  // npos + 1 is the beginning
  if (model == nullptr) return error;
  if (model->materialized != transform::Materialized::View)
    return {ErrorCode::NotFound,
            fmt::format("there is no table '{}': '{}' is a SQL model, and its "
                        "table is {}, which a task of the kind sql_model writes",
                        name, model->name, model->table())};
  return {
      ErrorCode::NotFound,
      fmt::format("there is no table '{}': '{}' is a SQL model that is a view, and the lake has "
                  "no rows of it. To look at some, write {{{{ config(materialized='table') }}}} "
                  "in {} and run a task of the kind sql_model for it",
                  name, model->name, model->path)};
}

/// Whether the statement asks for the engine's own list of tables or databases (SHOW TABLES, a
/// DESCRIBE of nothing): the lake's tables are in it only while a question names them.
bool asks_what_there_is(const Json& tree) {
  if (tree.is_array()) return std::ranges::any_of(tree.as_array(), asks_what_there_is);
  if (!tree.is_object()) return false;
  if (tree["type"] == Json("SHOW_REF") && tree["query"].is_null()) return true;
  return std::ranges::any_of(tree.as_object(),
                             [](const auto& member) { return asks_what_there_is(member.second); });
}

/// Defines every table that the statement names, at the version that it asks for, and gives the
/// statement over those.
Result<std::string> bind_tables(const Common& common, LakeSession& lake,
                                const std::string& statement) {
  auto parsed = lake.session->parse(statement);
  if (!parsed.ok() && parsed.error().message().find("Only SELECT statements") != std::string::npos)
    return Error(
        ErrorCode::Invalid,
        "`millrace sql` only asks: write one SELECT; tables are written by the tasks of a Dag");
  Json tree = TRY(std::move(parsed));
  if (asks_what_there_is(tree))
    return Error(ErrorCode::Invalid,
                 "the lake's tables are not the engine's: `millrace table ls` lists them, and "
                 "`millrace sql \"describe NAME\"` gives the columns of one");
  std::vector<std::string> relations;
  for (const sql::TableUse& use : TRY(sql::find_tables(tree))) {
    const std::string name = use.text();
    std::string at;
    if (use.at.has_value()) {
      const std::string question =
          TRY(lake.session->unparse(sql::select_expression(use.at->expression)));
      const Json value = TRY(lake.session->scalar(question));
      at = value.is_string() ? value.as_string() : value.dump();
      if (use.at->unit == sql::AtClause::Unit::Version && !value.is_integer())
        return Error(ErrorCode::Invalid,
                     fmt::format("{} AT (VERSION => {}): a version is a number", name, at));
    }
    auto found = lake.snapshot(name, at);
    if (!found.ok() && !at.empty() && lake.snapshot(name, "").ok())
      return found.error();  // the table is there, and not at that version
    if (!found.ok()) return without_table(common, name, found.error());
    const lake::SnapshotPtr snapshot = *std::move(found);
    relations.push_back(fmt::format("at_{}.t{}", snapshot->version().value(), relations.size()));
    TRY(lake.session->define_scan(relations.back(), TRY(snapshot->scan())));
  }
  std::size_t next = 0;
  TRY(sql::replace_tables(
      tree, [&](const sql::TableUse&) { return std::optional(relations[next++]); }));
  return lake.session->unparse(tree);
}

/// Returns the rows written.
Result<Json> write_output(LakeSession& lake, const std::string& select, const std::string& file) {
  const std::string ending = std::filesystem::path(file).extension().string();
  std::string format;
  if (ending == ".parquet") format = "FORMAT parquet, COMPRESSION zstd";
  if (ending == ".csv") format = "FORMAT csv, HEADER";
  if (ending == ".json" || ending == ".jsonl") format = "FORMAT json";
  if (format.empty())
    return Error(ErrorCode::Invalid,
                 fmt::format("--output {}: name a .parquet, .csv or .json file", file));
  // Under its own name the file is whole or not there.
  const std::string unfinished = fmt::format("{}.{}.unfinished", file, ::getpid());
  auto rows = lake.session->scalar(
      fmt::format("COPY ({}) TO {} ({})", select, sql::quote_literal(unfinished), format));
  const Status published = rows.ok() ? tasks::publish_file(unfinished, file) : Status();
  std::error_code ignored;
  if (!rows.ok() || !published.ok()) std::filesystem::remove(unfinished, ignored);
  TRY(published);
  return rows;
}

Status print_answer(const Common& common, const SqlArguments& arguments, LakeSession& lake,
                    const std::string& select) {
  if (!arguments.output.empty()) {
    const Json rows = TRY(write_output(lake, select, arguments.output));
    if (common.json)
      print_json(Json::object({{"file", arguments.output}, {"rows", rows}}));
    else
      std::fprintf(stderr, "%s rows to %s\n",
                   with_commas(rows.is_integer() ? rows.as_integer() : 0).c_str(),
                   arguments.output.c_str());
    return {};
  }
  const auto batches = TRY(
      lake.session->collect(fmt::format("SELECT * FROM ({}) LIMIT {}", select, arguments.limit + 1),
                            static_cast<std::size_t>(arguments.limit) + 1));
  print_rows(common, TRY(lake.session->bind(select)).result, batches, arguments.limit,
             "--limit shows more, --output writes all");
  return {};
}

Status answer(const Common& common, const SqlArguments& arguments) {
  LakeSession lake = TRY(LakeSession::open(common));
  const std::string select = TRY(bind_tables(common, lake, arguments.statement));
  Status printed = print_answer(common, arguments, lake, select);
  return printed.ok() ? printed : without_statement(printed.error());
}

}  // namespace

int ask_sql(const Common& common, const SqlArguments& arguments) {
  const Status status = answer(common, arguments);
  return status.ok() ? kSuccess : fail(common, status.error());
}

}  // namespace millrace::cli
