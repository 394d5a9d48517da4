#include "train/xgboost_trainer.h"

#include <cmath>

#include <fmt/core.h>

#include "base/hash.h"
#include "model/artefact.h"
#include "model/predictor.h"
#include "model/xgboost_library.h"
#include "train/parameters.h"
#include "train/training_rows.h"

namespace millrace::train {

namespace {

using model::Booster;
using model::TrainingMatrix;

constexpr int kMaxRounds = 100'000;
constexpr int kMaxThreads = 1024;

/// A request that has been looked through.
struct Plan {
  std::map<std::string, std::string> parameters;
  Objective objective;
  std::string metric;
};

Error invalid(std::string message) {
  return Error(ErrorCode::Invalid, std::move(message));
}

Status check_numbers(const TrainingRequest& request) {
  if (request.rounds < 1 || request.rounds > kMaxRounds) {
    return invalid(fmt::format("rounds is {}; expected 1 to {}", request.rounds, kMaxRounds));
  }
  if (request.threads < 1 || request.threads > kMaxThreads) {
    return invalid(fmt::format("threads is {}; expected 1 to {}", request.threads, kMaxThreads));
  }
  if (request.early_stopping && request.early_stopping->rounds < 1) {
    return invalid(fmt::format("early stopping after {} rounds; expected at least 1",
                               request.early_stopping->rounds));
  }
  if (request.validate_on_last &&
      !(request.validate_on_last->fraction > 0 && request.validate_on_last->fraction < 1)) {
    return invalid(fmt::format("the validation's fraction is {}; expected between 0 and 1",
                               request.validate_on_last->fraction));
  }
  return {};
}

/// Columns are found without regard to case, so a name that is spelt otherwise is the same column.
Status check_columns(const TrainingRequest& request, const columnar::Schema& columns) {
  const std::optional<std::size_t> label = columns.index_of(request.label);
  for (const std::string& feature : request.features) {
    if (feature == request.label || (label && columns.index_of(feature) == label)) {
      return invalid(
          fmt::format("the label '{}' is also a feature ('{}')", request.label, feature));
    }
  }
  return {};
}

Result<Plan> plan_training(const TrainingRequest& request, const TrainingRows& rows) {
  TRY(check_numbers(request));
  TRY(check_columns(request, rows.training.schema()));
  if (rows.validation != nullptr && request.validate_on_last) {
    return invalid("validation rows are given twice: by the caller and by a rule");
  }
  if (request.early_stopping && rows.validation == nullptr && !request.validate_on_last) {
    return invalid("early stopping needs validation rows: give them, or a rule for the split");
  }
  Plan plan;
  plan.parameters = TRY(check_parameters(request.parameters));
  plan.objective = TRY(objective_named(plan.parameters.at("objective")));
  plan.metric = request.metric.empty() ? plan.objective.default_metric : request.metric;
  TRY(check_round_metric(plan.metric));
  return plan;
}

Status configure(Booster& booster, const Plan& plan, const TrainingRequest& request) {
  for (const auto& [name, value] : plan.parameters) TRY(booster.set_parameter(name, value));
  TRY(booster.set_parameter("eval_metric", plan.metric));
  TRY(booster.set_parameter("seed", std::to_string(request.seed)));
  return booster.set_parameter("nthread", std::to_string(request.threads));
}

/// The rounds so far, and the best of them.
struct Rounds {
  std::vector<RoundMetrics> history;
  std::optional<std::size_t> best;

