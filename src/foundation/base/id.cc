#include "base/id.h"

#include <array>

#include <openssl/rand.h>

#include "base/result.h"

namespace millrace {

std::string new_uuid() {
  std::array<unsigned char, 16> bytes{};
  INVARIANT(RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) == 1,
            "the system's random source failed");
  bytes[6] = static_cast<unsigned char>((bytes[6] & 0x0FU) | 0x40U);
  bytes[8] = static_cast<unsigned char>((bytes[8] & 0x3FU) | 0x80U);
  static constexpr char kHex[] = "0123456789abcdef";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += kHex[bytes[i] >> 4U];
    text += kHex[bytes[i] & 0x0FU];
  }
  return text;
}

}  // namespace millrace
