#include "tasks/check_deliveries.h"

#include <filesystem>

#include <fmt/core.h>

#include "base/clock.h"
#include "engine/engine.h"
#include "ingest/csv_header.h"
#include "lake/lake.h"
#include "tasks/open_source.h"

namespace millrace::tasks {
namespace {

project::Place place_of(const project::Node& node, std::string_view key) {
  const project::Node* found = node.find(key);
  return found != nullptr ? found->place() : node.place();
}

/// By its header and first rows.
Status can_be_read(ingest::Source& source, const ingest::Delivery& delivery) {
  TRY(TRY(source.open(delivery))->next());
  return {};
}

/// What a run would say of the deliveries: of one that is no file; of the latest one, since it is the
/// one that was written by today's declaration; that there are none.
Result<std::string> what_is_wrong_with(const project::SourceTable& table) {
  const OpenSource opened = TRY(open_source(table));
  ingest::Source& source = *opened.source;
  for (const ingest::PassedOver& passed : TRY(source.passed_over(Instant::max())))
    if (passed.has_rows)
      return fmt::format("{} {}, which is not followed; deliver the file itself", passed.path,
                         passed.why);
  const auto deliveries = TRY(source.list(Instant::max()));
  if (deliveries.empty()) return source.why_nothing(Instant::max());
  TRY(can_be_read(source, deliveries.back()));
  return std::string();
}

/// A table that cannot be read holds something: whoever reads it tells of that.
Result<bool> nothing_landed(const project::Project& project, const project::SourceTable& table) {
  std::error_code error;
  if (!std::filesystem::is_directory(project.target.lake, error)) return true;
  const auto store = TRY(storage::open_local_store(project.target.lake));
  const auto engine = TRY(engine::open_duckdb({.threads = 1}));
  const auto clock = make_system_clock();
  lake::Lake lake(*store, *engine, *clock);
  const auto landed = lake.snapshot(TRY(lake::TableName::parse(table.table)));
  return !landed.ok() && landed.error().code() == ErrorCode::NotFound;
}

/// The first delivery has it neither, and none has landed by an earlier declaration.
Result<bool> never_had_this_delimiter(const project::Project& project,
                                      const project::SourceTable& table) {
  const OpenSource opened = TRY(open_source(table));
  const auto deliveries = TRY(opened.source->list(Instant::max()));
  if (deliveries.empty()) return false;
  const Status first = can_be_read(*opened.source, deliveries.front());
  return !first.ok() && ingest::tells_another_delimiter(first.error()) &&
         TRY(nothing_landed(project, table));
}

}  // namespace

Status check_deliveries(project::Loaded& loaded) {
  for (const auto& [name, table] : loaded.project.sources) {
    const Result<std::string> why = what_is_wrong_with(table);
    const std::string text = why.ok() ? *why : why.error().message();
    if (text.empty()) continue;
    const bool mistake = !why.ok() && ingest::tells_another_delimiter(why.error()) &&
                         TRY(never_had_this_delimiter(loaded.project, table));
    (mistake ? loaded.problems : loaded.warnings)
        .push_back({place_of(table.node, "pattern"), text});
  }
  return {};
}

}  // namespace millrace::tasks
