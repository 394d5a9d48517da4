// evaluate: how good a version is on rows that it never saw, and whether it goes into Production.
//
//   - id: evaluate
//     kind: evaluate
//     upstream: [training_data, train, leak_check]
//     gate: ["auc > 0.8"]
//     compare_by: auc         # with the version in Production
//
// It is refused when a threshold is missed, when it is worse than the version in Production on the
// same holdout (where that can score it: a feature of it may be gone), or when one of the leak checks
// before it found something. A refused version stays, with the reasons. So does one of an older logical
// date than that in Production: it is judged by the rest, but neither compared with a model that has
// seen its holdout nor put in its place. A version of a date to come does not count as a later one.
//
// The gate decides who goes into Production and takes nobody out: a version that serves and is
// judged again, by a stricter gate say, keeps its state and its tag; its reasons say that it would
// not be let in now.

#include <fmt/core.h>

#include "base/hash.h"
#include "model/model_store.h"
#include "model/predictor.h"
#include "sql/names.h"
#include "tasks/dataset.h"
#include "tasks/each_kind.h"
#include "tasks/references.h"
#include "tasks/run_relations.h"
#include "train/gate.h"
#include "train/metrics.h"

namespace millrace::tasks {
namespace {

/// The holdout, in memory: scored by the candidate and by the version in Production.
struct Holdout {
  std::vector<columnar::RecordBatch> batches;
  std::vector<std::uint8_t> labels;
};

Result<Holdout> holdout_of(Attempt& attempt, const Dataset& dataset, const BoundSet& bound) {
  if (bound.set.split.empty())
    return Error(
        ErrorCode::Invalid,
        fmt::format("the training set '{}' has no 'split': without a holdout nothing can be "
                    "judged",
                    bound.set.name));
  TRY(define_dataset(attempt, dataset, "evaluate.rows"));
  std::string order;
  for (const std::string& column : bound.set.key)
    order += (order.empty() ? "" : ", ") + sql::quote_identifier(column);
  Holdout holdout;
  holdout.batches = TRY(attempt.session().collect(
      fmt::format("SELECT * FROM evaluate.rows WHERE {} = 'holdout' ORDER BY {}",
                  sql::quote_identifier(bound.set.split), order),
      50'000'000));
  for (const columnar::RecordBatch& batch : holdout.batches) {
    const columnar::Column labels = TRY(batch.column(bound.set.label));
    for (std::size_t row = 0; row < batch.row_count(); ++row)
      holdout.labels.push_back(static_cast<std::uint8_t>(
          labels.type().kind == columnar::Kind::Boolean ? labels.boolean(row)
                                                        : labels.number(row) != 0));
  }
  if (holdout.labels.empty())
    return Error(ErrorCode::DataQuality,
                 fmt::format("the dataset of '{}' has no holdout rows", bound.set.name));
  return holdout;
}

/// The objective whose scores are judged here; others give no probabilities.
constexpr std::string_view kTwoClasses = "binary:logistic";

std::string cannot_judge(std::string_view objective) {
  return fmt::format(
      "evaluate judges probabilities of two classes, as '{}' gives them; a model "
      "trained with the objective '{}' has none",
      kTwoClasses, objective);
}

Result<std::shared_ptr<const model::Predictor>> predictor_of(model::LoadedModel loaded) {
  if (loaded.manifest.objective != kTwoClasses)
    return Error(ErrorCode::Invalid, cannot_judge(loaded.manifest.objective));
  return model::Predictor::load(loaded.artefact, std::move(loaded.manifest));
}

/// Errors: those of Predictor::predict, and of train::evaluate.
Result<train::Evaluation> score(const Holdout& holdout, const model::Predictor& predictor) {
  std::vector<float> scores;
  for (const columnar::RecordBatch& batch : holdout.batches) {
    const std::vector<float> part = TRY(predictor.predict(batch));
    scores.insert(scores.end(), part.begin(), part.end());
  }
  return train::evaluate(scores, holdout.labels);
}

Result<std::vector<train::Threshold>> thresholds_of(const Json& config) {
  std::vector<train::Threshold> thresholds;
  if (config["gate"].is_string())
    thresholds.push_back(TRY(train::parse_threshold(config["gate"].as_string())));
  if (config["gate"].is_array())
    for (const Json& text : config["gate"].as_array())
      if (text.is_string()) thresholds.push_back(TRY(train::parse_threshold(text.as_string())));
  return thresholds;
}

/// What all leak checks directly before this task found.
Result<train::LeakVerdict> leaks_of(const Attempt& attempt) {
  const std::vector<Json> checks = attempt.all_upstream_with("leaks");
  if (checks.empty())
    return Error(ErrorCode::Invalid,
                 fmt::format("no leak check stands directly before '{}'; add a task of kind "
                             "leak_check to its 'upstream'",
                             attempt.request().task));
  train::LeakVerdict verdict;
  for (const Json& check : checks)
    for (const Json& finding : check["leaks"].as_array())
      verdict.findings.push_back(finding.as_string());
  return verdict;
}

/// The version in Production as the gate sees it; scored only when it may be compared with.
Result<train::ProductionScore> score_production(Attempt& attempt, const Holdout& holdout,
                                                const std::string& name, const Json& production,
                                                Instant logical_date) {
  train::ProductionScore serving{.version = TRY(production.integer_at("version"))};
  auto read = model::get_model(attempt.models(), name, TRY(production.string_at("content_id")));
  if (!read.ok())
    return Error(
        read.error().code(),
        fmt::format("version {} of {} is in Production and cannot be read, so that nothing can be "
                    "compared with it: {}; `millrace model promote {}` puts a version that can be "
                    "read in its place, then run again",
                    serving.version, name, read.error().message(), name));
  model::LoadedModel loaded = *std::move(read);
  serving.logical_date = loaded.manifest.logical_date;
  if (serving.logical_date > logical_date) return serving;
  const std::string doing = fmt::format("scoring version {} in Production", serving.version);
  const auto predictor = TRY_DOING(doing, predictor_of(std::move(loaded)));
  if (const Status fits = predictor->encoder().check_columns(holdout.batches.front().schema());
      !fits.ok())
    serving.unscorable = fits.error().message();
  else
    serving.metrics = TRY_DOING(doing, score(holdout, *predictor)).values();
  return serving;
}

void check_names(const Json& config, project::Fields& fields) {
  const auto thresholds = thresholds_of(config);
  if (!thresholds.ok()) return fields.problem("gate", thresholds.error().message());
  for (const train::Threshold& threshold : *thresholds)
    if (const Status known = train::check_metric(threshold.metric); !known.ok())
      fields.problem("gate", known.error().message());
  if (const Status known = train::check_metric(config.string_or("compare_by", "auc")); !known.ok())
    fields.problem("compare_by", known.error().message());
}

void check_what_is_judged(const TaskSettings& settings, project::Fields& fields) {
  check_upstream(settings, "dataset", "training_data", fields);
  check_upstream(settings, "content_id", "train", fields);
  check_upstream(settings, "leaks", "leak_check", fields);
  for (const orchestration::TaskSpec* task : upstream_giving(settings, "content_id")) {
    const std::string objective =
        task->config["parameters"].string_or("objective", std::string(kTwoClasses));
    if (objective != kTwoClasses) fields.problem("upstream", cannot_judge(objective));
  }
  const auto bound = upstream_training_set(settings);
  if (bound.has_value() && bound->set.split.empty())
    fields.problem("upstream",
                   fmt::format("the training set '{}' has no 'split': without a holdout nothing "
                               "can be judged",
                               bound->set.name));
}

std::map<std::string, double> metrics_of(const Json& json) {
  std::map<std::string, double> metrics;
  for (const auto& [name, value] : json.as_object())
    if (value.is_number()) metrics[name] = value.as_double();
  return metrics;
}

class EvaluateTask final : public TaskKind {
 public:
  std::string_view name() const override { return "evaluate"; }

