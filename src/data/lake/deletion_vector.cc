#include "lake/deletion_vector.h"

#include <algorithm>

#include <fmt/core.h>
#include <zlib.h>

#include "lake/uri.h"

namespace millrace::lake {

namespace {

constexpr std::uint32_t kBitmapMagic = 1681511377;
constexpr std::uint32_t kCookieWithoutRuns = 12346;
constexpr std::uint32_t kCookieWithRuns = 12347;
constexpr std::uint32_t kLargestArray = 4096;  // a fuller container is a bitset
constexpr std::size_t kBitsetBytes = 8192;
constexpr std::size_t kOffsetsFrom = 4;  // with runs, fewer containers have no offsets
/// What is larger is no deletion vector: kMostDeletedRows take 32 MiB in arrays.
constexpr std::int64_t kLargestVector = 1LL << 28U;

Error broken_vector(std::string_view what) {
  return {ErrorCode::Corruption, fmt::format("deletion vector: {}", what)};
}

/// Reads numbers from bytes and never beyond them.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : bytes_(bytes) {}

  Result<std::string_view> take(std::size_t count) {
    if (count > bytes_.size()) return broken_vector("it ends too early");
    const std::string_view taken = bytes_.substr(0, count);
    bytes_.remove_prefix(count);
    return taken;
  }
  Result<std::uint64_t> little_endian(std::size_t count) {
    const std::string_view taken = TRY(take(count));
    std::uint64_t value = 0;
    for (std::size_t i = count; i-- > 0;)
      value = value << 8U | static_cast<unsigned char>(taken[i]);
    return value;
  }
  Result<std::uint64_t> big_endian(std::size_t count) {
    const std::string_view taken = TRY(take(count));
    std::uint64_t value = 0;
    for (const char c : taken) value = value << 8U | static_cast<unsigned char>(c);
    return value;
  }
  std::size_t left() const { return bytes_.size(); }

 private:
  std::string_view bytes_;
};

/// Row numbers as they are found: ascending, and as many as were announced.
class Rows {
 public:
  explicit Rows(std::size_t count) : count_(count) {}

  Status add(std::uint64_t row) {
    const auto number = static_cast<std::int64_t>(row);
    if (!rows_.empty() && number <= rows_.back()) return broken_vector("its rows do not ascend");
    if (rows_.size() == count_) {
      return broken_vector(fmt::format("it holds more rows than the {} that the log says", count_));
    }
    rows_.push_back(number);
    return {};
  }
  Result<std::vector<std::int64_t>> all() && {
    if (rows_.size() == count_) return std::move(rows_);
    return broken_vector(fmt::format("it holds {} rows, the log says {}", rows_.size(), count_));
  }

 private:
  std::size_t count_;
  std::vector<std::int64_t> rows_;
};

struct Container {
  std::uint64_t key = 0;          // the upper 16 bits of its values
  std::uint32_t cardinality = 0;  // 1 to 65536
  bool is_runs = false;
};

class BitmapReader {
 public:
  BitmapReader(ByteReader& bytes, std::uint64_t upper, Rows& rows)
      : bytes_(bytes), upper_(upper), rows_(rows) {}

  Status read() {
    std::vector<Container> containers = TRY(header());
    for (const Container& container : containers) TRY(read_container(container));
    return {};
  }

 private:
  Result<std::vector<Container>> header() {
    const std::uint64_t cookie = TRY(bytes_.little_endian(4));
    const bool has_runs = (cookie & 0xFFFFU) == kCookieWithRuns;
    if (!has_runs && cookie != kCookieWithoutRuns) return broken_vector("no roaring bitmap");
    const std::uint64_t count = has_runs ? (cookie >> 16U) + 1 : TRY(bytes_.little_endian(4));
    if (count > 65536) return broken_vector("too many containers");
    const std::string_view run_bits = TRY(bytes_.take(has_runs ? (count + 7) / 8 : 0));
    std::vector<Container> containers(count);
    for (std::size_t i = 0; i < count; ++i) {
      containers[i].key = TRY(bytes_.little_endian(2));
      containers[i].cardinality = static_cast<std::uint32_t>(TRY(bytes_.little_endian(2))) + 1;
      containers[i].is_runs =
          has_runs && (static_cast<unsigned char>(run_bits[i / 8]) >> (i % 8) & 1U) != 0;
    }
    if (!has_runs || count >= kOffsetsFrom) TRY(bytes_.take(4 * count));  // they lie in order
    return containers;
  }

