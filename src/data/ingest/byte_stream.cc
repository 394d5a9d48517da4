#include "ingest/byte_stream.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include <fmt/core.h>
#include <zlib.h>

namespace millrace::ingest {
namespace {

// One request on S3, and few enough bytes that a dozen readers side by side do not matter.
constexpr std::uint64_t kRangeBytes = 4 << 20;

constexpr int kGzipOnly = 16 + MAX_WBITS;  // zlib: the gzip wrapper and nothing else

bool is_gzip(std::string_view bytes) {
  return bytes.size() >= 2 && bytes[0] == '\x1f' && bytes[1] == '\x8b';
}

Error not_as_listed(const storage::ObjectInfo& info, std::string_view what) {
  return {ErrorCode::Unavailable,
          fmt::format("{} {} while it was read; run again to land what is there now. Deliver files "
                      "under another name, and rename them when they are complete",
                      info.key, what)};
}

/// Whether the object is still the one that was listed.
Status check_listed(storage::ObjectStore& store, const storage::ObjectInfo& info) {
  Result<storage::ObjectInfo> found = store.head(info.key);
  if (!found.ok() && found.error().code() == ErrorCode::NotFound)
    return not_as_listed(info, "was taken away");
  const storage::ObjectInfo now = TRY(std::move(found));
  if (now.size_bytes != info.size_bytes)
    return not_as_listed(
        info, fmt::format("changed from {} to {} bytes", info.size_bytes, now.size_bytes));
  if (now.modified != info.modified || now.etag != info.etag)
    return not_as_listed(info, "was written anew");
  return {};
}

/// The next bytes of the object from `offset` on; none at its end, as it was listed. Each range is
/// of the listed object: otherwise the beginning of one file and the end of another would be landed
/// as one.
Result<std::string> fetch_range(storage::ObjectStore& store, const storage::ObjectInfo& info,
                                std::uint64_t offset) {
  const std::uint64_t wanted = std::min(kRangeBytes, info.size_bytes - offset);
  if (wanted == 0) return std::string();
  Result<std::string> range = store.get_range(info.key, offset, wanted);
  if (range.ok() || range.error().code() == ErrorCode::NotFound) TRY(check_listed(store, info));
  return range;
}

}  // namespace

struct ByteStream::Inflater {
  z_stream zlib{};
  bool in_member = true;  // the end of the present member was not seen yet

  Inflater() { INVARIANT(inflateInit2(&zlib, kGzipOnly) == Z_OK, "zlib has memory for a window"); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  ~Inflater() { inflateEnd(&zlib); }
};

ByteStream::ByteStream(storage::ObjectStore& store, storage::ObjectInfo info)
    : store_(store), info_(std::move(info)) {}
ByteStream::~ByteStream() = default;

Result<std::size_t> ByteStream::read(std::span<char> into) {
  if (!begun_) TRY(begin());
  std::size_t filled = 0;
  while (filled < into.size()) {
    const std::span<char> rest = into.subspan(filled);
    const std::size_t got = TRY(inflater_ ? inflate(rest) : copy(rest));
    if (got == 0) break;
    filled += got;
  }
  unpacked_ += filled;
  return filled;
}

Status ByteStream::begin() {
  begun_ = true;
  TRY(fetch());
  if (is_gzip(range_)) inflater_ = std::make_unique<Inflater>();
  return {};
}

/// Replaces the range by the next one; an empty range is the end of the object.
Status ByteStream::fetch() {
  used_ = 0;
  range_ = TRY(fetch_range(store_, info_, fetched_));
  fetched_ += range_.size();
  if (!range_.empty())
    hash_.update(range_);
  else if (sha256_.empty())
    sha256_ = hash_.hex();
  return {};
}

Result<std::size_t> ByteStream::copy(std::span<char> into) {
  if (used_ == range_.size()) TRY(fetch());
  const std::size_t count = std::min(into.size(), range_.size() - used_);
  std::memcpy(into.data(), range_.data() + used_, count);
  used_ += count;
  return count;
}

Result<std::size_t> ByteStream::inflate(std::span<char> into) {
  z_stream& zlib = inflater_->zlib;
  const std::size_t room = std::min<std::size_t>(into.size(), std::numeric_limits<uInt>::max());
  zlib.next_out = reinterpret_cast<Bytef*>(into.data());
  zlib.avail_out = static_cast<uInt>(room);
  while (zlib.avail_out == room) {
    if (used_ == range_.size()) TRY(fetch());
    if (range_.empty()) {
      if (inflater_->in_member) return cut_off();
      break;
    }
    if (!inflater_->in_member) {
      TRY(end_of_member());
      continue;
    }
    zlib.next_in = reinterpret_cast<Bytef*>(range_.data() + used_);
    zlib.avail_in = static_cast<uInt>(range_.size() - used_);
    const int outcome = ::inflate(&zlib, Z_NO_FLUSH);
    used_ = range_.size() - zlib.avail_in;
    if (outcome == Z_STREAM_END)
      inflater_->in_member = false;
    else if (outcome != Z_OK && outcome != Z_BUF_ERROR)
      return Error(ErrorCode::Corruption,
                   fmt::format("{} holds damaged gzip data: {} (after {} unpacked bytes)",
                               info_.key, zlib.msg != nullptr ? zlib.msg : "unknown reason",
                               unpacked_ + room - zlib.avail_out));
  }
  return room - zlib.avail_out;
}

/// After a member: another one begins, or padding with zeros (as tape drives and some writers leave
/// it) ends the file.
Status ByteStream::end_of_member() {
  if (range_[used_] == '\0') {
    ++used_;
    return {};
  }
  if (range_[used_] != '\x1f')
    return Error(
        ErrorCode::Corruption,
        fmt::format("{} has bytes that are not gzip after the end of its gzip data", info_.key));
  INVARIANT(inflateReset(&inflater_->zlib) == Z_OK, "a stream that ended can be used again");
  inflater_->in_member = true;
  return {};
}

Error ByteStream::cut_off() const {
  return Error(ErrorCode::Corruption,
               fmt::format("{} ends in the middle of its gzip data, after {} bytes: it was cut off "
                           "while it was delivered; deliver it again, whole",
                           info_.key, info_.size_bytes));
}

Result<std::string> sha256_of_object(storage::ObjectStore& store, const storage::ObjectInfo& info) {
  Sha256 hash;
  for (std::uint64_t read = 0; read < info.size_bytes;) {
    const std::string range = TRY(fetch_range(store, info, read));
    hash.update(range);
    read += range.size();
  }
  return hash.hex();
}

}  // namespace millrace::ingest
