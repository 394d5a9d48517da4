#pragma once

// Sums, deviations and medians of a column: what the one scan of a validation has answered in parts
// is put together, and what it could not is asked in a pass of its own.

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "engine/engine.h"
#include "quality/question.h"

namespace millrace::quality {

class Numbers {
 public:
  /// `batch` is what stands behind FROM; `answers` are those of the scan, which questions name by
  /// their place. Both must outlive the object. `begin_pass` is told before each further statement.
  Numbers(engine::Session& session, const std::string& batch, const std::vector<Json>& answers,
          std::function<void(std::string_view pass)> begin_pass)
      : session_(session), batch_(batch), answers_(answers), begin_pass_(std::move(begin_pass)) {}

  /// Exact, whatever the order of the rows (exact_sum.h). `number` is the SQL of one row's number.
  /// Errors of these: DataQuality where there is no such number; those of the engine.
  Result<double> sum(const SumQuestion& about, const std::string& number);
  /// Of a sample: nothing for fewer than two numbers.
  Result<std::optional<double>> deviation(const StatisticQuestion& about);
  /// Of `count` numbers, at least one.
  Result<double> median(const std::string& number, std::int64_t count);

 private:
  const Json& at(std::size_t i) const { return answers_[i]; }
  std::int64_t count_at(std::size_t i) const { return at(i).is_null() ? 0 : at(i).as_integer(); }
  Result<double> sum_at_scale(const std::string& number, int scale);

  engine::Session& session_;
  const std::string& batch_;
  const std::vector<Json>& answers_;
  std::function<void(std::string_view)> begin_pass_;
};

}  // namespace millrace::quality