  Status read_container(const Container& container) {
    const std::uint64_t base = upper_ << 32U | container.key << 16U;
    if (container.is_runs) return read_runs(base);
    if (container.cardinality <= kLargestArray) return read_array(base, container.cardinality);
    return read_bitset(base);
  }

  Status read_runs(std::uint64_t base) {
    const std::uint64_t runs = TRY(bytes_.little_endian(2));
    for (std::uint64_t run = 0; run < runs; ++run) {
      const std::uint64_t first = TRY(bytes_.little_endian(2));
      const std::uint64_t more = TRY(bytes_.little_endian(2));
      if (first + more > 0xFFFF) return broken_vector("a run leaves its container");
      for (std::uint64_t i = first; i <= first + more; ++i) TRY(rows_.add(base | i));
    }
    return {};
  }

  Status read_array(std::uint64_t base, std::uint32_t count) {
    for (std::uint32_t i = 0; i < count; ++i) {
      TRY(rows_.add(base | TRY(bytes_.little_endian(2))));
    }
    return {};
  }

  Status read_bitset(std::uint64_t base) {
    const std::string_view bits = TRY(bytes_.take(kBitsetBytes));
    for (std::size_t byte = 0; byte < bits.size(); ++byte) {
      for (std::size_t bit = 0; bit < 8; ++bit) {
        if ((static_cast<unsigned char>(bits[byte]) >> bit & 1U) == 0) continue;
        TRY(rows_.add(base | (byte * 8 + bit)));
      }
    }
    return {};
  }

  ByteReader& bytes_;
  std::uint64_t upper_;
  Rows& rows_;
};

std::string hex_of(std::string_view bytes) {
  std::string hex;
  for (const char c : bytes) hex += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return hex;
}

/// "ab^-aqEH.-t@S}K{vb[*k^" names the file deletion_vector_<uuid>.bin in the folder "ab".
Result<std::string> file_of_uuid(std::string_view text) {
  constexpr std::size_t encoded_uuid = 20;
  if (text.size() < encoded_uuid) return broken_vector("its file has no name");
  const std::string_view prefix = text.substr(0, text.size() - encoded_uuid);
  const std::string uuid = hex_of(TRY(decode_base85(text.substr(text.size() - encoded_uuid))));
  return fmt::format("{}{}deletion_vector_{}-{}-{}-{}-{}.bin", prefix, prefix.empty() ? "" : "/",
                     uuid.substr(0, 8), uuid.substr(8, 4), uuid.substr(12, 4), uuid.substr(16, 4),
                     uuid.substr(20));
}

Result<std::string> bytes_in_file(storage::ObjectStore& store, std::string_view folder,
                                  const DeletionVector& vector) {
  const std::string uri =
      vector.storage_type == "u" ? TRY(file_of_uuid(vector.path_or_inline)) : vector.path_or_inline;
  const Location location = TRY(locate(folder, uri));
  if (location.is_local_path) {
    return Error(ErrorCode::Unsupported,
                 fmt::format("a deletion vector outside of the lake: {}", uri));
  }
  // The file begins with its format's version; a vector is its size, its bytes and their checksum.
  const auto offset = static_cast<std::uint64_t>(std::max<std::int64_t>(*vector.offset, 1));
  const auto size = static_cast<std::uint64_t>(vector.size_bytes);
  const std::string block = TRY(store.get_range(location.place, offset, size + 8));
  ByteReader reader(block);
  if (TRY(reader.big_endian(4)) != size) return broken_vector("its size is not the one in the log");
  const std::string_view bytes = TRY(reader.take(size));
  const auto* data = reinterpret_cast<const Bytef*>(bytes.data());
  const uLong sum = crc32(0, data, static_cast<uInt>(bytes.size()));
  if (TRY(reader.big_endian(4)) != sum) return broken_vector("its bytes do not match their checksum");
  return std::string(bytes);
}

Result<std::string> serialised(storage::ObjectStore& store, std::string_view folder,
                               const DeletionVector& vector) {
  if (vector.size_bytes < 0 || vector.size_bytes > kLargestVector) {
    return broken_vector(fmt::format("it has {} bytes", vector.size_bytes));
  }
  if (vector.storage_type == "i") {
    std::string bytes = TRY(decode_base85(vector.path_or_inline));
    if (bytes.size() < static_cast<std::size_t>(vector.size_bytes))
      return broken_vector("it was cut");
    bytes.resize(static_cast<std::size_t>(vector.size_bytes));
    return bytes;
  }
  if (vector.storage_type != "u" && vector.storage_type != "p") {
    return Error(ErrorCode::Unsupported,
                 fmt::format("deletion vectors of the storage type '{}'", vector.storage_type));
  }
  DeletionVector in_file = vector;
  in_file.offset = vector.offset.value_or(1);
  if (*in_file.offset < 0) return broken_vector("its offset is negative");
  return bytes_in_file(store, folder, in_file);
}

}  // namespace