  void check(const TaskSettings& settings, project::Problems& problems) const override {
    SettingsReader fields(settings, problems);
    fields.texts("gate");
    fields.text("compare_by", "auc");
    check_names(settings.task.config, fields);
    check_what_is_judged(settings, fields);
    fields.refuse_unknown();
  }

  std::vector<std::string> gives() const override { return {"promoted"}; }

  /// Which version the training registered, and which one serves now.
  Result<Json> prepare(const ServerSide& server,
                       const orchestration::TaskInstance& instance) const override {
    Json prepared = Json::object();
    for (const auto& [task, result] : instance.upstream_results.as_object()) {
      if (!result.contains("content_id")) continue;
      const std::string name = TRY(result.string_at("model"));
      TRY(server.database.read([&](metadata::Transaction& transaction) -> Status {
        for (const model::ModelVersion& version : TRY(model::list_versions(transaction, name)))
          if (version.content_id == result.string_or("content_id", ""))
            prepared.set("version", version.version);
        const auto production = TRY(model::tagged_version(transaction, name));
        if (production.has_value())
          prepared.set("production", Json::object({{"version", production->version},
                                                   {"content_id", production->content_id}}));
        return {};
      }));
    }
    return prepared;
  }

  /// A version is judged once: what serves meanwhile does not reopen the case.
  Result<std::string> content_key(Attempt& attempt) const override {
    const Json trained = TRY(attempt.upstream_with("content_id"));
    const Dataset dataset = TRY(upstream_dataset(attempt));
    const BoundSet bound = TRY(training_set(attempt.project(), dataset.training_set));
    const Json leaks(TRY(leaks_of(attempt)).findings);
    const Json decides = Json::object({{"model", trained["content_id"]},
                                       {"rows", dataset.content_hash},
                                       {"label", bound.set.label},
                                       {"split", bound.set.split},
                                       {"key", Json(bound.set.key)},
                                       {"settings", attempt.request().config},
                                       {"leaks", leaks}});
    return sha256_hex(attempt.versions() + decides.dump_canonical());
  }

