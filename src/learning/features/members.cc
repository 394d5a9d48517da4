#include "features/members.h"

#include <algorithm>

#include <fmt/core.h>

#include "base/suggest.h"

namespace millrace::features {
namespace {

Error expected(std::string_view member, std::string_view what, const Json& found) {
  return {ErrorCode::Invalid,
          fmt::format("{}: expected {}; found {}", member, what, found.type_name())};
}

/// Text of a definition becomes SQL: a NUL would end it early.
bool is_fit(const Json& value) {
  return value.is_string() && !value.as_string().empty() &&
         value.as_string().find('\0') == std::string::npos;
}

Status expect_object(const Json& json) {
  if (json.is_object()) return {};
  return Error(ErrorCode::Invalid, fmt::format("expected an object; found {}", json.type_name()));
}

std::vector<Error> unknown_members(const Json& json,
                                   std::initializer_list<std::string_view> known) {
  std::vector<Error> errors;
  const std::vector<std::string> words(known.begin(), known.end());
  for (const auto& [name, value] : json.as_object())
    if (std::ranges::find(words, name) == words.end())
      errors.emplace_back(ErrorCode::Invalid,
                          fmt::format("unknown member '{}'{}", name, suggestion(name, words)));
  return errors;
}

}  // namespace

Status only_members(const Json& json, std::initializer_list<std::string_view> known) {
  TRY(expect_object(json));
  const std::vector<Error> unknown = unknown_members(json, known);
  return unknown.empty() ? Status() : unknown.front();
}

bool only_members(const Json& json, std::initializer_list<std::string_view> known,
                  Mistakes& mistakes) {
  mistakes.note(expect_object(json));
  if (!json.is_object()) return false;
  for (const Error& unknown : unknown_members(json, known)) mistakes.note(unknown);
  return true;
}

Result<std::string> required_text(const Json& json, std::string_view member) {
  const Json& value = json[member];
  if (value.is_null())
    return Error(ErrorCode::Invalid, fmt::format("the member '{}' is missing", member));
  if (!is_fit(value)) return expected(member, "a text", value);
  return value.as_string();
}

Result<std::string> optional_text(const Json& json, std::string_view member) {
  if (json[member].is_null()) return std::string();
  return required_text(json, member);
}

Result<std::vector<std::string>> required_texts(const Json& json, std::string_view member) {
  const Json& value = json[member];
  if (is_fit(value)) return std::vector<std::string>{value.as_string()};
  if (value.is_null())
    return Error(ErrorCode::Invalid, fmt::format("the member '{}' is missing", member));
  if (!value.is_array() || value.as_array().empty() ||
      !std::all_of(value.as_array().begin(), value.as_array().end(), is_fit))
    return expected(member, "a list of texts", value);
  std::vector<std::string> texts;
  for (const Json& item : value.as_array()) texts.push_back(item.as_string());
  return texts;
}

Result<std::vector<Json>> elements(const Json& json, std::string_view member) {
  const Json& value = json[member];
  if (value.is_null()) return std::vector<Json>();
  if (!value.is_array()) return expected(member, "a list", value);
  return value.as_array();
}

}  // namespace millrace::features
