// sql_model: a SQL model is written to its table in the lake.
//
//   - id: daily_delays
//     kind: sql_model
//     model: daily_delays

#include <fmt/core.h>

#include "base/hash.h"
#include "base/suggest.h"
#include "tasks/dataset.h"
#include "tasks/each_kind.h"
#include "tasks/references.h"
#include "tasks/run_relations.h"
#include "transform/materialize.h"

namespace millrace::tasks {
namespace {

Result<const transform::SqlModel*> model_of(const Attempt& attempt) {
  const std::string name = TRY(attempt.setting("model"));
  const transform::SqlModel* model = attempt.project().models.find(name);
  if (model == nullptr)
    return Error(ErrorCode::NotFound,
                 fmt::format("there is no SQL model '{}'{}", name,
                             suggestion(name, attempt.project().models.names())));
  return model;
}

transform::MaterializeSpec materialize_spec(const Attempt& attempt,
                                            const transform::SqlModel& model) {
  return {.writer = attempt.writer(model.table()),
          .fence = attempt.reporting().fence,
          .logical_date = attempt.request().logical_date,
          .dag = attempt.request().dag};
}

class SqlModelTask final : public TaskKind {
 public:
  std::string_view name() const override { return "sql_model"; }

  void check(const TaskSettings& settings, project::Problems& problems) const override {
    SettingsReader fields(settings, problems);
    fields.text("model");
    const auto name = check_reference(settings, "model", {"SQL model", "models"},
                                      settings.project.models.names(), fields);
    const transform::SqlModel* model = name ? settings.project.models.find(*name) : nullptr;
    if (model != nullptr && model->materialized == transform::Materialized::View)
      fields.problem("model",
                     fmt::format("the model '{}' is a view and has no table; give it {{{{ config("
                                 "materialized='table') }}}}",
                                 *name));
    fields.refuse_unknown();
  }

  /// A table that is replaced as a whole must still hold these rows, or those of a later date:
  /// another Dag's run may have put its own in their place. The partitions of an incremental one are
  /// this run's or a later one's.
  Result<bool> still_there(Attempt& attempt, const Json& result) const override {
    const std::string table = TRY(result.string_at("table"));
    const transform::SqlModel* model = TRY(model_of(attempt));
    const auto later =
        TRY(transform::later_date(attempt.lake(), *model, materialize_spec(attempt, *model)));
    if (result.contains("later_date")) return later.has_value();
    const std::int64_t version = TRY(result.integer_at("version"));
    if (!TRY(is_written(attempt, table)) || !TRY(is_in_lake(attempt, table, version))) return false;
    if (model->materialized != transform::Materialized::Table || later) return true;
    const auto newest = TRY(attempt.lake().snapshot(TRY(lake::TableName::parse(table))));
    return newest->version() == lake::Version(version);
  }

  Result<std::string> content_key(Attempt& attempt) const override {
    const transform::SqlModel* model = TRY(model_of(attempt));
    return sha256_hex(attempt.versions() + model->table() +
                      TRY(models_key(attempt, {model->name})));
  }

  Result<Json> run(Attempt& attempt) const override {
    const transform::SqlModel* model = TRY(model_of(attempt));
    TRY(define_models(attempt, {model->name}));
    const transform::Made made = TRY(transform::materialize(
        attempt.lake(), attempt.session(), *model, materialize_spec(attempt, *model)));
    const std::int64_t rows = made.committed.rows_written;
    const std::string written = counted_rows(rows);
    Json result = Json::object({{"table", model->table()}, {"model", model->name}, {"rows", rows}});
    if (made.later_date) {
      const std::string later = format_instant(*made.later_date);
      result.set("later_date", later);
      result.set("summary", fmt::format("{}, not written: {} was written for the later date {}",
                                        written, model->table(), later));
      return result;
    }
    const std::int64_t version = made.committed.version.value();
    result.set("version", version);
    std::string summary = fmt::format("{} in {} version {}", written, model->table(), version);
    if (const auto& left = made.left_to_later) {
      result.set("left_to_later", Json::object({{"partitions", left->partitions},
                                                {"rows", left->rows},
                                                {"date", format_instant(left->date)}}));
      summary += fmt::format(
          "; {} not written: {} {} written for later dates, up to {}", counted_rows(left->rows),
          left->partitions,
          left->partitions == 1 ? "partition of theirs was" : "partitions of theirs were",
          format_instant(left->date));
    }
    result.set("summary", summary);
    return result;
  }
};

}  // namespace

const TaskKind& sql_model_kind() {
  static const SqlModelTask kKind;
  return kKind;
}

}  // namespace millrace::tasks
