#include "cli/lake_session.h"

#include <charconv>
#include <cstdio>
#include <filesystem>

#include <fmt/core.h>
#include <unistd.h>

#include "base/suggest.h"
#include "cli/connection.h"
#include "cli/terminal.h"

namespace millrace::cli {
namespace {

/// Returns how many rows there are.
std::int64_t print_table(Terminal& terminal, const columnar::Schema& columns,
                         const std::vector<columnar::RecordBatch>& batches, std::int64_t most) {
  std::vector<std::vector<std::string>> rows;
  std::int64_t count = 0;
  for (const columnar::RecordBatch& batch : batches)
    for (std::size_t row = 0; row < batch.row_count(); ++row) {
      if (++count > most) continue;
      std::vector<std::string> cells;
      cells.reserve(columns.size());
      for (std::size_t column = 0; column < batch.schema().size(); ++column)
        cells.push_back(printable(batch.column(column).to_string(row)));
      rows.push_back(std::move(cells));
    }
  std::vector<std::string> names = columns.names();
  for (std::string& name : names) name = printable(name);
  terminal.table(names, rows);
  return count;
}

}  // namespace

Result<LakeSession> LakeSession::open(const Common& common, const project::Parts& parts) {
  LakeSession opened;
  opened.project = TRY(open_project(common, parts));
  opened.clock = make_system_clock();
  std::error_code error;
  if (!std::filesystem::is_directory(opened.project.target.lake, error)) {
    // Looking makes no folders: a lake that is not there yet is one without tables.
    opened.store = storage::make_memory_store();
  } else {
    opened.store = TRY(storage::open_local_store(opened.project.target.lake));
  }
  const std::string spill = TRY(opened.spill_folder());
  opened.engine = TRY(engine::open_duckdb({.threads = opened.project.target.threads,
                                           .memory_bytes = opened.project.target.memory_bytes,
                                           .spill_folder = spill}));
  opened.session = TRY(opened.engine->open_session());
  opened.lake = std::make_unique<lake::Lake>(*opened.store, *opened.engine, *opened.clock);
  return opened;
}

/// Where nothing has run yet there is nothing that could have to spill.
Result<std::string> LakeSession::spill_folder() {
  std::error_code error;
  if (!std::filesystem::is_directory(project.state, error)) return std::string();
  std::string shared = project.state + "/spill";
  const std::string& asked = std::filesystem::exists(shared, error) ? shared : project.state;
  if (::access(asked.c_str(), W_OK) == 0) return shared;
  spill.emplace(TRY(TemporaryFolder::make()));
  return spill->path();
}

Result<lake::SnapshotPtr> LakeSession::snapshot(const std::string& table, const std::string& at) {
  const lake::TableName name = TRY(lake::TableName::parse(table));
  if (at.empty()) {
    auto newest = lake->snapshot(name);
    if (newest.ok() || newest.error().code() != ErrorCode::NotFound) return newest;
    std::vector<std::string> names;
    for (const lake::TableName& known : TRY(lake->tables())) {
      names.push_back(known.text());
      if (known.text().ends_with("." + table))
        return Error(ErrorCode::NotFound, fmt::format("there is no table '{}'; did you mean '{}'?",
                                                      table, known.text()));
    }
    return Error(ErrorCode::NotFound,
                 "there is no table '" + table + "'" + suggestion(table, names));
  }
  std::int64_t version = 0;
  const auto [end, error] = std::from_chars(at.data(), at.data() + at.size(), version);
  if (error == std::errc() && end == at.data() + at.size())
    return lake->snapshot_at(name, lake::Version(version));
  return lake->snapshot_at(name, TRY(parse_instant(at)));
}

void print_rows(const Common& common, const columnar::Schema& columns,
                const std::vector<columnar::RecordBatch>& batches, std::int64_t most,
                std::string_view how_to_see_more) {
  if (common.json) {
    print_json(rows_to_json(batches, most));
    std::int64_t rows = 0;
    for (const columnar::RecordBatch& batch : batches)
      rows += static_cast<std::int64_t>(batch.row_count());
    if (rows > most)
      std::fputs(fmt::format("warning: there are more than these {} rows; {}\n", with_commas(most),
                             how_to_see_more)
                     .c_str(),
                 stderr);
    return;
  }
  Terminal terminal(stdout);
  if (print_table(terminal, columns, batches, most) > most)
    terminal.line(fmt::format("... more than {} rows; {}", most, how_to_see_more));
}

Json rows_to_json(const std::vector<columnar::RecordBatch>& batches, std::int64_t most) {
  Json rows = Json::array();
  for (const columnar::RecordBatch& batch : batches)
    for (std::size_t row = 0; row < batch.row_count() && most > 0; ++row, --most) {
      Json object = Json::object();
      for (std::size_t column = 0; column < batch.schema().size(); ++column)
        object.set(batch.schema()[column].name,
                   batch.column(column).is_null(row) ? Json() : batch.column(column).to_json(row));
      rows.push(std::move(object));
    }
  return rows;
}

}  // namespace millrace::cli
