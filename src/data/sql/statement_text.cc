#include "sql/statement_text.h"

#include <fmt/core.h>

namespace millrace::sql {

namespace {

bool is_space(char c) {
  return c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}

bool is_word_character(char c) {
  auto byte = static_cast<unsigned char>(c);
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         byte >= 128;
}

/// The E of E'...' stands directly before the quote and ends no longer word.
bool has_escapes(std::string_view sql, std::size_t quote) {
  return quote > 0 && (sql[quote - 1] == 'e' || sql[quote - 1] == 'E') &&
         (quote == 1 || !is_word_character(sql[quote - 2]));
}

std::size_t marked_length(std::string_view sql, std::size_t at) {
  char mark = sql[at];
  bool escapes = mark == '\'' && has_escapes(sql, at);
  for (std::size_t i = at + 1; i < sql.size(); ++i) {
    if (escapes && sql[i] == '\\') {
      ++i;
    } else if (sql[i] == mark) {
      if (i + 1 < sql.size() && sql[i + 1] == mark) {
        ++i;
      } else {
        return i + 1 - at;
      }
    }
  }
  return sql.size() - at;
}

/// $$text$$ and $tag$text$tag$; 0 for a parameter such as $1.
std::size_t dollar_length(std::string_view sql, std::size_t at) {
  if (at > 0 && is_word_character(sql[at - 1])) return 0;
  std::size_t end = at + 1;
  if (end < sql.size() && sql[end] >= '0' && sql[end] <= '9') return 0;
  while (end < sql.size() && is_word_character(sql[end])) ++end;
  if (end >= sql.size() || sql[end] != '$') return 0;
  std::string_view tag = sql.substr(at, end + 1 - at);
  std::size_t close = sql.find(tag, end + 1);
  return close == std::string_view::npos ? sql.size() - at : close + tag.size() - at;
}

std::size_t block_comment_length(std::string_view sql, std::size_t at) {
  int depth = 0;
  std::size_t i = at;
  while (i + 1 < sql.size()) {
    if (sql[i] == '/' && sql[i + 1] == '*') {
      ++depth;
      i += 2;
    } else if (sql[i] == '*' && sql[i + 1] == '/') {
      i += 2;
      if (--depth == 0) return i - at;
    } else {
      ++i;
    }
  }
  return sql.size() - at;
}

bool starts_comment(std::string_view sql, std::size_t at) {
  std::string_view two = sql.substr(at, 2);
  return two == "--" || two == "/*";
}

/// What stands at `at` began with an opening mark: was its closing one there too?
Status check_closed(std::string_view sql, std::size_t at, std::size_t length) {
  if (at + length < sql.size()) return {};
  std::string_view token = sql.substr(at, length);
  char first = token[0];
  bool closed = true;
  if (token.starts_with("/*")) {
    closed = length >= 4 && token.ends_with("*/");
    // "/* /* */" ends in the right characters, one level too deep.
    closed = closed && block_comment_length(fmt::format("{} ", token), 0) == length;
  } else if (first == '\'' || first == '"') {
    // One more character tells an end from a doubled or escaped mark.
    std::string longer = fmt::format("{} ", sql);
    closed = length >= 2 && marked_length(longer, at) == length;
  } else if (first == '$') {
    std::string longer = fmt::format("{} ", sql);
    closed = dollar_length(longer, at) == length;
  }
  if (closed) return {};
  return Error(ErrorCode::Invalid, fmt::format("the SQL ends inside {} that began with {}",
                                               first == '/'   ? "a comment"
                                               : first == '"' ? "a quoted name"
                                                              : "a string",
                                               token.substr(0, 20)));
}

}  // namespace

std::size_t quoted_length(std::string_view sql, std::size_t at) {
  switch (sql[at]) {
    case '\'':
    case '"':
      return marked_length(sql, at);
    case '$':
      return dollar_length(sql, at);
    case '-': {
      if (!starts_comment(sql, at)) return 0;
      std::size_t end = sql.find_first_of("\r\n", at);
      return (end == std::string_view::npos ? sql.size() : end) - at;
    }
    case '/':
      return starts_comment(sql, at) ? block_comment_length(sql, at) : 0;
    default:
      return 0;
  }
}

Result<std::string_view> single_statement(std::string_view sql) {
  if (sql.find('\0') != std::string_view::npos) {
    return Error(ErrorCode::Invalid, "the SQL holds a NUL character");
  }
  std::size_t first = std::string_view::npos;
  std::size_t end = 0;  // of the last thing that belongs to the statement
  bool ended = false;
  for (std::size_t at = 0; at < sql.size();) {
    std::size_t length = quoted_length(sql, at);
    if (length > 0) TRY(check_closed(sql, at, length));
    bool significant = !is_space(sql[at]) && !(length > 0 && starts_comment(sql, at));
    if (length == 0) length = 1;
    if (significant && sql[at] == ';') {
      ended = ended || first != std::string_view::npos;
    } else if (significant) {
      if (ended) {
        return Error(ErrorCode::Invalid,
                     fmt::format("expected one SQL statement; a second one begins with '{}'",
                                 sql.substr(at, 40)));
      }
      if (first == std::string_view::npos) first = at;
      end = at + length;
    }
    at += length;
  }
  if (first == std::string_view::npos) {
    return Error(ErrorCode::Invalid, "the SQL is empty");
  }
  return sql.substr(first, end - first);
}

}  // namespace millrace::sql
