#include "metadata/sql_script.h"

#include <algorithm>
#include <utility>

namespace millrace::metadata {
namespace {

bool is_space(char c) {
  return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

/// The length of the comment at the start of `text`, or 0.
std::size_t comment_length(std::string_view text) {
  if (text.starts_with("--")) return std::min(text.find('\n'), text.size());
  if (!text.starts_with("/*")) return 0;
  const std::size_t end = text.find("*/", 2);
  return end == std::string_view::npos ? text.size() : end + 2;
}

/// The length of the quoted text at the start of `text`, or 0. A doubled quote inside reads as two
/// quoted texts, which comes to the same.
std::size_t quoted_length(std::string_view text) {
  if (text.front() != '\'' && text.front() != '"') return 0;
  const std::size_t end = text.find(text.front(), 1);
  return end == std::string_view::npos ? text.size() : end + 1;
}

}  // namespace

std::vector<std::string> split_statements(std::string_view script) {
  std::vector<std::string> statements;
  std::string statement;
  bool blank = false;  // seen since the last character, not yet written
  const auto finish = [&] {
    if (!statement.empty()) statements.push_back(std::move(statement));
    statement.clear();
    blank = false;
  };
  while (!script.empty()) {
    std::size_t length = 1;
    if (is_space(script.front())) {
      blank = true;
    } else if (const std::size_t comment = comment_length(script); comment > 0) {
      length = comment;
      blank = true;
    } else if (script.front() == ';') {
      finish();
    } else {
      length = std::max<std::size_t>(1, quoted_length(script));
      if (blank && !statement.empty()) statement += ' ';
      blank = false;
      statement += script.substr(0, length);
    }
    script.remove_prefix(length);
  }
  finish();
  return statements;
}

}  // namespace millrace::metadata
