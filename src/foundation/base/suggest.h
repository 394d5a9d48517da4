#pragma once

// "Did you mean ...?": the nearest of the known words, for errors about a word that is not known.

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace millrace {

/// The word with the smallest Damerau-Levenshtein distance (optimal string alignment), when it is
/// near enough to be a slip: at most a third of the word's length, at least one. Never the opposite:
/// "values_not_null" is no slip for "values_to_be_null".
std::optional<std::string> nearest_word(std::string_view word, std::span<const std::string> known);

/// "; did you mean 'retries'?", or, when nothing is near, "; known: a, b, c" (at most twelve), or
/// "".
std::string suggestion(std::string_view word, std::span<const std::string> known);

}  // namespace millrace
