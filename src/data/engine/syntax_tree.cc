#include "engine/syntax_tree.h"

#include <algorithm>
#include <charconv>

namespace millrace::engine {

namespace {

/// As dump() writes kUnsignedMark at the beginning of a string.
constexpr std::string_view kWrittenMark = "\"\\u0001uint64:";

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::size_t string_end(std::string_view json, std::size_t at) {
  for (++at; at < json.size() && json[at] != '"'; ++at) {
    if (json[at] == '\\') ++at;
  }
  return at + 1;
}

bool beyond_signed(std::string_view digits) {
  std::int64_t value = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return error == std::errc::result_out_of_range;
}

}  // namespace

std::string mark_unsigned(std::string_view json) {
  std::string marked;
  marked.reserve(json.size());
  for (std::size_t at = 0; at < json.size();) {
    std::size_t end = at + 1;
    if (json[at] == '"') {
      end = std::min(string_end(json, at), json.size());
    } else if (is_digit(json[at])) {
      while (end < json.size() && is_digit(json[end])) ++end;
      bool whole =
          end == json.size() || std::string_view(".eE").find(json[end]) == std::string_view::npos;
      // A number's fraction, or a negative one, is not unsigned.
      whole = whole &&
              (at == 0 || std::string_view(".-+eE").find(json[at - 1]) == std::string_view::npos);
      if (whole && beyond_signed(json.substr(at, end - at))) {
        marked.append(kWrittenMark).append(json.substr(at, end - at)) += '"';
        at = end;
        continue;
      }
    }
    marked.append(json.substr(at, end - at));
    at = end;
  }
  return marked;
}

std::string unmark_unsigned(std::string_view json) {
  std::string text;
  text.reserve(json.size());
  for (std::size_t at = 0; at < json.size();) {
    std::size_t end = json[at] == '"' ? std::min(string_end(json, at), json.size()) : at + 1;
    std::string_view token = json.substr(at, end - at);
    if (token.starts_with(kWrittenMark)) {
      token.remove_prefix(kWrittenMark.size());
      token.remove_suffix(1);
    }
    text.append(token);
    at = end;
  }
  return text;
}

}  // namespace millrace::engine
