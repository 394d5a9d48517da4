#include "quality/arguments.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/core.h>
#include <re2/re2.h>

#include "base/suggest.h"
#include "base/time.h"
#include "base/utf8.h"
#include "quality/type_names.h"

namespace millrace::quality {
namespace {

bool is_list_of(const Json& value, bool (*fits)(const Json&)) {
  return value.is_array() && std::all_of(value.as_array().begin(), value.as_array().end(), fits);
}

/// What stood there, short enough for a message.
std::string shown(const Json& value) {
  const std::string text = value.is_string() ? "'" + value.as_string() + "'" : value.dump();
  return text.size() <= 60 ? text : std::string(cut_utf8(text, 57)) + "...";
}

bool is_text(const Json& value) {
  return value.is_string();
}
bool is_scalar(const Json& value) {
  return !value.is_array() && !value.is_object();
}
bool is_type(const Json& value) {
  return value.is_string() && is_type_name(value.as_string());
}
bool is_count(const Json& value) {
  return value.is_integer() ||
         (value.is_number() && value.as_double() == std::trunc(value.as_double()));
}
bool is_ignored_row(const Json& value) {
  constexpr std::array<std::string_view, 6> kWords = {"both_values_are_missing",
                                                      "either_value_is_missing",
                                                      "all_values_are_missing",
                                                      "any_value_is_missing",
                                                      "neither",
                                                      "never"};
  return value.is_string() && std::ranges::find(kWords, value.as_string()) != kWords.end();
}

/// What an argument of a kind is, and how that is said where it is not.
struct Expected {
  ArgumentKind kind;
  bool (*fits)(const Json&);
  std::string_view words;
};

const std::vector<Expected>& expected() {
  static const std::vector<Expected> all = {
      {ArgumentKind::Text, is_text, "expected a text"},
      {ArgumentKind::Flag, [](const Json& value) { return value.is_bool(); },
       "expected true or false"},
      {ArgumentKind::WholeNumber,
       [](const Json& value) { return value.is_integer() && value.as_integer() >= 0; },
       "expected a whole number from 0"},
      {ArgumentKind::CountBound, is_count, "not a valid integer"},
      {ArgumentKind::NumericBound, [](const Json& value) { return value.is_number(); },
       "expected a number"},
      {ArgumentKind::Bound,
       [](const Json& value) { return value.is_number() || value.is_string(); },
       "expected a number, a moment or a text"},
      {ArgumentKind::Names, [](const Json& value) { return is_list_of(value, is_text); },
       "expected a list of texts"},
      {ArgumentKind::Values, [](const Json& value) { return is_list_of(value, is_scalar); },
       "expected a list of numbers, texts, true or false"},
      {ArgumentKind::TypeName, is_type,
       "not the name of a type; write it as SQL does (BIGINT, VARCHAR, TIMESTAMP)"},
      {ArgumentKind::TypeNames, [](const Json& value) { return is_list_of(value, is_type); },
       "expected a list of names of types, as SQL writes them (BIGINT, VARCHAR)"},
      {ArgumentKind::AnyOrAll,
       [](const Json& value) { return value == Json("any") || value == Json("all"); },
       "expected any or all"},
      {ArgumentKind::IgnoreRow, is_ignored_row,
       "expected one of both_values_are_missing, either_value_is_missing, neither (a pair), "
       "all_values_are_missing, any_value_is_missing, never (several columns)"},
  };
  return all;
}

/// What was expected of the argument, or "" when the value is that.
std::string_view complaint(ArgumentKind kind, const Json& value) {
  const auto& row = *std::ranges::find(expected(), kind, &Expected::kind);
  if (row.fits(value)) return "";
  if (kind == ArgumentKind::NumericBound && value.is_string() && !parse_instant(value.as_string()))
    return "expected a number (nor is the text a moment: invalid datetime format)";
  return row.words;
}

Error refusal(std::string_view argument, std::string_view why, const Json& value) {
  return {ErrorCode::Invalid, fmt::format("{}: {}; found {}", argument, why, shown(value))};
}

Status check_known(const std::vector<Argument>& taken, bool takes_mostly, const Json& kwargs) {
  std::vector<std::string> names;
  names.reserve(taken.size() + 1);
  for (const Argument& argument : taken) names.emplace_back(argument.name);
  if (takes_mostly) names.emplace_back("mostly");
  for (const auto& [name, value] : kwargs.as_object()) {
    if (std::find(names.begin(), names.end(), name) != names.end()) continue;
    return Error(ErrorCode::Invalid,
                 fmt::format("unknown argument '{}'{}", name, suggestion(name, names)));
  }
  return {};
}

/// A NUL would end a text early where it becomes SQL, and stands in no column of texts.
bool holds_nul(const Json& value) {
  if (value.is_string()) return value.as_string().find('\0') != std::string::npos;
  return value.is_array() &&
         std::any_of(value.as_array().begin(), value.as_array().end(), holds_nul);
}

Status check_order(const Json& kwargs) {
  const Json& min = kwargs["min_value"];
  const Json& max = kwargs["max_value"];
  if (min.is_null() || max.is_null()) return {};
  if (min.is_number() != max.is_number())
    return Error(ErrorCode::Invalid,
                 fmt::format("min_value {} and max_value {} are of different kinds", shown(min),
                             shown(max)));
  const bool wrong = min.is_number() ? min.as_double() > max.as_double() : false;
  if (wrong)
    return Error(ErrorCode::Invalid,
                 fmt::format("min_value {} is above max_value {}; min_value must be less than or "
                             "equal to max_value",
                             shown(min), shown(max)));
  return {};
}

Status check_mostly(const Json& mostly) {
  if (mostly.is_null()) return {};
  if (!mostly.is_number() || mostly.as_double() < 0 || mostly.as_double() > 1)
    return refusal("mostly",
                   "expected a number greater than or equal to 0 and less than or equal to 1",
                   mostly);
  return {};
}

/// A rule about each value without an end on either side says nothing: a slip.
Status check_some_bound(const std::vector<Argument>& taken, const Json& kwargs) {
  const bool bounded = std::any_of(taken.begin(), taken.end(),
                                   [](const Argument& it) { return it.name == "min_value"; });
  if (!bounded || !kwargs["min_value"].is_null() || !kwargs["max_value"].is_null()) return {};
  return Error(ErrorCode::Invalid, "min_value and max_value cannot both be missing");
}

Status check_pattern(const Json& regex) {
  if (!regex.is_string()) return {};
  const RE2 pattern(regex.as_string(), RE2::Quiet);
  if (pattern.ok()) return {};
  return Error(ErrorCode::Invalid,
               fmt::format("regex {} is not a regular expression of RE2: {}; lookahead, lookbehind "
                           "and backreferences do not exist there",
                           shown(regex), pattern.error()));
}

}  // namespace

std::vector<std::string> Arguments::names(std::string_view name) const {
  std::vector<std::string> names;
  if (!given(name)) return names;
  for (const Json& item : (*kwargs_)[name].as_array()) names.push_back(item.as_string());
  return names;
}

std::vector<Json> Arguments::values(std::string_view name) const {
  return given(name) ? (*kwargs_)[name].as_array() : std::vector<Json>{};
}

Bounds Arguments::bounds() const {
  return {(*kwargs_)["min_value"], (*kwargs_)["max_value"], flag("strict_min", false),
          flag("strict_max", false)};
}

Bounds Arguments::exactly(std::string_view name) const {
  return {(*kwargs_)[name], (*kwargs_)[name], false, false};
}

IgnoreRow Arguments::ignore() const {
  const std::string word = text("ignore_row_if");
  if (word == "either_value_is_missing" || word == "any_value_is_missing")
    return IgnoreRow::AnyMissing;
  if (word == "neither" || word == "never") return IgnoreRow::Never;
  return IgnoreRow::AllMissing;
}

Status check_arguments(const std::vector<Argument>& taken, bool takes_mostly, const Json& kwargs) {
  TRY(check_known(taken, takes_mostly, kwargs));
  for (const Argument& argument : taken) {
    const Json& value = kwargs[argument.name];
    if (value.is_null()) {
      if (!argument.required) continue;
      return Error(ErrorCode::Invalid, fmt::format("the argument '{}' is missing", argument.name));
    }
    const std::string_view why =
        holds_nul(value) ? "a text without NUL characters" : complaint(argument.kind, value);
    if (!why.empty()) return refusal(argument.name, why, value);
  }
  TRY(check_order(kwargs));
  if (takes_mostly) {
    TRY(check_mostly(kwargs["mostly"]));
    TRY(check_some_bound(taken, kwargs));
  }
  return check_pattern(kwargs["regex"]);
}

}  // namespace millrace::quality
