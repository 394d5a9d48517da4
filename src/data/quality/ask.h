#pragma once

// One row of an answer, as JSON values.

#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "engine/engine.h"

namespace millrace::quality {

/// The only row of the answer. Errors: the engine's; Internal when there is not exactly one.
inline Result<std::vector<Json>> ask_row(engine::Session& session, const std::string& sql) {
  const auto batches = TRY(session.collect(sql, 1));
  if (batches.size() != 1 || batches.front().row_count() != 1)
    return Error(ErrorCode::Internal, "expected one row from: " + sql.substr(0, 200));
  std::vector<Json> row;
  row.reserve(batches.front().schema().size());
  for (std::size_t i = 0; i < batches.front().schema().size(); ++i)
    row.push_back(batches.front().column(i).to_json(0));
  return row;
}

}  // namespace millrace::quality
