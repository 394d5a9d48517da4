#pragma once

// What yaml-cpp says of a file that is not YAML, in the words of whoever has to mend it.

#include <optional>
#include <string>
#include <string_view>

namespace millrace::project {

/// The message with what was expected: "end of sequence flow not found; a ']' is missing".
std::string explain_syntax(std::string_view message);

/// A character of a text; both count from 0, as yaml-cpp counts.
struct TextMark {
  int line = 0;
  int column = 0;
};

/// The tab that indents line `line` of a text that is not YAML, or the last line before it that is not
/// empty: there yaml-cpp names a mistake that such a tab has made, and never the tab.
std::optional<TextMark> tab_before(std::string_view text, int line);

}  // namespace millrace::project
