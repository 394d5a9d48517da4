// train: the training rows of a dataset become a model version.
//
//   - id: train
//     kind: train
//     upstream: [training_data, validate]
//     model: flight_delay_{{ var('score_at') }}
//     rounds: 400
//     early_stopping: {metric: logloss, rounds: 25}                      # by the validation rows
//     validate_on_last: {time_column: scored_at, fraction: 0.15}         # of the training rows
//     seed: 7
//     parameters: {max_depth: 6, eta: 0.08}

#include <algorithm>
#include <thread>

#include <fmt/core.h>

#include "base/hash.h"
#include "base/suggest.h"
#include "base/text.h"
#include "columnar/record_batch.h"
#include "model/model_store.h"
#include "model/xgboost_library.h"
#include "sql/names.h"
#include "tasks/dataset.h"
#include "tasks/each_kind.h"
#include "tasks/references.h"
#include "tasks/run_relations.h"
#include "train/parameters.h"
#include "train/xgboost_trainer.h"

namespace millrace::tasks {
namespace {

constexpr std::int64_t kMostRounds = 100'000;

/// Parameters are written as numbers or text in YAML; the library takes text.
std::map<std::string, std::string> parameters_of(const Json& config) {
  std::map<std::string, std::string> parameters;
  if (config["parameters"].is_object())
    for (const auto& [name, value] : config["parameters"].as_object())
      parameters[name] = value.is_string() ? value.as_string() : value.dump();
  return parameters;
}

train::TrainingRequest request_of(const Attempt& attempt, const BoundSet& bound) {
  const Json& config = attempt.request().config;
  train::TrainingRequest request{.features = feature_columns(bound.set),
                                 .label = bound.set.label,
                                 .parameters = parameters_of(config),
                                 .rounds = static_cast<int>(config.integer_or("rounds", 100)),
                                 .seed = static_cast<std::uint32_t>(config.integer_or("seed", 0)),
                                 .threads = attempt.share().threads};
  if (const Json& stopping = config["early_stopping"]; stopping.is_object()) {
    request.early_stopping =
        train::EarlyStopping{static_cast<int>(stopping.integer_or("rounds", 10))};
    request.metric = stopping.string_or("metric", "");
  }
  if (const Json& last = config["validate_on_last"]; last.is_object())
    request.validate_on_last = train::ValidateOnLast{
        last.string_or("time_column", bound.set.timestamp), last.number_or("fraction", 0.2)};
  if (request.threads == 0)
    request.threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  return request;
}

/// What a round is judged by where the settings name nothing.
Result<std::string> default_metric(const std::map<std::string, std::string>& parameters) {
  const auto checked = TRY(train::check_parameters(parameters));
  return TRY(train::objective_named(checked.at("objective"))).default_metric;
}

Result<std::unique_ptr<columnar::BatchReader>> training_rows(Attempt& attempt,
                                                             const BoundSet& bound) {
  std::string order;
  for (const std::string& column : bound.set.key)
    order += (order.empty() ? "" : ", ") + sql::quote_identifier(column);
  std::string where;
  if (!bound.set.split.empty())
    where = fmt::format(" WHERE {} = 'training'", sql::quote_identifier(bound.set.split));
  return attempt.session().query(
      fmt::format("SELECT * FROM train.rows{} ORDER BY {}", where, order));
}

void check_stopping(const project::Node* node, project::Problems& problems) {
  if (node == nullptr) return;
  project::Fields fields(*node, "early_stopping", problems);
  if (fields.integer("rounds", 10) < 1) fields.problem("rounds", "'rounds' is at least 1");
  const std::string metric = fields.text("metric", "");
  if (const Status known = train::check_round_metric(metric); !metric.empty() && !known.ok())
    fields.problem("metric", known.error().message());
  fields.refuse_unknown();
}

void check_validation(const TaskSettings& settings, const project::Node* node,
                      project::Problems& problems) {
  if (node == nullptr) return;
  project::Fields fields(*node, "validate_on_last", problems);
  const std::string time_column = fields.text("time_column", "");
  if (const auto bound = upstream_training_set(settings); bound && !time_column.empty()) {
    const auto columns = training_columns(bound->set);
    const auto same = [&](const std::string& column) {
      return fold_case(column) == fold_case(time_column);
    };
    if (std::ranges::none_of(columns, same))
      fields.problem("time_column",
                     fmt::format("the rows of the training set '{}' have no column '{}'{}",
                                 bound->set.name, time_column, suggestion(time_column, columns)));
  }
  const double fraction = fields.number("fraction", 0.2);
  if (fraction <= 0 || fraction >= 1) fields.problem("fraction", "'fraction' is between 0 and 1");
  fields.refuse_unknown();
}

void check_label(const TaskSettings& settings, project::Fields& fields) {
  const auto bound = upstream_training_set(settings);
  if (bound.has_value() && bound->set.label.empty())
    fields.problem("upstream",
                   fmt::format("the training set '{}' has no 'label': without an outcome there is "
                               "nothing to learn; say which column of its labels it is",
                               bound->set.name));
}

class TrainTask final : public TaskKind {
 public:
  std::string_view name() const override { return "train"; }

