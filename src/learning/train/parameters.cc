#include "train/parameters.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <vector>

#include <fmt/core.h>

#include "base/suggest.h"

namespace millrace::train {

namespace {

enum class ParameterKind { Real, Integer, Word };

constexpr double kMost = std::numeric_limits<double>::max();

struct Known {
  std::string name;
  std::string other_name;  // XGBoost's second name for it, or empty
  ParameterKind kind = ParameterKind::Real;
  double low = 0;
  double high = kMost;
  std::vector<std::string> words;
};

/// https://xgboost.readthedocs.io/en/stable/parameter.html; left out is what does not fit one score
/// per row of one process (DART, linear models, devices, distributed training, constraints).
const std::vector<Known>& known_parameters() {
  static const std::vector<Known> known = {
      {"objective",
       "",
       ParameterKind::Word,
       0,
       0,
       {"binary:logistic", "reg:squarederror", "reg:absoluteerror", "count:poisson"}},
      {"tree_method", "", ParameterKind::Word, 0, 0, {"hist", "approx"}},
      {"grow_policy", "", ParameterKind::Word, 0, 0, {"depthwise", "lossguide"}},
      {"eta", "learning_rate", ParameterKind::Real, 0, 1, {}},
      {"gamma", "min_split_loss", ParameterKind::Real, 0, kMost, {}},
      {"max_depth", "", ParameterKind::Integer, 0, 30, {}},
      {"max_leaves", "", ParameterKind::Integer, 0, 1 << 20, {}},
      {"max_bin", "", ParameterKind::Integer, 2, 65'535, {}},
      {"min_child_weight", "", ParameterKind::Real, 0, kMost, {}},
      {"max_delta_step", "", ParameterKind::Real, 0, kMost, {}},
      {"subsample", "", ParameterKind::Real, 1e-6, 1, {}},
      {"colsample_bytree", "", ParameterKind::Real, 1e-6, 1, {}},
      {"colsample_bylevel", "", ParameterKind::Real, 1e-6, 1, {}},
      {"colsample_bynode", "", ParameterKind::Real, 1e-6, 1, {}},
      {"lambda", "reg_lambda", ParameterKind::Real, 0, kMost, {}},
      {"alpha", "reg_alpha", ParameterKind::Real, 0, kMost, {}},
      {"scale_pos_weight", "", ParameterKind::Real, 0, kMost, {}},
      {"num_parallel_tree", "", ParameterKind::Integer, 1, 1000, {}},
      {"max_cat_to_onehot", "", ParameterKind::Integer, 1, 1 << 20, {}},
      {"max_cat_threshold", "", ParameterKind::Integer, 1, 1 << 20, {}},
      {"base_score", "", ParameterKind::Real, -kMost, kMost, {}},
  };
  return known;
}

/// Parameters of XGBoost that have a place of their own here.
const std::map<std::string, std::string>& elsewhere() {
  static const std::map<std::string, std::string> places = {
      {"seed", "seed"},
      {"random_state", "seed"},
      {"nthread", "threads"},
      {"n_jobs", "threads"},
      {"num_round", "rounds"},
      {"num_boost_round", "rounds"},
      {"n_estimators", "rounds"},
      {"early_stopping_rounds", "early_stopping"},
      {"eval_metric", "early_stopping"},
  };
  return places;
}

Error refuse(const std::string& name, std::string_view why) {
  return Error(ErrorCode::Invalid, fmt::format("training parameter '{}': {}", name, why));
}

Error unknown(const std::string& name) {
  if (const auto place = elsewhere().find(name); place != elsewhere().end()) {
    return refuse(name, fmt::format("write it as '{}' of the training itself", place->second));
  }
  return refuse(name, "it is not known" + suggestion(name, parameter_names()));
}

std::string range_of(const Known& known) {
  const std::string_view noun =
      known.kind == ParameterKind::Integer ? "a whole number" : "a number";
  if (known.high == kMost) {
    return known.low == -kMost ? std::string(noun) : fmt::format("{} from {}", noun, known.low);
  }
  return fmt::format("{} from {} to {}", noun, known.low, known.high);
}

Status check_value(const Known& known, const std::string& value) {
  if (known.kind == ParameterKind::Word) {
    if (std::ranges::find(known.words, value) != known.words.end()) return {};
    return refuse(known.name,
                  fmt::format("'{}' is not known{}", value, suggestion(value, known.words)));
  }
  double number = 0;
  const char* end = value.data() + value.size();
  const auto read = std::from_chars(value.data(), end, number);
  const bool is_number = read.ec == std::errc() && read.ptr == end && std::isfinite(number);
  // libxgboost reads an integer from its digits alone: "1e3" would be 1.
  const bool is_whole = std::ranges::all_of(value, [](char c) { return c >= '0' && c <= '9'; });
  if (!is_number || number < known.low || number > known.high ||
      (known.kind == ParameterKind::Integer && !is_whole)) {
    return refuse(known.name, fmt::format("'{}' is not {}", value, range_of(known)));
  }
  return {};
}

}  // namespace

std::vector<std::string> parameter_names() {
  std::vector<std::string> names;
  for (const Known& known : known_parameters()) {
    names.push_back(known.name);
    if (!known.other_name.empty()) names.push_back(known.other_name);
  }
  return names;
}

Result<std::map<std::string, std::string>> check_parameters(
    const std::map<std::string, std::string>& parameters) {
  std::map<std::string, std::string> checked;
  for (const auto& [name, value] : parameters) {
    const auto known = std::ranges::find_if(known_parameters(), [&name](const Known& one) {
      return one.name == name || (!one.other_name.empty() && one.other_name == name);
    });
    if (known == known_parameters().end()) return unknown(name);
    TRY(check_value(*known, value));
    if (!checked.emplace(known->name, value).second) {
      return refuse(name, fmt::format("it is given twice, also as '{}'",
                                      name == known->name ? known->other_name : known->name));
    }
  }
  checked.emplace("objective", "binary:logistic");
  checked.emplace("tree_method", "hist");
  if (checked["objective"] == "binary:logistic" && checked.contains("base_score")) {
    const double base = std::strtod(checked["base_score"].c_str(), nullptr);
    if (base <= 0 || base >= 1) {
      return refuse("base_score", "a probability between 0 and 1 is expected, exclusively");
    }
  }
  return checked;
}

Result<Objective> objective_named(const std::string& name) {
  static const std::vector<Objective> objectives = {
      {"binary:logistic", Objective::Labels::ZeroOrOne, "logloss"},
      {"reg:squarederror", Objective::Labels::Any, "rmse"},
      {"reg:absoluteerror", Objective::Labels::Any, "mae"},
      {"count:poisson", Objective::Labels::NotNegative, "rmse"},
  };
  std::vector<std::string> names;
  for (const Objective& objective : objectives) {
    if (objective.name == name) return objective;
    names.push_back(objective.name);
  }
  return Error(ErrorCode::Invalid,
               fmt::format("the objective '{}' is not known{}", name, suggestion(name, names)));
}

Status check_round_metric(const std::string& metric) {
  static const std::vector<std::string> metrics = {"auc",   "aucpr", "logloss",
                                                   "error", "rmse",  "mae"};
  if (std::ranges::find(metrics, metric) != metrics.end()) return {};
  return Error(ErrorCode::Invalid, fmt::format("the metric '{}' cannot judge a round{}", metric,
                                               suggestion(metric, metrics)));
}

bool larger_is_better(const std::string& round_metric) {
  return round_metric.starts_with("auc");
}

}  // namespace millrace::train
