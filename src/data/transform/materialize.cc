#include "transform/materialize.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/suggest.h"
#include "base/text.h"
#include "lake/write_plan.h"
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

/// A table that is kept must be able to take the rows; how to mend it when it is not is dbt's full
/// refresh in our words.
Status check_fit(lake::Lake& lake, engine::Session& session, const SqlModel& model,
                 const std::string& select) {
  const auto table = lake.snapshot(TRY(lake::TableName::parse(model.table())));
  if (!table.ok() || model.materialized == Materialized::Table) return {};
  const columnar::Schema rows = TRY_DOING(model.path, session.bind(select)).result;
  std::string misfit = lake::misfit((*table)->schema(), rows);
  const auto same = [](const std::string& a, const std::string& b) {
    return fold_case(a) == fold_case(b);
  };
  const auto& partitions = (*table)->partition_columns();
  if (!std::ranges::equal(partitions, model.partition_by, same))
    misfit = fmt::format("the table is partitioned by ({}), the model by ({})",
                         fmt::join(partitions, ", "), fmt::join(model.partition_by, ", "));
  if (misfit.empty()) return {};
  return Error(ErrorCode::Invalid,
               fmt::format("{}: {}: {}; let the latest run replace the table as a whole once, with "
                           "materialized='table' in its config(), then make it 'incremental' again "
                           "and run the dates before; or give the model another 'schema'",
                           model.path, model.table(), misfit));
}

Result<bool> is_written(lake::Lake& lake, const SqlModel& model, const lake::Writer& writer) {
  const auto table = lake.snapshot(TRY(lake::TableName::parse(model.table())));
  if (!table.ok()) return false;  // a mistake in it is told by who writes
  return (*table)->txn_version(writer.app_id).value_or(0) >= writer.generation;
}

bool keeps_latest_date(const SqlModel& model, const MaterializeSpec& spec) {
  return model.materialized == Materialized::Table && !spec.dag.empty();
}

/// For a run that writes, and so is not of an earlier date than the mark says.
std::vector<lake::Mark> marks_of(const SqlModel& model, const MaterializeSpec& spec, Instant now) {
  if (!keeps_latest_date(model, spec) || spec.logical_date > now) return {};
  return {{latest_date_mark(spec.dag), spec.logical_date.time_since_epoch().count()}};
}

/// A date to come counts for nobody: what it wrote is not in the way of real ones.
std::optional<lake::Rank> rank_of(const MaterializeSpec& spec, Instant now) {
  if (spec.dag.empty() || spec.logical_date > now) return std::nullopt;
  return lake::Rank{spec.dag, spec.logical_date.time_since_epoch().count()};
}

/// Another run may replace the same partitions meanwhile; then the model is computed anew.
constexpr int kMostTries = 3;

/// Computes every value, as writing them would: a mistake that some row brings out is one here too.
Result<std::int64_t> count_rows(engine::Session& session, const std::string& select) {
  const auto rows = TRY(session.query(select));
  std::int64_t count = 0;
  while (const auto batch = TRY(rows->next())) count += static_cast<std::int64_t>(batch->row_count());
  return count;
}

}  // namespace

Result<Made> materialize(lake::Lake& lake, engine::Session& session, const SqlModel& model,
                         const MaterializeSpec& spec) {
  if (model.materialized == Materialized::View)
    return Error(ErrorCode::Invalid,
                 fmt::format("{}: the model '{}' is a view and has no table; give it {{{{ "
                             "config(materialized='table') }}}}",
                             model.path, model.name));
  const std::string select = "SELECT * FROM " + TRY(sql::quoted_table_name(model.relation()));
  TRY(check_partitioning(session, model, select));
  Made made;
  const auto keeps_later_rows = [&]() -> Result<bool> {
    made.later_date = TRY(later_date(lake, model, spec));
    return made.later_date.has_value();
  };
  const bool done = TRY(is_written(lake, model, spec.writer));
  if (!done) TRY(check_fit(lake, session, model, select));
  if (!done && TRY(keeps_later_rows())) {
    made.committed.rows_written = TRY_DOING(model.path, count_rows(session, select));
    return made;
  }
  const bool whole = model.materialized == Materialized::Table;
  // A later run may commit while this one computes; the lake asks before each try of its own.
  const auto fence = [&]() -> Status {
    if (TRY(keeps_later_rows())) return Error(ErrorCode::Conflict, "a later run has written");
    return spec.fence ? spec.fence() : Status();
  };
  const lake::WriteSpec write{
      .writer = spec.writer,
      .mode = whole ? lake::WriteMode::Overwrite : lake::WriteMode::OverwritePartitions,
      .partition_by = model.partition_by,
      .marks = marks_of(model, spec, lake.clock().now()),
      .rank = rank_of(spec, lake.clock().now()),
      .ordered = true,
      .schema_change = whole ? lake::SchemaChange::Replace : lake::SchemaChange::AddColumns,
      .user_metadata = Json::object({{"model", model.path},
                                     {"dag", spec.dag},
                                     {"logical_date", format_instant(spec.logical_date)}}),
      .fence = fence};
  const lake::TableName table = TRY(lake::TableName::parse(model.table()));
  auto committed = lake.write(session, table, select, write);
  const auto conflict = [&] {
    return !committed.ok() && committed.error().code() == ErrorCode::Conflict;
  };
  for (int tries = 1; !whole && conflict() && tries < kMostTries; ++tries)
    committed = lake.write(session, table, select, write);
  if (conflict() && TRY(keeps_later_rows())) {
    made.committed.rows_written = TRY_DOING(model.path, count_rows(session, select));
    return made;
  }
  made.committed = TRY_DOING(model.path, std::move(committed));
  if (const auto& outranked = made.committed.outranked; outranked.partitions > 0)
    made.left_to_later = {outranked.partitions, outranked.rows,
                          Instant(Duration(outranked.highest))};
  return made;
}

std::string latest_date_mark(std::string_view dag) {
  return fmt::format("millrace/latest-date/{}", dag);
}

Result<std::optional<Instant>> later_date(lake::Lake& lake, const SqlModel& model,
                                          const MaterializeSpec& spec) {
  const std::optional<Instant> none;
  if (!keeps_latest_date(model, spec)) return none;
  auto newest = lake.snapshot(TRY(lake::TableName::parse(model.table())));
  if (!newest.ok() && newest.error().code() == ErrorCode::NotFound) return none;
  const lake::SnapshotPtr table = TRY(std::move(newest));
  const auto mark = table->txn_version(latest_date_mark(spec.dag));
  if (!mark) return none;
  const Instant latest{Duration(*mark)};
  return latest > spec.logical_date ? std::optional(latest) : none;
}

}  // namespace millrace::transform