  void check(const TaskSettings& settings, project::Problems& problems) const override {
    SettingsReader fields(settings, problems);
    fields.text("model");
    const auto name = setting_by_default(settings, "model", fields);
    if (const Status fit = name ? model::check_model_name(*name) : Status(); !fit.ok())
      fields.problem("model", fit.error().message());
    const std::int64_t rounds = fields.integer("rounds", 100);
    if (rounds < 1 || rounds > kMostRounds)
      fields.problem("rounds", fmt::format("'rounds' is 1 to {}", kMostRounds));
    check_stopping(fields.mapping("early_stopping"), problems);
    check_validation(settings, fields.mapping("validate_on_last"), problems);
    if (fields.has("early_stopping") && !fields.has("validate_on_last"))
      fields.problem("early_stopping",
                     "early stopping needs validation rows: add "
                     "'validate_on_last'");
    check_upstream(settings, "dataset", "training_data", fields);
    check_label(settings, fields);
    const std::int64_t seed = fields.integer("seed", 0);
    if (seed < 0 || seed > 4'294'967'295)
      fields.problem("seed", "'seed' is between 0 and 4294967295");
    fields.mapping("parameters");
    const auto checked = train::check_parameters(parameters_of(settings.task.config));
    if (!checked.ok()) fields.problem("parameters", checked.error().message());
    fields.refuse_unknown();
  }

  std::vector<std::string> gives() const override { return {"content_id"}; }

  Result<bool> still_there(Attempt& attempt, const Json& result) const override {
    const auto stored = model::get_model(attempt.models(), TRY(result.string_at("model")),
                                         TRY(result.string_at("content_id")));
    if (!stored.ok() && stored.error().code() != ErrorCode::NotFound) return stored.error();
    return stored.ok();
  }

  Result<std::string> content_key(Attempt& attempt) const override {
    const Dataset dataset = TRY(upstream_dataset(attempt));
    const BoundSet bound = TRY(training_set(attempt.project(), dataset.training_set));
    const std::string library = TRY(model::xgboost_version());
    const Json training = TRY(settings_of(attempt, bound));
    const Json decides = Json::object(
        {{"library", library}, {"rows", dataset.content_hash}, {"training", training}});
    return sha256_hex(attempt.versions() + decides.dump_canonical());
  }

  Result<Json> run(Attempt& attempt) const override {
    const Dataset dataset = TRY(upstream_dataset(attempt));
    const BoundSet bound = TRY(training_set(attempt.project(), dataset.training_set));
    TRY(define_dataset(attempt, dataset, "train.rows"));
    train::TrainingRequest request = request_of(attempt, bound);
    if (request.metric.empty()) request.metric = TRY(default_metric(request.parameters));
    const auto reader = TRY(training_rows(attempt, bound));
    train::TrainingControl control;
    control.stop = attempt.reporting().stop;
    control.progress = [&](const train::RoundMetrics& round) {
      const std::string validation =
          round.validation ? fmt::format(", {:.4f} in validation", *round.validation) : "";
      const std::string text = fmt::format("round {}: {} {:.4f} in training{}", round.round,
                                           request.metric, round.training, validation);
      attempt.reporting().progress(static_cast<double>(round.round) / request.rounds, text);
      attempt.reporting().log(text);
    };
    const train::TrainedModel trained =
        TRY(train::make_xgboost_trainer()->train(request, {.training = *reader}, control));
    model::Manifest manifest = train::manifest_of(trained, request);
    manifest.model = TRY(attempt.setting("model"));
    manifest.data = {dataset.table, dataset.version, dataset.content_hash, dataset.rows};
    manifest.code_hash =
        sha256_hex(TRY(code_hash(attempt, bound)) +
                   TRY(settings_of(attempt, bound)).dump_canonical());
    manifest.run_id = attempt.request().dag + "/" + attempt.request().run;
    manifest.generation = attempt.request().generation;
    manifest.logical_date = attempt.request().logical_date;
    manifest.artefact_sha256 = sha256_hex(trained.artefact);
    const model::StoredModel stored =
        TRY(model::put_model(attempt.models(), trained.artefact, manifest));
    return Json::object(
        {{"model", manifest.model},
         {"content_id", stored.content_id},
         {"artefact_sha256", manifest.artefact_sha256},
         {"run_id", manifest.run_id},
         {"generation", manifest.generation},
         {"metrics", json_of(manifest.metrics)},
         {"rounds", trained.rounds},
         {"training_rows", trained.training_rows},
         {"validation_rows", trained.validation_rows},
         {"summary",
          fmt::format("{} round{} on {}{}", trained.rounds, trained.rounds == 1 ? "" : "s",
                      counted_rows(trained.training_rows), best_of(trained))}});
  }

  /// The attempt has stored the bytes, and the content id vouches for them; a transaction is no
  /// place to read them again.
  Status complete(const ServerSide& server, metadata::Transaction& transaction,
                  const orchestration::TaskInstance& /*instance*/,
                  const Json& result) const override {
    model::StoredModel stored;
    stored.content_id = TRY(result.string_at("content_id"));
    stored.manifest.model = TRY(result.string_at("model"));
    stored.manifest.artefact_sha256 = TRY(result.string_at("artefact_sha256"));
    stored.manifest.run_id = TRY(result.string_at("run_id"));
    stored.manifest.generation = TRY(result.integer_at("generation"));
    for (const auto& [name, value] : result["metrics"].as_object())
      stored.manifest.metrics[name] = value.as_double();
    TRY(model::register_version(transaction, stored, server.clock.now()));
    return {};
  }

 private:
  /// All that the training is told beside the rows.
  static Result<Json> settings_of(const Attempt& attempt, const BoundSet& bound) {
    Json settings = attempt.request().config;
    settings.set("model", TRY(attempt.setting("model")))
        .set("features", Json(feature_columns(bound.set)))
        .set("label", bound.set.label)
        .set("key", Json(bound.set.key))
        .set("timestamp", bound.set.timestamp)
        .set("split", bound.set.split);
    return settings;
  }

  static Json json_of(const std::map<std::string, double>& metrics) {
    Json json = Json::object();
    for (const auto& [name, value] : metrics) json.set(name, value);
    return json;
  }

  static std::string best_of(const train::TrainedModel& trained) {
    const train::RoundMetrics& last = trained.last_round();
    if (!last.validation.has_value()) return "";
    return fmt::format(", validation {} {:.4f}", trained.metric, *last.validation);
  }
};

}  // namespace

const TaskKind& train_kind() {
  static const TrainTask kKind;
  return kKind;
}

}  // namespace millrace::tasks
