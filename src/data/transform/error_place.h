#pragma once

// Where in a model's file an engine's error is.
//
// The engine speaks of lines of the text that it was given ("LINE 3:   delai"), behind comments and
// config() that have become nothing. Here that line is found again in the file that people edit.

#include <string>
#include <string_view>

namespace millrace::transform {

/// "models/labels.sql:5", or the path alone when the message names no line, or none that is found
/// again without doubt.
///
///   raw       the model's file
///   compiled  the text that the engine was given
///   message   the engine's, with "LINE n: ..." in it
std::string error_place(std::string_view path, std::string_view raw, std::string_view compiled,
                        std::string_view message);

/// The engine's message with the line of text and its mark, but without "LINE n: ": its number is of
/// another text, and stands beside the place in the file.
std::string without_line_number(std::string message);

/// The same for what stands at `offset` of the compiled text's statement.
std::string place_at(std::string_view path, std::string_view raw, std::string_view compiled,
                     std::size_t offset);

}  // namespace millrace::transform
