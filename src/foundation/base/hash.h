#pragma once

// Content hashes: what a task read, what a file holds, what a model was made of.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace millrace {

/// SHA-256 (FIPS 180-4) by OpenSSL, fed in pieces.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  Sha256& update(std::string_view bytes);
  /// 64 hexadecimal digits. The object is used up.
  std::string hex();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// 64 hexadecimal digits.
std::string sha256_hex(std::string_view bytes);
/// Errors: NotFound, Unavailable.
Result<std::string> sha256_hex_of_file(const std::string& path);

/// The first eight bytes of SHA-256, big-endian: for sampling that must repeat on every machine.
std::uint64_t stable_hash(std::string_view bytes);

}  // namespace millrace