  void add(RoundMetrics round, bool larger_better) {
    history.push_back(round);
    if (!round.validation) return;
    const double value = *round.validation;
    // A metric that is no number cannot be the best one for long: nothing is better than it.
    const bool better =
        !best || std::isnan(*history[*best].validation) ||
        (larger_better ? value > *history[*best].validation : value < *history[*best].validation);
    if (better) best = history.size() - 1;
  }
  bool should_stop(const std::optional<EarlyStopping>& rule) const {
    return rule && best && history.size() - 1 - *best >= static_cast<std::size_t>(rule->rounds);
  }
};

Result<Rounds> run_rounds(Booster& booster, const TrainingMatrix& training,
                          const TrainingMatrix* validation, const TrainingRequest& request,
                          const Plan& plan, const TrainingControl& control) {
  Rounds rounds;
  for (int round = 0; round < request.rounds && !rounds.should_stop(request.early_stopping);
       ++round) {
    if (control.stop.stop_requested()) {
      return Error(ErrorCode::Cancelled, fmt::format("cancelled after {} rounds", round));
    }
    TRY(booster.update(round, training));
    RoundMetrics metrics;
    metrics.round = round + 1;
    metrics.training = TRY(booster.evaluate(round, training));
    if (validation != nullptr) metrics.validation = TRY(booster.evaluate(round, *validation));
    rounds.add(metrics, larger_is_better(plan.metric));
    if (control.progress) control.progress(metrics);
  }
  return rounds;
}

/// The model in UBJSON, with the features' names. With early stopping it ends with its best round,
/// which is then its last; the attribute says so to readers that predict up to it (SageMaker's
/// container). Without, every round counts, and the attribute would make such readers leave some
/// out.
Result<std::string> finish_booster(Booster booster, const Rounds& rounds,
                                   const std::vector<model::Feature>& features,
                                   const std::optional<EarlyStopping>& early_stopping) {
  if (early_stopping && *rounds.best + 1 < rounds.history.size()) {
    booster = TRY(booster.first_rounds(static_cast<int>(*rounds.best + 1)));
  }
  TRY(booster.set_features(features));
  if (early_stopping) {
    TRY(booster.set_attribute("best_iteration", std::to_string(*rounds.best)));
    TRY(booster.set_attribute("best_score",
                              fmt::format("{}", *rounds.history[*rounds.best].validation)));
  }
  return booster.save();
}

class XgboostTrainer final : public Trainer {
 public:
  Result<TrainedModel> train(const TrainingRequest& request, TrainingRows rows,
                             const TrainingControl& control) override {
    const Plan plan = TRY(plan_training(request, rows));
    PreparedRows prepared = TRY(prepare_rows(request, plan.objective, rows, control.stop));
    TrainedModel trained;
    trained.training_rows = static_cast<std::int64_t>(prepared.training.labels.size());
    trained.validation_rows = static_cast<std::int64_t>(prepared.validation.labels.size());
    const std::vector<model::Feature>& features = prepared.encoder.features();
    const TrainingMatrix training =
        TRY(take_rows(std::move(prepared.training), features, request.threads));
    std::optional<TrainingMatrix> validation;
    if (trained.validation_rows > 0) {
      validation = TRY(take_rows(std::move(prepared.validation), features, request.threads));
    }
    const TrainingMatrix* validating = validation ? &*validation : nullptr;
    Booster booster = TRY(Booster::create(training, validating));
    TRY(configure(booster, plan, request));
    Rounds rounds = TRY(run_rounds(booster, training, validating, request, plan, control));
    const std::string ubjson =
        TRY(finish_booster(std::move(booster), rounds, features, request.early_stopping));
    trained.artefact = TRY(model::pack_artefact(ubjson));
    trained.golden_rows = TRY(model::make_golden_rows(prepared.encoder, prepared.golden, ubjson));
    trained.features = features;
    trained.parameters = plan.parameters;
    trained.objective = plan.objective.name;
    trained.library = "xgboost " + TRY(model::xgboost_version());
    trained.metric = plan.metric;
    if (request.early_stopping) trained.best_iteration = static_cast<int>(*rounds.best);
    trained.rounds = trained.best_iteration ? *trained.best_iteration + 1
                                            : static_cast<int>(rounds.history.size());
    trained.history = std::move(rounds.history);
    return trained;
  }

 private:
  /// libxgboost copies the rows; ours end here.
  static Result<TrainingMatrix> take_rows(LabelledRows rows,
                                          const std::vector<model::Feature>& features,
                                          int threads) {
    return TrainingMatrix::make(rows.features.values, rows.labels, features, threads);
  }
};

}  // namespace

std::unique_ptr<Trainer> make_xgboost_trainer() {
  return std::make_unique<XgboostTrainer>();
}

model::Manifest manifest_of(const TrainedModel& trained, const TrainingRequest& request) {
  model::Manifest manifest;
  manifest.features = trained.features;
  manifest.label = request.label;
  manifest.objective = trained.objective;
  manifest.parameters = trained.parameters;
  manifest.seed = request.seed;
  manifest.rounds = trained.rounds;
  manifest.best_iteration = trained.best_iteration;
  const RoundMetrics& last = trained.last_round();
  manifest.metrics["training_" + trained.metric] = last.training;
  if (last.validation) manifest.metrics["validation_" + trained.metric] = *last.validation;
  manifest.golden_rows = trained.golden_rows;
  manifest.library = trained.library;
  manifest.artefact_sha256 = sha256_hex(trained.artefact);
  return manifest;
}

}  // namespace millrace::train
