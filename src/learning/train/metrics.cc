#include "train/metrics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include <fmt/core.h>

#include "base/suggest.h"

namespace millrace::train {

namespace {

constexpr double kProbabilityEdge = std::numeric_limits<float>::epsilon();

Status check_rows(Scores scores, Labels labels) {
  if (scores.size() != labels.size()) {
    return Error(ErrorCode::Invalid,
                 fmt::format("{} scores for {} labels", scores.size(), labels.size()));
  }
  if (scores.empty()) return Error(ErrorCode::Invalid, "there are no rows to evaluate");
  for (std::size_t row = 0; row < scores.size(); ++row) {
    if (std::isnan(scores[row])) {
      return Error(ErrorCode::Invalid, fmt::format("the score of row {} is NaN", row + 1));
    }
    if (labels[row] > 1) {
      return Error(ErrorCode::Invalid,
                   fmt::format("the label of row {} is {}; expected 0 or 1", row + 1, labels[row]));
    }
  }
  return {};
}

Status check_probabilities(Scores probabilities, Labels labels) {
  TRY(check_rows(probabilities, labels));
  const auto outside =
      std::ranges::find_if(probabilities, [](float p) { return p < 0.0F || p > 1.0F; });
  if (outside == probabilities.end()) return {};
  return Error(ErrorCode::Invalid, fmt::format("the score of row {} is {}; a probability is 0 to 1",
                                               outside - probabilities.begin() + 1, *outside));
}

/// The bin (lower, upper] of a probability.
std::size_t bin_of(double probability, const std::vector<ReliabilityBin>& bins) {
  const auto found = std::ranges::lower_bound(bins, probability, {}, &ReliabilityBin::upper);
  return found == bins.end() ? bins.size() - 1 : static_cast<std::size_t>(found - bins.begin());
}

std::int64_t count_positives(Labels labels) {
  return std::accumulate(labels.begin(), labels.end(), std::int64_t{0});
}

}  // namespace

Result<double> area_under_roc(Scores scores, Labels labels) {
  TRY(check_rows(scores, labels));
  if (scores.size() > std::numeric_limits<std::uint32_t>::max()) {
    return Error(ErrorCode::Exhausted, "more than 2^32 - 1 rows to rank");
  }
  std::vector<std::uint32_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0U);
  std::ranges::sort(order, {}, [scores](std::uint32_t row) { return scores[row]; });
  std::uint64_t twice_won = 0;  // a pair that is won counts two, a tie one
  std::uint64_t negatives_below = 0;
  std::uint64_t positives = 0;
  for (std::size_t begin = 0; begin < order.size();) {
    std::uint64_t tied[2] = {0, 0};  // negatives and positives of one score
    std::size_t end = begin;
    for (; end < order.size() && scores[order[end]] == scores[order[begin]]; ++end) {
      ++tied[labels[order[end]]];
    }
    twice_won += tied[1] * (2 * negatives_below + tied[0]);
    negatives_below += tied[0];
    positives += tied[1];
    begin = end;
  }
  if (positives == 0 || negatives_below == 0) {
    return Error(
        ErrorCode::DataQuality,
        fmt::format("all {} labels are {}: the area under the ROC curve needs both classes",
                    labels.size(), positives == 0 ? 0 : 1));
  }
  return static_cast<double>(twice_won) / 2.0 /
         (static_cast<double>(positives) * static_cast<double>(negatives_below));
}

Result<double> standard_error_of_auc(double auc, std::int64_t positives, std::int64_t negatives) {
  if (!(auc >= 0 && auc <= 1) || positives < 1 || negatives < 1) {
    return Error(ErrorCode::Invalid,
                 fmt::format("no standard error for an AUC of {} over {} positive and {} negative "
                             "rows",
                             auc, positives, negatives));
  }
  const double both_above = auc / (2 - auc);
  const double above_both = 2 * auc * auc / (1 + auc);
  const auto p = static_cast<double>(positives);
  const auto n = static_cast<double>(negatives);
  const double variance =
      (auc * (1 - auc) + (p - 1) * (both_above - auc * auc) + (n - 1) * (above_both - auc * auc)) /
      (p * n);
  return std::sqrt(std::max(variance, 0.0));
}

