#pragma once

// The text of a migration, taken apart.

#include <string>
#include <string_view>
#include <vector>

namespace millrace::metadata {

/// The statements of `script` without their ';', comments gone and white space outside quotes
/// folded to one blank, so that reformatting a step does not change it. Knows '...', "...", -- and
/// /* */; no dollar quotes, no triggers.
std::vector<std::string> split_statements(std::string_view script);

}  // namespace millrace::metadata
