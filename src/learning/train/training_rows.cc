#include "train/training_rows.h"

#include <algorithm>
#include <cmath>

#include <fmt/core.h>

#include "base/suggest.h"
#include "model/predictor.h"

namespace millrace::train {

namespace {

using columnar::Column;
using columnar::Kind;
using columnar::RecordBatch;

/// What has been read so far, in the order of reading.
struct Gathered {
  model::FeatureLearner learner;
  std::vector<float> labels;
  std::vector<std::int64_t> times;  // only with ValidateOnLast
};

Error refuse_label(const std::string& label, std::size_t row, std::string_view why) {
  return Error(ErrorCode::Invalid, fmt::format("row {}, label '{}': {}", row, label, why));
}

Result<float> label_in(const Column& column, std::size_t row, std::size_t number,
                       const std::string& name, const Objective& objective) {
  if (column.is_null(row)) {
    return refuse_label(name, number, "it is null; leave rows without a label out in SQL");
  }
  const double value =
      column.type().kind == Kind::Boolean ? (column.boolean(row) ? 1.0 : 0.0) : column.number(row);
  if (!std::isfinite(static_cast<float>(value))) {
    return refuse_label(name, number, fmt::format("{} is no finite 32-bit number", value));
  }
  if (objective.labels == Objective::Labels::ZeroOrOne && value != 0 && value != 1) {
    return refuse_label(name, number,
                        fmt::format("{} found; {} takes 0 or 1", value, objective.name));
  }
  if (objective.labels == Objective::Labels::NotNegative && value < 0) {
    return refuse_label(name, number,
                        fmt::format("{} found; {} takes 0 and above", value, objective.name));
  }
  return static_cast<float>(value);
}

Status gather_labels(const RecordBatch& batch, const TrainingRequest& request,
                     const Objective& objective, std::size_t first, std::vector<float>& labels) {
  const Column column = TRY_DOING("the label", batch.column(request.label));
  if (column.type().kind != Kind::Boolean && !column.type().is_numeric()) {
    return Error(ErrorCode::Invalid,
                 fmt::format("the label '{}' is a {}; expected a number or a boolean",
                             request.label, columnar::to_sql(column.type())));
  }
  for (std::size_t row = 0; row < batch.row_count(); ++row) {
    labels.push_back(
        TRY(label_in(column, row, labels.size() - first + 1, request.label, objective)));
  }
  return {};
}

Status gather_times(const RecordBatch& batch, const std::string& name,
                    std::vector<std::int64_t>& times) {
  const Column column = TRY_DOING("the time column of the validation split", batch.column(name));
  const Kind kind = column.type().kind;
  if (!column.type().is_integer() && kind != Kind::Date && kind != Kind::Timestamp &&
      kind != Kind::TimestampNtz) {
    return Error(ErrorCode::Invalid,
                 fmt::format("the time column '{}' of the validation split is a {}; expected a "
                             "date, a moment or a whole number",
                             name, columnar::to_sql(column.type())));
  }
  for (std::size_t row = 0; row < batch.row_count(); ++row) {
    if (column.is_null(row)) {
      return Error(ErrorCode::Invalid,
                   fmt::format("row {}, time column '{}': it is null", times.size() + 1, name));
    }
    times.push_back(column.integer(row));
  }
  return {};
}

Status gather(columnar::BatchReader& reader, const TrainingRequest& request,
              const Objective& objective, const std::stop_token& stop, Gathered& gathered) {
  const std::size_t first = gathered.labels.size();  // rows are counted from 1 in each reader
  while (std::optional<RecordBatch> batch = TRY(reader.next())) {
    if (stop.stop_requested()) {
      return Error(ErrorCode::Cancelled, "cancelled while reading training rows");
    }
    TRY(gathered.learner.append(*batch, gathered.labels.size() - first + 1));
    TRY(gather_labels(*batch, request, objective, first, gathered.labels));
    if (request.validate_on_last) {
      TRY(gather_times(*batch, request.validate_on_last->time_column, gathered.times));
    }
  }
  return {};
}

/// True for the rows before the latest part.
Result<std::vector<bool>> split_by_time(const ValidateOnLast& rule,
                                        const std::vector<std::int64_t>& times) {
  std::vector<std::int64_t> sorted = times;
  const auto wanted =
      static_cast<std::size_t>(std::ceil(rule.fraction * static_cast<double>(times.size())));
  const std::size_t first = times.size() - std::clamp<std::size_t>(wanted, 1, times.size());
  std::ranges::nth_element(sorted, sorted.begin() + static_cast<std::ptrdiff_t>(first));
  const std::int64_t boundary = sorted[first];
  std::vector<bool> trains(times.size());
  for (std::size_t row = 0; row < times.size(); ++row) trains[row] = times[row] < boundary;
  if (std::ranges::count(trains, true) == 0) {
    return Error(ErrorCode::Invalid,
                 fmt::format("no row is left to train on: the last {} of the rows by '{}' are all "
                             "of them",
                             rule.fraction, rule.time_column));
  }
  return trains;
}

Status check_classes(const std::vector<float>& labels, const std::vector<bool>& rows, bool part,
                     std::string_view what) {
  bool found[2] = {false, false};
  for (std::size_t row = 0; row < labels.size(); ++row) {
    if (rows[row] == part) found[labels[row] == 1 ? 1 : 0] = true;
  }
  if (found[0] && found[1]) return {};
  return Error(ErrorCode::DataQuality,
               fmt::format("all labels of the {} rows are {}; a model of two classes needs both",
                           what, found[1] ? 1 : 0));
}

/// Takes the rows of one part out of all.
LabelledRows part_of(const model::FeatureRows& all, const std::vector<float>& labels,
                     const std::vector<bool>& trains, bool part) {
  LabelledRows rows;
  rows.features.width = all.width;
  const auto count = static_cast<std::size_t>(std::ranges::count(trains, part));
  rows.features.values.reserve(count * all.width);
  rows.labels.reserve(count);
  for (std::size_t row = 0; row < labels.size(); ++row) {
    if (trains[row] != part) continue;
    const auto begin = all.values.begin() + static_cast<std::ptrdiff_t>(row * all.width);
    rows.features.values.insert(rows.features.values.end(), begin,
                                begin + static_cast<std::ptrdiff_t>(all.width));
    rows.labels.push_back(labels[row]);
  }
  return rows;
}

Result<std::vector<bool>> decide_split(const TrainingRequest& request, const TrainingRows& rows,
                                       std::size_t training_rows, const Gathered& gathered) {
  if (request.validate_on_last) return split_by_time(*request.validate_on_last, gathered.times);
  std::vector<bool> trains(gathered.labels.size(), true);
  std::fill(trains.begin() + static_cast<std::ptrdiff_t>(training_rows), trains.end(), false);
  if (rows.validation != nullptr && training_rows == trains.size()) {
    return Error(ErrorCode::DataQuality, "there are no validation rows");
  }
  return trains;
}

}  // namespace

Result<PreparedRows> prepare_rows(const TrainingRequest& request, const Objective& objective,
                                  TrainingRows rows, const std::stop_token& stop) {
  std::vector<model::Feature> features =
      TRY(model::features_of(rows.training.schema(), request.features, request.categorical));
  Gathered gathered{
      .learner = TRY(model::FeatureLearner::make(std::move(features))), .labels = {}, .times = {}};
  TRY_DOING("training rows", gather(rows.training, request, objective, stop, gathered));
  const std::size_t training_rows = gathered.labels.size();
  if (training_rows == 0) return Error(ErrorCode::DataQuality, "there are no rows to train on");
  if (rows.validation != nullptr) {
    TRY_DOING("validation rows", gather(*rows.validation, request, objective, stop, gathered));
  }
  const std::vector<bool> trains = TRY(decide_split(request, rows, training_rows, gathered));
  const bool validates = std::ranges::count(trains, false) > 0;
  if (objective.labels == Objective::Labels::ZeroOrOne) {
    TRY(check_classes(gathered.labels, trains, true, "training"));
    if (validates) TRY(check_classes(gathered.labels, trains, false, "validation"));
  }
  model::FeatureLearner::Learned learned = TRY(std::move(gathered.learner).finish(trains));
  model::FeatureRows golden = model::spread_rows(learned.rows, model::kGoldenRows);
  if (!validates) {
    return PreparedRows{std::move(learned.encoder),
                        {std::move(learned.rows), std::move(gathered.labels)},
                        {},
                        std::move(golden)};
  }
  LabelledRows training = part_of(learned.rows, gathered.labels, trains, true);
  LabelledRows validation = part_of(learned.rows, gathered.labels, trains, false);
  return PreparedRows{std::move(learned.encoder), std::move(training), std::move(validation),
                      std::move(golden)};
}

}  // namespace millrace::train
