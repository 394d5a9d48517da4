#include "ingest/landed_table.h"

#include <algorithm>

#include <fmt/format.h>

#include "ingest/land_plan.h"
#include "lake/write_plan.h"

namespace millrace::ingest {
namespace {

Error changed(const lake::Snapshot& table, const std::string& how) {
  const std::string& name = table.table().text();
  return {ErrorCode::Invalid,
          fmt::format("landing {0}: {1}; take that back, or give the table of the source another "
                      "name ('table: {0}_2'): all files land there anew, and what reads the source "
                      "reads it there",
                      name, how)};
}

}  // namespace

Status check_landed_table(const lake::Snapshot& table, const columnar::Schema& rows,
                          const std::string& partition) {
  const std::string now = fmt::format("{}", fmt::join(table.partition_columns(), ", "));
  if (now != partition)
    return changed(table,
                   partition.empty()
                       ? fmt::format("the table is partitioned by {}, and the source no longer "
                                     "names its 'event_time'",
                                     now)
                       : std::string("the table was made without an 'event_time', which the source "
                                     "names now"));
  for (const columnar::Field& field : rows.fields()) {
    const auto column = table.schema().index_of(field.name);
    if (!column || field.name == kDeliveryDay) continue;
    const columnar::DataType& kept = table.schema()[*column].type;
    if (!lake::fits(field.type, kept))
      return changed(table,
                     fmt::format("the column '{}' is {} in the table, and the source declares "
                                 "{} now",
                                 field.name, columnar::to_sql(kept), columnar::to_sql(field.type)));
  }
  return {};
}

Status check_partitioned_by(const lake::Snapshot& table, const std::string& source,
                            const std::string& event_time) {
  const auto kept = table.txn_version(event_time_mark(source));
  if (!kept || *kept == mark_version(event_time)) return {};
  std::string column = "another column";
  for (const std::string& name : table.schema().names())
    if (*kept == mark_version(name)) column = fmt::format("'{}'", name);
  return changed(table, fmt::format("its rows are partitioned by the day of {}, and the source's "
                                    "'event_time' is '{}' now",
                                    column, event_time));
}

Status check_sources(const lake::Snapshot& table, const std::vector<std::string>& sources) {
  for (const auto& [app_id, txn] : table.state().txns) {
    const std::optional<std::string> source = source_of_mark(app_id);
    if (!source || std::ranges::find(sources, *source) != sources.end()) continue;
    return Error(ErrorCode::Invalid,
                 fmt::format("table {} holds rows of the source '{}', which this project no longer "
                             "has: one that is renamed would land its files again, beside the rows "
                             "that are there; give it its name back, or let it land in another "
                             "table (table: {}_2)",
                             table.table().text(), *source, table.table().text()));
  }
  return {};
}

Status check_landed(const lake::Snapshot& table, const Source& source, const LandSpec& spec) {
  TRY(check_landed_table(table, arrived(source), spec.event_time.empty() ? "" : spec.partition));
  TRY(check_partitioned_by(table, source.name(), spec.event_time));
  return spec.sources.empty() ? Status() : check_sources(table, spec.sources);
}

}  // namespace millrace::ingest
