#pragma once

// The parameters of boosting that we know, so that a slip is an error and not a default:
// libxgboost passes over names that it does not know.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace millrace::train {

/// Checked parameters under XGBoost's first names ("learning_rate" becomes "eta"), with "objective"
/// and "tree_method" always set (binary:logistic and hist unless given). Values stay as they were
/// written. Errors: Invalid names the parameter, what was expected, and the nearest known name.
Result<std::map<std::string, std::string>> check_parameters(
    const std::map<std::string, std::string>& parameters);

/// The names that check_parameters knows, XGBoost's second ones among them.
std::vector<std::string> parameter_names();

/// What labels an objective takes, and by what a round is judged.
struct Objective {
  enum class Labels { ZeroOrOne, NotNegative, Any };
  std::string name;
  Labels labels = Labels::Any;
  std::string default_metric;  // "logloss": XGBoost's own where it has one of ours
};

/// "binary:logistic", "reg:squarederror", "reg:absoluteerror", "count:poisson": those that give one
/// score per row. Errors: Invalid with a suggestion.
Result<Objective> objective_named(const std::string& name);

/// The metrics by which a round may be judged: "auc", "aucpr", "logloss", "error", "rmse", "mae".
/// Errors: Invalid with a suggestion.
Status check_round_metric(const std::string& metric);
/// "auc" and "aucpr" grow when the model gets better, all others shrink.
bool larger_is_better(const std::string& round_metric);

}  // namespace millrace::train
