#pragma once

// UTF-8 (RFC 3629): what text must be before it is kept in a database or used as a name.

#include <string>
#include <string_view>

namespace millrace {

bool is_utf8(std::string_view text);

/// How many bytes the character at the start of `text` has, 1 to 4; 0 where there is none.
std::size_t character_length(std::string_view text);

/// The text with every byte that is no part of a character replaced by U+FFFD: for what others
/// wrote and we must keep (a task's error message, a log line). Text that is UTF-8 comes back as it
/// was.
std::string to_utf8(std::string_view text);

/// The beginning of the text, of at most `most` bytes, that ends between two characters.
std::string_view cut_utf8(std::string_view text, std::size_t most);

}  // namespace millrace