Result<double> log_loss(Scores probabilities, Labels labels) {
  TRY(check_probabilities(probabilities, labels));
  double sum = 0;
  for (std::size_t row = 0; row < labels.size(); ++row) {
    const double p =
        std::clamp(static_cast<double>(probabilities[row]), kProbabilityEdge, 1 - kProbabilityEdge);
    sum -= labels[row] == 1 ? std::log(p) : std::log1p(-p);
  }
  return sum / static_cast<double>(labels.size());
}

Result<double> brier_score(Scores probabilities, Labels labels) {
  TRY(check_probabilities(probabilities, labels));
  double sum = 0;
  for (std::size_t row = 0; row < labels.size(); ++row) {
    const double distance = static_cast<double>(probabilities[row]) - labels[row];
    sum += distance * distance;
  }
  return sum / static_cast<double>(labels.size());
}

Result<Calibration> calibration(Scores probabilities, Labels labels, int bins) {
  TRY(check_probabilities(probabilities, labels));
  if (bins < 1 || bins > 1000) {
    return Error(ErrorCode::Invalid, fmt::format("{} bins; expected 1 to 1000", bins));
  }
  Calibration result;
  for (int i = 0; i < bins; ++i) {
    result.bins.push_back(
        {.lower = static_cast<double>(i) / bins, .upper = static_cast<double>(i + 1) / bins});
  }
  for (std::size_t row = 0; row < labels.size(); ++row) {
    const auto probability = static_cast<double>(probabilities[row]);
    ReliabilityBin& bin = result.bins[bin_of(probability, result.bins)];
    ++bin.rows;
    bin.mean_probability += probability;  // sums until here
    bin.positive_share += labels[row];
  }
  for (ReliabilityBin& bin : result.bins) {
    if (bin.rows == 0) continue;
    result.expected_error += std::fabs(bin.mean_probability - bin.positive_share);
    bin.mean_probability /= static_cast<double>(bin.rows);
    bin.positive_share /= static_cast<double>(bin.rows);
  }
  result.expected_error /= static_cast<double>(labels.size());
  return result;
}

std::map<std::string, double> Evaluation::values() const {
  return {{"auc", auc},
          {"auc_standard_error", auc_standard_error},
          {"log_loss", log_loss},
          {"brier", brier},
          {"calibration_error", calibration.expected_error},
          {"rows", static_cast<double>(positives + negatives)},
          {"positives", static_cast<double>(positives)}};
}

Json Evaluation::to_json() const {
  Json json = Json::object();
  for (const auto& [name, value] : values()) json.set(name, value);
  json.set("rows", positives + negatives);
  json.set("positives", positives);
  Json bins = Json::array();
  for (const ReliabilityBin& bin : calibration.bins) {
    bins.push(Json::object({{"lower", bin.lower},
                            {"upper", bin.upper},
                            {"rows", bin.rows},
                            {"mean_probability", bin.mean_probability},
                            {"positive_share", bin.positive_share}}));
  }
  json.set("reliability", std::move(bins));
  return json;
}

Result<Evaluation> evaluate(Scores probabilities, Labels labels) {
  Evaluation evaluation;
  TRY(check_probabilities(probabilities, labels));
  evaluation.positives = count_positives(labels);
  evaluation.negatives = static_cast<std::int64_t>(labels.size()) - evaluation.positives;
  evaluation.auc = TRY(area_under_roc(probabilities, labels));
  evaluation.auc_standard_error =
      TRY(standard_error_of_auc(evaluation.auc, evaluation.positives, evaluation.negatives));
  evaluation.log_loss = TRY(log_loss(probabilities, labels));
  evaluation.brier = TRY(brier_score(probabilities, labels));
  evaluation.calibration = TRY(calibration(probabilities, labels));
  return evaluation;
}

Status check_metric(const std::string& metric) {
  const std::map<std::string, double> measured = Evaluation().values();
  if (measured.contains(metric)) return {};
  std::vector<std::string> names;
  for (const auto& [name, value] : measured) names.push_back(name);
  return Error(ErrorCode::Invalid, fmt::format("an evaluation does not measure '{}'{}", metric,
                                               suggestion(metric, names)));
}

}  // namespace millrace::train
