#include "transform/error_place.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <vector>

#include <fmt/core.h>

#include "sql/statement_text.h"

namespace millrace::transform {
namespace {

using Lines = std::vector<std::string_view>;

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blanks = " \t\r\n";
  const auto first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos) return "";
  return text.substr(first, text.find_last_not_of(blanks) + 1 - first);
}

Lines lines_of(std::string_view text) {
  Lines lines;
  while (true) {
    const auto end = text.find('\n');
    lines.push_back(trimmed(text.substr(0, end)));
    if (end == std::string_view::npos) return lines;
    text.remove_prefix(end + 1);
  }
}

struct NamedLine {
  std::size_t at = 0;      // of "LINE n: " in the message
  std::size_t size = 0;    // of it
  int number = 0;          // as the engine counts
  std::string_view shown;  // a part of the line, where it is long
};

std::optional<NamedLine> named_line(std::string_view message) {
  constexpr std::string_view word = "LINE ";
  for (auto at = message.find(word); at != std::string_view::npos;
       at = message.find(word, at + 1)) {
    if (at > 0 && message[at - 1] != '\n') continue;
    const std::string_view rest = message.substr(at + word.size());
    NamedLine line;
    const char* const first = rest.data();
    const auto [end, error] = std::from_chars(first, first + rest.size(), line.number);
    const auto digits = static_cast<std::size_t>(end - first);
    if (error != std::errc() || !rest.substr(digits).starts_with(":")) continue;
    const std::string_view behind = rest.substr(digits + 1);
    line.at = at;
    line.size = word.size() + digits + (behind.starts_with(' ') ? 2 : 1);
    line.shown = trimmed(behind.substr(0, behind.find('\n')));
    while (line.shown.starts_with("...")) line.shown.remove_prefix(3);
    while (line.shown.ends_with("...")) line.shown.remove_suffix(3);
    return line;
  }
  return std::nullopt;
}

/// Which line of the compiled text, from 0, the engine speaks of. It is given the statement in it
/// (sql::single_statement) behind a line of the session's own ("CREATE VIEW ... AS").
std::optional<std::size_t> line_in(std::string_view compiled, const NamedLine& named) {
  const auto statement = sql::single_statement(compiled);
  if (!statement.ok() || named.number < 2) return std::nullopt;
  const auto before = static_cast<std::size_t>(statement->data() - compiled.data());
  const Lines lines = lines_of(compiled);
  const std::size_t line =
      lines_of(compiled.substr(0, before)).size() - 1 + static_cast<std::size_t>(named.number) - 2;
  // Where it does not read as shown, the session counts otherwise than we believe: say nothing.
  if (line >= lines.size() || lines[line].find(named.shown) == std::string_view::npos)
    return std::nullopt;
  return line;
}

/// Whether a line of the file becomes `compiled` when its words are replaced: what stands outside
/// of braces must follow one another in it.
bool becomes(std::string_view raw, std::string_view compiled) {
  const auto word = raw.find("{{");
  if (word == std::string_view::npos) return raw == compiled;
  if (word == 0 && raw.find("config") != std::string_view::npos) return false;  // becomes nothing
  while (!raw.empty()) {
    const auto open = raw.find("{{");
    const std::string_view text = trimmed(raw.substr(0, open));
    const auto found = compiled.find(text);
    if (found == std::string_view::npos) return false;
    compiled.remove_prefix(found + text.size());
    if (open == std::string_view::npos) return true;
    const auto close = raw.find("}}", open);
    raw = close == std::string_view::npos ? "" : raw.substr(close + 2);
  }
  return true;
}

/// The line of the file that became line `wanted` of the compiled text; both from 0. Compiling
/// takes lines away and adds none, so the two are walked side by side.
std::optional<std::size_t> origin(const Lines& raw, const Lines& compiled, std::size_t wanted) {
  std::size_t at = 0;
  for (std::size_t i = 0; i <= wanted; ++i) {
    if (compiled[i].empty()) continue;
    while (at < raw.size() && !becomes(raw[at], compiled[i])) ++at;
    if (at == raw.size()) return std::nullopt;
    if (i == wanted) return at;
    ++at;
  }
  return std::nullopt;
}

/// "path:12" of that line of the compiled text, from 0; the path where its origin is not found.
std::string place_of_line(std::string_view path, std::string_view raw, std::string_view compiled,
                          std::size_t line) {
  const auto found = origin(lines_of(raw), lines_of(compiled), line);
  return found ? fmt::format("{}:{}", path, *found + 1) : std::string(path);
}

}  // namespace

std::string error_place(std::string_view path, std::string_view raw, std::string_view compiled,
                        std::string_view message) {
  std::string file(path);
  const auto named = named_line(message);
  if (!named || named->shown.empty()) return file;
  const auto line = line_in(compiled, *named);
  return line ? place_of_line(path, raw, compiled, *line) : file;
}

std::string without_line_number(std::string message) {
  const auto named = named_line(message);
  if (!named) return message;
  message.erase(named->at, named->size);
  const std::size_t end = message.find('\n', named->at);
  if (end == std::string::npos) return message;
  const std::size_t blanks = message.find_first_not_of(' ', end + 1) - (end + 1);
  message.erase(end + 1, std::min(blanks, named->size));  // the mark below stays where it points
  return message;
}

std::string place_at(std::string_view path, std::string_view raw, std::string_view compiled,
                     std::size_t offset) {
  const auto statement = sql::single_statement(compiled);
  if (!statement.ok() || offset > statement->size()) return std::string(path);
  const auto before = static_cast<std::size_t>(statement->data() - compiled.data());
  return place_of_line(path, raw, compiled,
                       lines_of(compiled.substr(0, before + offset)).size() - 1);
}

}  // namespace millrace::transform
