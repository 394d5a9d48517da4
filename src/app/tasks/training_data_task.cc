// training_data: a training set, joined point in time, becomes a table version and a Parquet file.
//
//   - id: training_data
//     kind: training_data
//     training_set: flights_{{ var('score_at') }}
//     table: features.training_data        # default: features.<training set>

#include <filesystem>

#include <fmt/core.h>

#include "base/file.h"
#include "base/hash.h"
#include "features/point_in_time.h"
#include "sql/names.h"
#include "tasks/dataset.h"
#include "tasks/each_kind.h"
#include "tasks/run_relations.h"

namespace millrace::tasks {
namespace {

struct Plan {
  BoundSet bound;
  std::string table;
};

Result<Plan> plan_of(Attempt& attempt) {
  const std::string name = TRY(attempt.setting("training_set"));
  return Plan{.bound = TRY(training_set(attempt.project(), name)),
              .table = TRY(attempt.setting_or("table", "features." + name))};
}

/// The SELECT of the training rows, ordered by their key.
Result<std::string> joined(Attempt& attempt, const BoundSet& bound) {
  TRY(define_models(attempt, bound.models));
  TRY(features::check_dimensions(attempt.session(), bound.set, bound.views));
  return TRY(features::PointInTimeJoin::bind(attempt.session(), bound.set, bound.views)).select();
}

/// Writes the rows as one file that other programs read, and gives its content's hash.
Result<std::string> export_parquet(Attempt& attempt, const std::string& relation,
                                   const std::string& path) {
  const std::string temporary = path + ".tmp-" + std::to_string(attempt.request().number);
  TRY(attempt.session().execute(
      fmt::format("COPY (SELECT * FROM {}) TO {} (FORMAT parquet, COMPRESSION zstd)", relation,
                  sql::quote_literal(temporary))));
  std::error_code error;
  std::filesystem::rename(temporary, path, error);
  if (error) return file_error(error.value(), path);
  return sha256_hex_of_file(path);
}

class TrainingDataTask final : public TaskKind {
 public:
  std::string_view name() const override { return "training_data"; }

  void check(const TaskSettings& settings, project::Problems& problems) const override {
    SettingsReader fields(settings, problems);
    fields.text("training_set");
    fields.text("table", "");
    fields.refuse_unknown();
  }

  Result<std::string> content_key(Attempt& attempt) const override {
    const Plan plan = TRY(plan_of(attempt));
    // The text of the join says all that views and training set decide.
    return sha256_hex(attempt.versions() + plan.table + TRY(joined(attempt, plan.bound)) +
                      TRY(models_key(attempt, plan.bound.models)));
  }

  Result<Json> run(Attempt& attempt) const override {
    const Plan plan = TRY(plan_of(attempt));
    attempt.reporting().progress(0.05, "joining features to labels");
    const std::string select = TRY(joined(attempt, plan.bound));
    engine::Session& session = attempt.session();
    TRY(session.execute("CREATE OR REPLACE TEMP TABLE training_rows AS " + select));
    const std::int64_t rows =
        TRY(session.scalar("SELECT count(*) FROM training_rows")).as_integer();
    if (rows == 0)
      return Error(
          ErrorCode::DataQuality,
          fmt::format("the training set '{}' has no rows before {}; was everything landed?",
                      plan.bound.set.name, format_instant(attempt.request().logical_date)));
    attempt.reporting().progress(0.6, "writing the table");
    Dataset dataset{.table = plan.table,
                    .run_id = attempt.request().run,
                    .training_set = plan.bound.set.name,
                    .rows = rows,
                    .parquet = TRY(attempt.run_folder()) + "/training_data.parquet"};
    dataset.content_hash = TRY(export_parquet(attempt, "training_rows", dataset.parquet));
    const lake::Committed committed =
        TRY(attempt.lake().write(session, TRY(lake::TableName::parse(plan.table)),
                                 fmt::format("SELECT *, {} AS run_id FROM training_rows",
                                             sql::quote_literal(dataset.run_id)),
                                 {.writer = attempt.writer(plan.table),
                                  .mode = lake::WriteMode::OverwritePartitions,
                                  .partition_by = {"run_id"},
                                  .ordered = true,
                                  .schema_change = lake::SchemaChange::AddColumns,
                                  .operation = "WRITE",
                                  .fence = attempt.reporting().fence}));
    dataset.version = committed.version.value();
    return Json::object(
        {{"dataset", dataset.to_json()},
         {"summary", fmt::format("{} rows of {} in {} version {}", rows, plan.bound.set.name,
                                 plan.table, dataset.version)}});
  }
};

}  // namespace

const TaskKind& training_data_kind() {
  static const TrainingDataTask kKind;
  return kKind;
}

}  // namespace millrace::tasks
