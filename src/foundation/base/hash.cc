#include "base/hash.h"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include <openssl/evp.h>

namespace millrace {

struct Sha256::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { EVP_MD_CTX_free(context); }
};

namespace {

using Digest = std::array<unsigned char, 32>;

std::string to_hex(const Digest& digest) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string text;
  text.reserve(64);
  for (unsigned char byte : digest) {
    text += kHex[byte >> 4U];
    text += kHex[byte & 0x0FU];
  }
  return text;
}

}  // namespace

Sha256::Sha256() : state_(std::make_unique<State>()) {
  INVARIANT(EVP_DigestInit_ex(state_->context, EVP_sha256(), nullptr) == 1, "OpenSSL has SHA-256");
}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

Sha256& Sha256::update(std::string_view bytes) {
  INVARIANT(EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) == 1, "digest update");
  return *this;
}

std::string Sha256::hex() {
  Digest digest{};
  INVARIANT(EVP_DigestFinal_ex(state_->context, digest.data(), nullptr) == 1, "digest final");
  return to_hex(digest);
}

std::string sha256_hex(std::string_view bytes) {
  return Sha256().update(bytes).hex();
}

Result<std::string> sha256_hex_of_file(const std::string& path) {
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), std::fclose);
  if (file == nullptr)
    return Error(errno == ENOENT ? ErrorCode::NotFound : ErrorCode::Unavailable,
                 path + ": " + std::strerror(errno));
  Sha256 hash;
  std::array<char, 1 << 16> buffer;
  std::size_t got = 0;
  while ((got = std::fread(buffer.data(), 1, buffer.size(), file.get())) > 0)
    hash.update({buffer.data(), got});
  if (std::ferror(file.get()) != 0)
    return Error(ErrorCode::Unavailable, path + ": " + std::strerror(errno));
  return hash.hex();
}

std::uint64_t stable_hash(std::string_view bytes) {
  Digest digest{};
  INVARIANT(
      EVP_Digest(bytes.data(), bytes.size(), digest.data(), nullptr, EVP_sha256(), nullptr) == 1,
      "digest");
  std::uint64_t value = 0;
  for (int i = 0; i < 8; ++i) value = value << 8U | digest[static_cast<std::size_t>(i)];
  return value;
}

}  // namespace millrace