  Result<Json> run(Attempt& attempt) const override {
    const Dataset dataset = TRY(upstream_dataset(attempt));
    const BoundSet bound = TRY(training_set(attempt.project(), dataset.training_set));
    const Json trained = TRY(attempt.upstream_with("content_id"));
    const std::string name = TRY(trained.string_at("model"));
    const std::string content_id = TRY(trained.string_at("content_id"));
    const std::int64_t version = TRY(attempt.request().prepared.integer_at("version"));
    const Holdout holdout = TRY(holdout_of(attempt, dataset, bound));
    model::LoadedModel candidate = TRY(model::get_model(attempt.models(), name, content_id));
    const Instant logical_date = candidate.manifest.logical_date;
    const train::Evaluation evaluation =
        TRY(score(holdout, *TRY(predictor_of(std::move(candidate)))));
    train::GateInput gate{
        .metrics = evaluation.values(), .logical_date = logical_date, .now = attempt.clock().now()};
    gate.thresholds = TRY(thresholds_of(attempt.request().config));
    gate.leaks = TRY(leaks_of(attempt));
    const Json& production = attempt.request().prepared["production"];
    if (!production.is_null() && production.integer_or("version", 0) != version)
      gate.production = TRY(score_production(attempt, holdout, name, production, logical_date));
    gate.compared_by = attempt.request().config.string_or("compare_by", "auc");
    const train::GateVerdict verdict = TRY(train::decide_promotion(gate));
    for (const std::string& reason : verdict.reasons) attempt.reporting().log(reason);
    attempt.reporting().metrics(evaluation.to_json());
    return Json::object(
        {{"model", name},
         {"version", version},
         {"accepted", verdict.accepted},
         {"promoted", verdict.promoted},
         {"reasons", Json(verdict.reasons)},
         {"metrics", evaluation.to_json()},
         {"values", values_json(evaluation)},
         {"production_before", production},
         {"summary", fmt::format("{} version {}: AUC {:.4f}, log loss {:.4f}, {}", name, version,
                                 evaluation.auc, evaluation.log_loss, outcome(verdict))}});
  }

  Status complete(const ServerSide& server, metadata::Transaction& transaction,
                  const orchestration::TaskInstance& instance, const Json& result) const override {
    const std::string name = TRY(result.string_at("model"));
    const std::int64_t version = TRY(result.integer_at("version"));
    std::vector<std::string> reasons;
    for (const Json& reason : result["reasons"].as_array()) reasons.push_back(reason.as_string());
    const bool promoted = TRY(result.bool_at("promoted"));
    const auto production = TRY(model::tagged_version(transaction, name));
    model::VersionState state =
        TRY(result.bool_at("accepted")) ? model::VersionState::Accepted : model::VersionState::Refused;
    const bool serves = production.has_value() && production->version == version;
    if (serves && state == model::VersionState::Refused) {
      state = production->state;
      reasons.insert(reasons.begin(), judged_while_it_serves(name));
    }
    TRY(model::record_verdict(transaction, name, version, state, reasons,
                              metrics_of(result["values"])));
    if (!promoted) return {};
    // The verdict compared with what served when the attempt began; if a person moved the tag
    // since, judge again.
    const std::int64_t now_serving = production.has_value() ? production->version : 0;
    if (now_serving != result["production_before"].integer_or("version", 0))
      return Error(ErrorCode::Conflict,
                   fmt::format("version {} of {} went into Production while version {} was judged",
                               now_serving, name, version));
    return model::tag(transaction, name, version, model::kProduction,
                      {.who = instance.run.key.str(),
                       .why = reasons.empty() ? "the gate let it through" : reasons.front(),
                       .at = server.clock.now()});
  }

 private:
  static std::string judged_while_it_serves(const std::string& model) {
    return fmt::format(
        "Judged again while it was in Production, it would not be let in now. The gate takes "
        "nobody out; `millrace model rollback {}` does.",
        model);
  }

  static std::string outcome(const train::GateVerdict& verdict) {
    if (verdict.promoted) return "promoted to Production";
    return (verdict.accepted ? "not promoted: " : "refused: ") + verdict.reasons.front();
  }

  static Json values_json(const train::Evaluation& evaluation) {
    Json json = Json::object();
    for (const auto& [name, value] : evaluation.values()) json.set(name, value);
    return json;
  }
};

}  // namespace

const TaskKind& evaluate_kind() {
  static const EvaluateTask kKind;
  return kKind;
}

}  // namespace millrace::tasks
