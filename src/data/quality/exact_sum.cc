#include "quality/exact_sum.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include <fmt/core.h>

#include "quality/literal.h"

namespace millrace::quality {
namespace {

__extension__ using Wide = __int128;

constexpr int kBits = 62;

Wide wide_from(const std::string& text) {
  Wide value = 0;
  const bool negative = text.starts_with("-");
  for (const char c : text)
    if (c >= '0' && c <= '9') value = value * 10 + (c - '0');
  return negative ? -value : value;
}

/// Moves whole multiples of 2^62 from a lower part up, so that 0 <= low < 2^62.
void carry(Wide& high, Wide& low) {
  const Wide unit = Wide{1} << kBits;
  Wide moved = low / unit;
  if (low % unit < 0) --moved;
  high += moved;
  low -= moved * unit;
}

}  // namespace

ExactSum::Expressions ExactSum::expressions(const std::string& x, int scale) {
  const std::string unit = double_literal(std::ldexp(1, kBits));
  const std::string scaled =
      scale == 0 ? x : fmt::format("({} * {})", x, double_literal(std::ldexp(1, -scale)));
  const auto below = [&](const std::string& value) {
    return fmt::format("(({0} - trunc({0})) * {1})", value, unit);
  };
  const auto whole = [](const std::string& value) {
    return fmt::format("CAST(sum(TRY_CAST(trunc({}) AS BIGINT)) AS VARCHAR)", value);
  };
  Expressions out;
  const std::string second = below(scaled);
  out.parts = {whole(scaled), whole(second), whole(below(second))};
  out.beyond = fmt::format("count({0}) FILTER (WHERE NOT abs({0}) < {1})", scaled, unit);
  out.not_finite = fmt::format("count({0}) FILTER (WHERE NOT isfinite({0}))", x);
  out.magnitude = fmt::format("CAST(max(abs({0})) FILTER (WHERE isfinite({0})) AS VARCHAR)", x);
  return out;
}

std::optional<int> ExactSum::better_scale(std::int64_t beyond, double magnitude) {
  if (beyond == 0 && (magnitude == 0 || magnitude >= std::ldexp(1, -60))) return std::nullopt;
  return scale_for(magnitude);
}

int ExactSum::scale_for(double magnitude) {
  if (magnitude == 0) return 0;
  // The greatest number lands near 2^30: 2^32 of them fit the part above, 154 bits stand below it.
  return std::max(std::ilogb(magnitude) - 30, -1000);
}

double ExactSum::combine(const std::array<std::string, 3>& parts, int scale) {
  Wide p0 = wide_from(parts[0]);
  Wide p1 = wide_from(parts[1]);
  Wide p2 = wide_from(parts[2]);
  carry(p1, p2);
  carry(p0, p1);
  // Near zero the upper parts cancel: put them together while that is exact.
  const Wide limit = Wide{1} << 60;
  double sum = 0;
  if (p0 < limit && p0 > -limit)
    sum = std::ldexp(static_cast<double>(p0 * (Wide{1} << kBits) + p1), -kBits) +
          std::ldexp(static_cast<double>(p2), -2 * kBits);
  else
    sum = static_cast<double>(p0) + std::ldexp(static_cast<double>(p1), -kBits);
  return std::ldexp(sum, scale);
}

}  // namespace millrace::quality