Result<std::string> decode_base85(std::string_view text) {
  constexpr std::string_view alphabet =
      "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
  if (text.size() % 5 != 0) return broken_vector("its text is no base 85");
  std::string bytes;
  for (std::size_t at = 0; at < text.size(); at += 5) {
    std::uint64_t value = 0;
    for (const char c : text.substr(at, 5)) {
      const std::size_t digit = alphabet.find(c);
      if (digit == std::string_view::npos) return broken_vector("its text is no base 85");
      value = value * 85 + digit;
    }
    if (value > 0xFFFFFFFFU) return broken_vector("its text is no base 85");
    for (int shift = 24; shift >= 0; shift -= 8) {
      bytes += static_cast<char>(value >> static_cast<unsigned>(shift) & 0xFFU);
    }
  }
  return bytes;
}

Result<std::vector<std::int64_t>> parse_row_bitmap(std::string_view bytes, std::size_t count) {
  ByteReader reader(bytes);
  if (TRY(reader.little_endian(4)) != kBitmapMagic)
    return broken_vector("it begins with another number");
  const std::uint64_t bitmaps = TRY(reader.little_endian(8));
  Rows rows(count);
  for (std::uint64_t i = 0; i < bitmaps; ++i) {
    const std::uint64_t upper = TRY(reader.little_endian(4));
    if (upper > 0x7FFFFFFFU) return broken_vector("a row number is too large");
    TRY(BitmapReader(reader, upper, rows).read());
  }
  return std::move(rows).all();
}

Result<std::vector<std::int64_t>> read_deletion_vector(storage::ObjectStore& store,
                                                       std::string_view folder,
                                                       const DeletionVector& vector) {
  if (vector.cardinality < 0)
    return broken_vector(fmt::format("it holds {} rows", vector.cardinality));
  if (vector.cardinality > kMostDeletedRows) {
    return Error(
        ErrorCode::Exhausted,
        fmt::format("a deletion vector takes {} rows away, more than the {} that are read; "
                    "rewrite the file without them (OPTIMIZE or REORG TABLE ... PURGE)",
                    vector.cardinality, kMostDeletedRows));
  }
  const std::string bytes = TRY(serialised(store, folder, vector));
  return parse_row_bitmap(bytes, static_cast<std::size_t>(vector.cardinality));
}

}  // namespace millrace::lake
