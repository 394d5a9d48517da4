// What every engine's session has in common.

#include <fmt/core.h>

#include "engine/engine.h"

namespace millrace::engine {

Result<Json> Session::scalar(std::string_view sql) {
  std::unique_ptr<columnar::BatchReader> rows = TRY(query(sql));
  auto wrong = [](std::string_view found) {
    return Error(ErrorCode::Invalid,
                 fmt::format("expected one value (one row of one column), found {}", found));
  };
  if (rows->schema().size() != 1) return wrong(fmt::format("{} columns", rows->schema().size()));
  std::optional<columnar::RecordBatch> batch = TRY(rows->next());
  if (!batch) return wrong("no row");
  if (batch->row_count() > 1 || TRY(rows->next())) return wrong("several rows");
  return batch->column(0).to_json(0);
}

Result<std::vector<columnar::RecordBatch>> Session::collect(std::string_view sql,
                                                            std::size_t limit) {
  std::unique_ptr<columnar::BatchReader> rows = TRY(query(sql));
  std::vector<columnar::RecordBatch> batches;
  std::size_t count = 0;
  while (std::optional<columnar::RecordBatch> batch = TRY(rows->next())) {
    count += batch->row_count();
    if (count > limit) {
      return Error(ErrorCode::Exhausted,
                   fmt::format("the answer has more than {} rows; add a LIMIT, or read it as a "
                               "stream",
                               limit));
    }
    batches.push_back(*std::move(batch));
  }
  return batches;
}

}  // namespace millrace::engine
