#include "lake/uri.h"

#include <algorithm>
#include <cctype>

#include <fmt/core.h>

#include "base/text.h"
#include "storage/object_store.h"

namespace millrace::lake {

namespace {

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::string encode_path(std::string_view path) {
  return percent_encoded(path, "-._~/=");
}

std::string decode_path(std::string_view uri) {
  std::string path;
  path.reserve(uri.size());
  for (std::size_t i = 0; i < uri.size(); ++i) {
    const bool coded = uri[i] == '%' && i + 2 < uri.size() && hex_value(uri[i + 1]) >= 0 &&
                       hex_value(uri[i + 2]) >= 0;
    if (coded) {
      path += static_cast<char>(hex_value(uri[i + 1]) * 16 + hex_value(uri[i + 2]));
      i += 2;
    } else {
      path += uri[i];
    }
  }
  return path;
}

std::optional<std::string> scheme_of(std::string_view uri) {
  const std::size_t colon = uri.find(':');
  if (colon == std::string_view::npos || colon == 0 || !is_letter(uri[0])) return std::nullopt;
  const std::string_view scheme = uri.substr(0, colon);
  const bool valid = std::ranges::all_of(scheme, [](char c) {
    return is_letter(c) || is_digit(c) || c == '+' || c == '-' || c == '.';
  });
  // "a:b.parquet" is a relative name that someone did not encode; a scheme is followed by a slash.
  if (!valid || colon + 1 >= uri.size() || uri[colon + 1] != '/') return std::nullopt;
  return std::string(scheme);
}

std::string canonical_path(std::string_view uri) {
  std::string path = decode_path(uri);
  if (scheme_of(uri) != "file") return path;
  path.erase(0, path.find(':') + 1);
  path.erase(0, std::min(path.find_first_not_of('/'), path.size()));
  return "/" + path;
}

Result<Location> locate(std::string_view folder, std::string_view uri) {
  const std::optional<std::string> scheme = scheme_of(uri);
  if (scheme && *scheme != "file") {
    return Error(ErrorCode::Unsupported,
                 fmt::format("the log names a file of another store: {}", uri));
  }
  std::string path = canonical_path(uri);
  if (path.starts_with('/')) return Location{.is_local_path = true, .place = std::move(path)};
  std::string key = fmt::format("{}/{}", folder, path);
  if (!storage::check_key(key).ok()) {
    return Error(ErrorCode::Corruption,
                 fmt::format("the log names a file outside of the table: {}", uri));
  }
  return Location{.is_local_path = false, .place = std::move(key)};
}

}  // namespace millrace::lake
