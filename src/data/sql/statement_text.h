#pragma once

// Where a statement's text ends. Nothing else about SQL is read here: what a statement means is the
// engine's to say.

#include <cstddef>
#include <string_view>

#include "base/result.h"

namespace millrace::sql {

/// The text of one statement without what follows it: semicolons, white space and comments at its
/// end. So it can stand in brackets inside another statement. Errors: Invalid when the text is
/// empty, holds a NUL character or a second statement, or when a string, quoted name or comment
/// has no end.
Result<std::string_view> single_statement(std::string_view sql);

/// The length of the string, quoted name, dollar-quoted string or comment that starts at
/// `sql[at]`; 0 when none does. It reaches the end of `sql` when its own end is missing.
std::size_t quoted_length(std::string_view sql, std::size_t at);

}  // namespace millrace::sql
