#include "sql/names.h"

#include <algorithm>
#include <array>
#include <iterator>

#include <fmt/core.h>

#include "base/text.h"

namespace millrace::sql {

namespace {

constexpr std::size_t kLongest = 128;
constexpr std::array<std::string_view, 6> kTakenSchemas = {
    "main", "memory", "system", "temp", "information_schema", "pg_catalog"};

std::string quote(std::string_view text, char mark) {
  INVARIANT(text.find('\0') == std::string_view::npos, "SQL text holds no NUL character");
  std::string quoted(1, mark);
  quoted.reserve(text.size() + 2);
  for (char c : text) quoted.append(c == mark ? 2 : 1, c);
  return quoted + mark;
}

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

std::string shown(char c) {
  auto byte = static_cast<unsigned char>(c);
  return byte > 32 && byte < 127 ? fmt::format("'{}'", c)
         : c == ' '              ? "a space"
                                 : fmt::format("the byte 0x{:02X}", byte);
}

Status check_part(std::string_view whole, std::string_view part) {
  auto invalid = [&](std::string_view what) {
    return Error(ErrorCode::Invalid,
                 fmt::format("table name '{}': {}; write 'name' or 'schema.name' with letters, "
                             "digits and '_'",
                             whole.substr(0, 2 * kLongest), what));
  };
  if (part.empty()) return invalid("a part is empty");
  if (part.size() > kLongest) return invalid(fmt::format("longer than {} characters", kLongest));
  if (part[0] >= '0' && part[0] <= '9') return invalid("a part starts with a digit");
  if (const char* bad = std::ranges::find_if_not(part, is_name_character); bad != part.end()) {
    return invalid(shown(*bad) + " is not allowed");
  }
  return {};
}

}  // namespace

std::string quote_identifier(std::string_view name) {
  return quote(name, '"');
}

std::string quote_literal(std::string_view text) {
  std::size_t end = text.find('\0');
  if (end == std::string_view::npos) return quote(text, '\'');
  // SQL text cannot hold it, but rows and the partition values of a table can.
  std::string sum = "(";
  for (; end != std::string_view::npos; end = text.find('\0')) {
    sum += quote(text.substr(0, end), '\'') + " || chr(0) || ";
    text.remove_prefix(end + 1);
  }
  return sum + quote(text, '\'') + ")";
}

std::string TableName::quoted() const {
  return schema.empty() ? quote_identifier(name)
                        : quote_identifier(schema) + "." + quote_identifier(name);
}

Result<TableName> parse_table_name(std::string_view text) {
  std::size_t dot = text.find('.');
  if (dot == std::string_view::npos) {
    TRY(check_part(text, text));
    return TableName{"", std::string(text)};
  }
  std::string_view schema = text.substr(0, dot);
  std::string_view name = text.substr(dot + 1);
  TRY(check_part(text, schema));
  TRY(check_part(text, name));
  if (std::ranges::find(kTakenSchemas, fold_case(schema)) != kTakenSchemas.end()) {
    return Error(ErrorCode::Invalid,
                 fmt::format("table name '{}': the engine keeps the schema '{}' for itself; choose "
                             "another",
                             text, schema));
  }
  return TableName{std::string(schema), std::string(name)};
}

Result<std::string> quoted_table_name(std::string_view text) {
  return TRY(parse_table_name(text)).quoted();
}

}  // namespace millrace::sql
