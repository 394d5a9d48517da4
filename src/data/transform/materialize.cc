#include "transform/materialize.h"

#include <fmt/core.h>

#include "base/suggest.h"
#include "sql/names.h"

namespace millrace::transform {
namespace {

/// Partition columns are checked here, where the model's file can be named.
Status check_partitioning(engine::Session& session, const SqlModel& model,
                          const std::string& select) {
  const columnar::Schema schema = TRY_DOING(model.path, session.bind(select)).result;
  for (const std::string& column : model.partition_by)
    if (!schema.index_of(column))
      return Error(ErrorCode::Invalid,
                   fmt::format("{}: partition_by names '{}', which the model does not select{}",
                               model.path, column, suggestion(column, schema.names())));
  return {};
}

}  // namespace

Result<lake::Committed> materialize(lake::Lake& lake, engine::Session& session,
                                    const SqlModel& model, const MaterializeSpec& spec) {
  if (model.materialized == Materialized::View)
    return Error(ErrorCode::Invalid,
                 fmt::format("{}: the model '{}' is a view and has no table; give it {{{{ "
                             "config(materialized='table') }}}}",
                             model.path, model.name));
  const sql::TableName relation = TRY(sql::parse_table_name(model.relation()));
  const std::string select = "SELECT * FROM " + relation.quoted();
  TRY(check_partitioning(session, model, select));
  const bool whole = model.materialized == Materialized::Table;
  const lake::WriteSpec write{
      .writer = spec.writer,
      .mode = whole ? lake::WriteMode::Overwrite : lake::WriteMode::OverwritePartitions,
      .partition_by = model.partition_by,
      .ordered = true,
      .schema_change = whole ? lake::SchemaChange::Replace : lake::SchemaChange::AddColumns,
      .user_metadata = Json::object(
          {{"model", model.path}, {"logical_date", format_instant(spec.logical_date)}}),
      .fence = spec.fence};
  const lake::TableName table = TRY(lake::TableName::parse(model.table()));
  return TRY_DOING(model.path, lake.write(session, table, select, write));
}

Result<std::optional<Instant>> made_for(lake::Lake& lake, const SqlModel& model) {
  auto history = lake.history(TRY(lake::TableName::parse(model.table())), 1);
  if (!history.ok() && history.error().code() == ErrorCode::NotFound)
    return std::optional<Instant>();
  const std::vector<lake::HistoryEntry> versions = TRY(std::move(history));
  const auto said = Json::parse(versions.at(0).info.string_or("userMetadata", "{}"));
  if (!said.ok() || !said->is_object()) return std::optional<Instant>();
  const auto date = parse_instant(said->string_or("logical_date", ""));
  return date.ok() ? std::optional(*date) : std::nullopt;
}

}  // namespace millrace::transform
