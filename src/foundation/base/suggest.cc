#include "base/suggest.h"

#include <algorithm>
#include <ranges>
#include <vector>

namespace millrace {
namespace {

constexpr std::size_t kListed = 12;

std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i)
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = a[i - 1] == b[j - 1] ? 0 : 1;
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + change});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  return d[a.size()][b.size()];
}

/// How often "not" stands in it as a word: "expect_column_values_to_not_be_null" once.
int negations(std::string_view word) {
  int count = 0;
  for (const auto part : std::views::split(word, '_'))
    count += std::ranges::equal(part, std::string_view("not")) ? 1 : 0;
  return count;
}

}  // namespace

std::optional<std::string> nearest_word(std::string_view word, std::span<const std::string> known) {
  const std::size_t limit = std::max<std::size_t>(1, word.size() / 3);
  std::optional<std::string> nearest;
  std::size_t best = limit + 1;
  for (const std::string& candidate : known) {
    // Long texts from outside are not words: their distance is not worth computing.
    if (word.size() > 256 || candidate.size() > 256) continue;
    if (negations(candidate) != negations(word)) continue;
    const std::size_t d = distance(word, candidate);
    if (d < best) {
      best = d;
      nearest = candidate;
    }
  }
  return nearest;
}

std::string suggestion(std::string_view word, std::span<const std::string> known) {
  if (auto nearest = nearest_word(word, known)) return "; did you mean '" + *nearest + "'?";
  if (known.empty()) return "";
  std::string text = "; known: ";
  for (std::size_t i = 0; i < std::min(known.size(), kListed); ++i)
    text += (i > 0 ? ", " : "") + known[i];
  if (known.size() > kListed) text += ", ...";
  return text;
}

}  // namespace millrace
