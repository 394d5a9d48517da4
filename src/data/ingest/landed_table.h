#pragma once

// The table of an earlier landing, and the source as it is declared now.

#include <string>
#include <vector>

#include "base/result.h"
#include "ingest/land_spec.h"
#include "ingest/source.h"
#include "lake/snapshot.h"

namespace millrace::ingest {

/// Whether `rows` (see arrived()) can land in it, partitioned by the column `partition`, or by none
/// when that is "". Columns may be added or left out, and types may be narrower; all else wants
/// another table. Errors: Invalid says what has changed and how to begin anew.
Status check_landed_table(const lake::Snapshot& table, const columnar::Schema& rows,
                          const std::string& partition);

/// Whether the rows that are there were partitioned by the day of `event_time` too. Errors: Invalid
/// names the column by which they were, and says how to begin anew.
Status check_partitioned_by(const lake::Snapshot& table, const std::string& source,
                            const std::string& event_time);

/// Whether all that has landed in it is of `sources`. Errors: Invalid names one that is not.
Status check_sources(const lake::Snapshot& table, const std::vector<std::string>& sources);

/// All three, as a landing asks them.
Status check_landed(const lake::Snapshot& table, const Source& source, const LandSpec& spec);

}  // namespace millrace::ingest
