#include <algorithm>

#include <fmt/core.h>

#include "base/text.h"
#include "base/utf8.h"
#include "storage/object_store.h"

namespace millrace::storage {
namespace {

constexpr std::size_t kLongestKey = 1024;
constexpr std::size_t kLongestPart = 255;

Error bad_key(std::string_view key, std::string_view why) {
  std::string shown;
  for (const char c : key.substr(0, 200)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte >= 0x7F)
      shown += escaped_byte(c);
    else
      shown += c;
  }
  return Error(ErrorCode::Invalid, fmt::format("not an object key, {}: '{}'", why, shown));
}

std::string_view fault_of_part(std::string_view part) {
  if (part.empty()) return "a part between two '/' is empty";
  if (part == "." || part == "..") return "a part is '.' or '..'";
  if (part.size() > kLongestPart) return "a part is longer than 255 bytes";
  for (const char c : part) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F) return "it holds a control character";
  }
  return "";
}

}  // namespace

Status check_key(std::string_view key) {
  if (key.empty()) return bad_key(key, "it is empty");
  if (key.size() > kLongestKey) return bad_key(key, "it is longer than 1024 bytes");
  if (!is_utf8(key)) return bad_key(key, "it is not UTF-8");
  if (key == ".millrace-tmp" || key.starts_with(".millrace-tmp/"))
    return bad_key(key, "'.millrace-tmp' is the store's own folder");
  for (std::size_t start = 0; start <= key.size();) {
    const std::size_t end = std::min(key.find('/', start), key.size());
    const std::string_view fault = fault_of_part(key.substr(start, end - start));
    if (!fault.empty()) return bad_key(key, fault);
    start = end + 1;
  }
  return {};
}

}  // namespace millrace::storage
