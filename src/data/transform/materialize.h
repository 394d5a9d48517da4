#pragma once

// A SQL model written to its table in the lake, in one commit.
//
//   table         all rows are replaced; columns and partitioning become the model's
//   incremental   insert_overwrite: exactly the partitions that the new rows touch are replaced; a
//                 new column is added to the table, older rows have null in it
//   view          has no table
//
// An ORDER BY of the model is kept within each file.

#include <functional>
#include <optional>

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
  /// Kept in the table's history; see made_for().
  Instant logical_date{};
};

/// The model's relation must be defined in `session` (compile.h). Errors: Invalid for a view, and
/// for a partition column that the model does not have; those of lake::Lake::write.
Result<lake::Committed> materialize(lake::Lake& lake, engine::Session& session,
                                    const SqlModel& model, const MaterializeSpec& spec);

/// For which run the newest version of the model's table was made. Nothing when there is no table, or
/// when its commit does not say. Errors: those of the lake.
Result<std::optional<Instant>> made_for(lake::Lake& lake, const SqlModel& model);

}  // namespace millrace::transform
