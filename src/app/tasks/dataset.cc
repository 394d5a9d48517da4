#include "tasks/dataset.h"

#include <fmt/core.h>

#include "sql/names.h"

namespace millrace::tasks {

Json Dataset::to_json() const {
  return Json::object({{"table", table},
                       {"version", version},
                       {"run_id", run_id},
                       {"training_set", training_set},
                       {"content_hash", content_hash},
                       {"rows", rows},
                       {"columns", Json(columns)},
                       {"parquet", parquet}});
}

Result<Dataset> Dataset::from_json(const Json& json) {
  Dataset dataset;
  dataset.table = TRY(json.string_at("table"));
  dataset.version = TRY(json.integer_at("version"));
  dataset.run_id = TRY(json.string_at("run_id"));
  dataset.training_set = TRY(json.string_at("training_set"));
  dataset.content_hash = TRY(json.string_at("content_hash"));
  dataset.rows = TRY(json.integer_at("rows"));
  if (!json["columns"].is_array())
    return Error(ErrorCode::Invalid,
                 "a dataset without 'columns', as an earlier build wrote them; make it again: "
                 "`millrace clear` the task that gave it, and run");
  for (const Json& column : json["columns"].as_array())
    dataset.columns.push_back(column.as_string());
  dataset.parquet = TRY(json.string_at("parquet"));
  return dataset;
}

Result<Dataset> upstream_dataset(const Attempt& attempt) {
  return Dataset::from_json(TRY(attempt.upstream_with("dataset"))["dataset"]);
}

Status define_dataset(Attempt& attempt, const Dataset& dataset, const std::string& name) {
  const auto snapshot = TRY(attempt.lake().snapshot_at(TRY(lake::TableName::parse(dataset.table)),
                                                       lake::Version(dataset.version)));
  const std::string whole = "datasets.whole";
  TRY(attempt.session().define_scan(
      whole, TRY(snapshot->scan({{"run_id", lake::Comparison::Equal, dataset.run_id}}))));
  std::string columns;
  for (const std::string& column : dataset.columns)
    columns += (columns.empty() ? "" : ", ") + sql::quote_identifier(column);
  return attempt.session().define_view(
      name, fmt::format("SELECT {} FROM {} WHERE run_id = {}", columns,
                        TRY(sql::quoted_table_name(whole)), sql::quote_literal(dataset.run_id)));
}

std::string counted_rows(std::int64_t rows) {
  return fmt::format("{} row{}", rows, rows == 1 ? "" : "s");
}

}  // namespace millrace::tasks
