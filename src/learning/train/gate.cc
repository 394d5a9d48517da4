#include "train/gate.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include <fmt/core.h>

#include "base/suggest.h"
#include "base/text.h"

namespace millrace::train {

namespace {

constexpr std::string_view kLosses[] = {"log_loss", "logloss", "brier", "calibration_error",
                                        "error",    "rmse",    "mae"};

using Relation = Threshold::Relation;

constexpr std::pair<std::string_view, Relation> kRelations[] = {  // the longer ones first
    {">=", Relation::AtLeast},
    {"<=", Relation::AtMost},
    {">", Relation::Above},
    {"<", Relation::Below}};

std::string_view sign_of(Relation relation) {
  for (const auto& [sign, meaning] : kRelations) {
    if (meaning == relation) return sign;
  }
  return "?";
}

bool holds(double value, const Threshold& threshold) {
  switch (threshold.relation) {
    case Relation::Above:
      return value > threshold.bound;
    case Relation::AtLeast:
      return value >= threshold.bound;
    case Relation::Below:
      return value < threshold.bound;
    case Relation::AtMost:
      return value <= threshold.bound;
  }
  return false;
}

Result<double> measured(const std::map<std::string, double>& metrics, const std::string& name) {
  const auto found = metrics.find(name);
  if (found != metrics.end()) return found->second;
  std::vector<std::string> known;
  known.reserve(metrics.size());
  for (const auto& [metric, value] : metrics) known.push_back(metric);
  return Error(ErrorCode::NotFound,
               fmt::format("the gate asks for the metric '{}', which was not measured{}", name,
                           suggestion(name, known)));
}

/// Collects the sentences of checks that failed, of what else keeps the version out of Production,
/// and of checks that held.
struct Findings {
  std::vector<std::string> failed;
  std::vector<std::string> later;
  std::vector<std::string> held;

  void add(bool ok, std::string sentence) { (ok ? held : failed).push_back(std::move(sentence)); }
};

void compare_with_later(const GateInput& input, Findings& findings) {
  const ProductionScore& later = *input.production;
  if (later.logical_date > input.now)
    findings.held.push_back(fmt::format(
        "Version {} in Production was made for {}, a date to come, which does not count as the "
        "latest: it may have learned from rows of this holdout, so the two are not compared.",
        later.version, format_instant(later.logical_date)));
  else
    findings.later.push_back(fmt::format(
        "Version {} in Production was made for {}, later than this one ({}): it has learned from "
        "rows of this holdout, so the two are not compared, and it stays in Production.",
        later.version, format_instant(later.logical_date), format_instant(input.logical_date)));
}

Status compare_with_production(const GateInput& input, Findings& findings) {
  if (!input.production) {
    findings.held.emplace_back("No version is in Production yet.");
    return {};
  }
  if (input.production->logical_date > input.logical_date) {
    compare_with_later(input, findings);
    return {};
  }
  if (!input.production->unscorable.empty()) {
    findings.held.push_back(
        fmt::format("Version {} in Production cannot score this holdout ({}), so the two are not "
                    "compared.",
                    input.production->version, input.production->unscorable));
    return {};
  }
  const double candidate = TRY(measured(input.metrics, input.compared_by));
  const double serving = TRY(measured(input.production->metrics, input.compared_by));
  const double gain =
      lower_is_better(input.compared_by) ? serving - candidate : candidate - serving;
  const bool ok = gain >= -input.tolerance;  // false for a NaN
  findings.add(ok, fmt::format("On the same holdout {} is {:.6g}, and {:.6g} for version {} in "
                               "Production: {}.",
                               input.compared_by, candidate, serving, input.production->version,
                               ok ? "not worse" : "worse"));
  return {};
}

}  // namespace

Result<Threshold> parse_threshold(std::string_view text) {
  const auto refuse = [text](std::string_view why) {
    return Error(ErrorCode::Invalid,
                 fmt::format("'{}' is no threshold: {}; write it as 'auc > 0.8'", text, why));
  };
  for (const auto& [sign, relation] : kRelations) {
    const std::size_t at = text.find(sign);
    if (at == std::string_view::npos) continue;
    const std::string_view metric = trim(text.substr(0, at));
    const std::string_view number = trim(text.substr(at + sign.size()));
    double bound = 0;
    const auto read = std::from_chars(number.data(), number.data() + number.size(), bound);
    if (metric.empty() || metric.find(' ') != std::string_view::npos) {
      return refuse("one word for the metric is expected before the sign");
    }
    if (read.ec != std::errc() || read.ptr != number.data() + number.size() ||
        !std::isfinite(bound)) {
      return refuse(fmt::format("'{}' is no number", number));
    }
    return Threshold{.metric = std::string(metric), .relation = relation, .bound = bound};
  }
  return refuse("it has none of >, >=, <, <=");
}

std::string to_string(const Threshold& threshold) {
  return fmt::format("{} {} {}", threshold.metric, sign_of(threshold.relation), threshold.bound);
}

bool lower_is_better(std::string_view metric) {
  return std::ranges::find(kLosses, metric) != std::end(kLosses);
}

Json GateVerdict::to_json() const {
  return Json::object({{"accepted", accepted}, {"promoted", promoted}, {"reasons", Json(reasons)}});
}

Result<GateVerdict> decide_promotion(const GateInput& input) {
  Findings findings;
  if (input.leaks)
    for (const std::string& leak : input.leaks->findings) findings.add(false, leak);
  for (const Threshold& threshold : input.thresholds) {
    const double value = TRY(measured(input.metrics, threshold.metric));
    findings.add(holds(value, threshold),
                 fmt::format("{} is {:.6g}; the gate asks for {}.", threshold.metric, value,
                             to_string(threshold)));
  }
  TRY(compare_with_production(input, findings));
  // Last: where one reason is shown, the first, it says how good the version is.
  if (input.leaks && input.leaks->findings.empty())
    findings.held.emplace_back("The leak check found nothing.");
  GateVerdict verdict;
  verdict.accepted = findings.failed.empty();
  verdict.promoted = verdict.accepted && findings.later.empty();
  for (const auto* part : {&findings.failed, &findings.later, &findings.held})
    verdict.reasons.insert(verdict.reasons.end(), part->begin(), part->end());
  return verdict;
}

}  // namespace millrace::train
