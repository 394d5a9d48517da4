#pragma once

// Reading the members of a definition, with errors that name the member.

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace millrace::features {

/// Errors: Invalid when `json` is no object or has a member that is none of these.
Status only_members(const Json& json, std::initializer_list<std::string_view> known);

/// A text that is not empty.
Result<std::string> required_text(const Json& json, std::string_view member);
/// A text, or "" when the member is missing or null.
Result<std::string> optional_text(const Json& json, std::string_view member);
/// A list of texts, or one text alone; at least one.
Result<std::vector<std::string>> required_texts(const Json& json, std::string_view member);
/// The elements of a list; none when the member is missing or null.
Result<std::vector<Json>> elements(const Json& json, std::string_view member);

}  // namespace millrace::features
