#pragma once

// A SQL model written to its table in the lake, in one commit.
//
//   table         all rows are replaced; columns and partitioning become the model's. Of the runs of
//                 one Dag, in whatever order they end, the rows of the latest date stay: a run of an
//                 earlier one computes its rows and leaves the table as it is. The latest date is a
//                 mark of the Dag in the table's state, so that commits of others do not hide it. A
//                 date to come writes and is not marked: it would shut out every real one until then
//   incremental   insert_overwrite: exactly the partitions that the new rows touch are replaced, but
//                 for those that a later date of the same Dag has written: they stay, and the rows
//                 are counted. Each file says for which date it was written. A new column is added to
//                 the table, older rows have null in it
//   view          has no table
//
// An ORDER BY of the model is kept within each file.

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "engine/engine.h"
#include "lake/lake.h"
#include "transform/sql_model.h"

namespace millrace::transform {

struct MaterializeSpec {
  lake::Writer writer;  // Dag, run, task and table, with the task's generation
  /// Asked right before the commit; a failure ends it. May be empty.
  std::function<Status()> fence;
  /// The run's date, and whose runs of other dates are compared with it. Empty: nobody's. Both are
  /// kept with the rows, and in the table's history too.
  Instant logical_date{};
  std::string dag = {};
};

struct Made {
  lake::Committed committed;  // nothing but the rows where none were committed
  /// Partitions of an incremental table that were left to a later date.
  struct LeftToLater {
    std::int64_t partitions = 0;
    std::int64_t rows = 0;
    Instant date;  // the latest among them
  };
  std::optional<LeftToLater> left_to_later = {};
  /// The table was left as it is, because this later date had been written.
  std::optional<Instant> later_date = {};
};

/// The model's relation must be defined in `session` (compile.h). Errors: Invalid for a view, and
/// for a partition column that the model does not have; those of lake::Lake::write.
Result<Made> materialize(lake::Lake& lake, engine::Session& session, const SqlModel& model,
                         const MaterializeSpec& spec);

/// Its version: the latest logical date, in microseconds since 1970, for which the Dag has written the
/// table.
std::string latest_date_mark(std::string_view dag);

/// The latest date for which the Dag has written the model's table, when it is later than
/// spec.logical_date and the model is one that replaces its whole table. Errors: those of the lake.
Result<std::optional<Instant>> later_date(lake::Lake& lake, const SqlModel& model,
                                          const MaterializeSpec& spec);

}  // namespace millrace::transform
