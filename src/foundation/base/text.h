#pragma once

// Text as it is compared and cleaned in names, header fields and settings: ASCII alone, whatever
// the locale. Bytes above 127 are left as they are.

#include <string>
#include <string_view>

namespace millrace {

/// a-z for A-Z: names that differ in nothing else are one name, as SQL and HTTP compare them.
std::string fold_case(std::string_view text);
/// fold_case(a) == fold_case(b), without making the copies.
bool same_ignoring_case(std::string_view a, std::string_view b);

/// Every byte as "%XX" but letters, digits and those of `also` ("-._~": RFC 3986's unreserved).
std::string percent_encoded(std::string_view text, std::string_view also = "-._~");

/// "\xHH": how a byte that cannot be shown is shown.
std::string escaped_byte(char byte);

/// Without the spaces and tabs at both ends.
std::string_view trim(std::string_view text);

}  // namespace millrace
