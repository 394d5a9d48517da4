#include "ingest/landed_table.h"

#include <fmt/format.h>

#include "ingest/source.h"
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

}  // namespace millrace::ingest
