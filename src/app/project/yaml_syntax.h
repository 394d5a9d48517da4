#pragma once

// What yaml-cpp says of a file that is not YAML, in the words of whoever has to mend it.

#include <string>
#include <string_view>

namespace millrace::project {

/// The message with what was expected: "end of sequence flow not found; a ']' is missing".
std::string explain_syntax(std::string_view message);

}  // namespace millrace::project
