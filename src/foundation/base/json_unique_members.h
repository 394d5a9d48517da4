#pragma once

// JSON from callers that must say each thing once.

#include <string_view>

#include "base/json.h"

namespace millrace {

/// Json::parse, which keeps the last of members of one name, as most readers do; here an object that
/// has one twice is Invalid, naming it. For requests whose two values would both be meant.
Result<Json> parse_json_with_unique_members(std::string_view text);

}  // namespace millrace
