#include "quality/numbers.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <span>

#include <fmt/core.h>

#include "quality/ask.h"
#include "quality/exact_sum.h"
#include "quality/literal.h"

namespace millrace::quality {
namespace {

double number_of(const Json& value) {
  if (value.is_number()) return value.as_double();
  return value.is_string() ? std::strtod(value.as_string().c_str(), nullptr) : 0;
}

/// Three parts of an ExactSum, which has them where it was taken of any number.
Result<double> combined(std::span<const Json> parts, int scale) {
  std::array<std::string, 3> texts;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (!parts[i].is_string())
      return Error(ErrorCode::Internal, "a sum of floating-point numbers has no part");
    texts[i] = parts[i].as_string();
  }
  return ExactSum::combine(texts, scale);
}

/// The power of two in which numbers up to `magnitude` are measured so that their squares neither
/// overflow nor vanish: 0 where they do not anyway.
int unit_of_squares(double magnitude) {
  constexpr int safe = 400;
  if (magnitude == 0) return 0;
  const int exponent = std::ilogb(magnitude);
  return std::abs(exponent) <= safe ? 0 : std::max(exponent, -1000);
}

}  // namespace

Result<double> Numbers::sum(const SumQuestion& about, const std::string& number) {
  if (!about.floating) return number_of(at(about.parts.front()));
  if (const std::int64_t odd = count_at(about.not_finite); odd > 0)
    return Error(ErrorCode::DataQuality,
                 fmt::format("{} values are NaN or infinite, so there is no such number; make them "
                             "null or leave them out",
                             odd));
  const double magnitude = number_of(at(about.magnitude));
  if (const auto scale = ExactSum::better_scale(count_at(about.beyond), magnitude))
    return sum_at_scale(number, *scale);
  const Json parts[] = {at(about.parts[0]), at(about.parts[1]), at(about.parts[2])};
  return combined(parts, 0);
}

Result<double> Numbers::sum_at_scale(const std::string& number, int scale) {
  begin_pass_("adding");
  const auto exact = ExactSum::expressions(number, scale);
  const std::vector<Json> row =
      TRY(ask_row(session_, fmt::format("SELECT {}, {}, {}, {} FROM {}", exact.parts[0],
                                        exact.parts[1], exact.parts[2], exact.beyond, batch_)));
  if (row[3] != Json(0))
    return Error(ErrorCode::DataQuality, "its numbers are too far apart to be added exactly");
  const double total = TRY(combined(row, scale));
  if (!std::isfinite(total))
    return Error(ErrorCode::DataQuality, "their sum is greater than any floating-point number");
  return total;
}

/// Squares of the distances from the mean, in a pass of their own: squares of the values would
/// cancel where the mean is large.
Result<std::optional<double>> Numbers::deviation(const StatisticQuestion& about) {
  const auto count = static_cast<double>(count_at(about.count));
  if (count < 2) return std::optional<double>();
  const double mean = TRY(sum(*about.sum, about.number)) / count;
  const double least = number_of(at(about.extreme));
  const double greatest = number_of(at(about.within));
  const int unit = unit_of_squares(std::max(std::abs(least), std::abs(greatest)));
  const auto measured = [unit](double value) { return std::ldexp(value, -unit); };
  const double furthest = std::max(measured(greatest) - measured(mean),  // the two are positive
                                   measured(mean) - measured(least));
  const std::string distance = fmt::format(
      "({} * {} - {})", about.number, double_literal(measured(1)), double_literal(measured(mean)));
  const double squares = TRY(
      sum_at_scale(fmt::format("({0} * {0})", distance), ExactSum::scale_for(furthest * furthest)));
  return std::optional(std::ldexp(std::sqrt(squares / (count - 1)), unit));
}

/// The engine's own median keeps all values in memory; a sort spills.
Result<double> Numbers::median(const std::string& number, std::int64_t count) {
  begin_pass_("sorting for a median");
  const std::int64_t middle = count % 2 == 0 ? 2 : 1;
  const std::vector<Json> row = TRY(ask_row(
      session_,
      fmt::format(
          "SELECT min(x), max(x) FROM (SELECT {0} AS x FROM {1} WHERE {0} IS NOT NULL ORDER "
          "BY x LIMIT {2} OFFSET {3})",
          number, batch_, middle, (count - 1) / 2)));
  const double low = number_of(row[0]);
  return low + (number_of(row[1]) - low) / 2;
}

}  // namespace millrace::quality
