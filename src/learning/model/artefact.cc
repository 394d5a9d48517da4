#include "model/artefact.h"

#include <memory>

#include <archive.h>
#include <archive_entry.h>
#include <fmt/core.h>
#include <zlib.h>

#include "model/booster_format.h"

namespace millrace::model {

namespace {

constexpr int kGzipOnly = 15 + 16;
constexpr std::uint64_t kTarOverhead = 64U << 10U;

constexpr const char* kMember = "xgboost-model";

struct FreeWriter {
  void operator()(archive* writer) const { archive_write_free(writer); }
};
struct FreeReader {
  void operator()(archive* reader) const { archive_read_free(reader); }
};
struct FreeEntry {
  void operator()(archive_entry* entry) const { archive_entry_free(entry); }
};

la_ssize_t append_bytes(archive*, void* out, const void* bytes, std::size_t length) {
  static_cast<std::string*>(out)->append(static_cast<const char*>(bytes), length);
  return static_cast<la_ssize_t>(length);
}

Status written(archive* writer, la_ssize_t returned) {
  if (returned >= 0) return {};
  const char* why = archive_error_string(writer);
  return Error(ErrorCode::Internal,
               fmt::format("writing model.tar.gz: {}", why != nullptr ? why : "unknown"));
}

Error damaged(std::string_view why) {
  return Error(ErrorCode::Corruption, fmt::format("model.tar.gz: {}", why));
}

Error damaged(archive* reader) {
  const char* why = archive_error_string(reader);
  return damaged(why != nullptr ? why : "not a gzipped tar archive");
}

Error too_large(std::string_view what, std::uint64_t limit) {
  return Error(ErrorCode::Exhausted,
               fmt::format("{} is larger than the limit of {} MiB", what, limit >> 20U));
}

Status check_member(archive_entry* entry) {
  const char* name = archive_entry_pathname(entry);
  if (name == nullptr || std::string_view(name) != kMember) {
    return damaged(fmt::format("member '{}' found; it must hold '{}' at its root and nothing else",
                               name != nullptr ? name : "", kMember));
  }
  if (archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry) != nullptr) {
    return damaged(fmt::format("'{}' is not a regular file", kMember));
  }
  return {};
}

struct EndInflate {
  void operator()(z_stream* stream) const { inflateEnd(stream); }
};

/// One gzip member (RFC 1952) with nothing behind it, its checksum verified: libarchive, which
/// reads the tar inside, does not look at gzip's checksum.
Result<std::string> inflate_whole(std::string_view gzip, std::uint64_t limit_bytes) {
  z_stream stream{};
  if (inflateInit2(&stream, kGzipOnly) != Z_OK) {
    return Error(ErrorCode::Exhausted, "model.tar.gz: no memory to unpack");
  }
  const std::unique_ptr<z_stream, EndInflate> ends(&stream);
  // zlib's interface takes a pointer to bytes that it does not change.
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(gzip.data()));
  stream.avail_in = static_cast<uInt>(gzip.size());
  std::string bytes;
  std::string block(256U << 10U, '\0');
  int returned = Z_OK;
  while (returned != Z_STREAM_END) {
    stream.next_out = reinterpret_cast<Bytef*>(block.data());
    stream.avail_out = static_cast<uInt>(block.size());
    returned = inflate(&stream, Z_NO_FLUSH);
    if (returned == Z_BUF_ERROR) return damaged("it is truncated");
    if (returned != Z_OK && returned != Z_STREAM_END) {
      return damaged(stream.msg != nullptr ? stream.msg : "not gzipped");
    }
    bytes.append(block.data(), block.size() - stream.avail_out);
    if (bytes.size() > limit_bytes) return too_large("the model in model.tar.gz", limit_bytes);
  }
  // Tape-minded tools fill up with zeros.
  const std::string_view rest = gzip.substr(gzip.size() - stream.avail_in);
  if (rest.find_first_not_of('\0') != std::string_view::npos)
    return damaged("bytes follow its end");
  return bytes;
}

Result<std::string> read_member(archive* reader, archive_entry* entry, std::uint64_t limit_bytes) {
  const la_int64_t size = archive_entry_size(entry);
  if (size < 0 || static_cast<std::uint64_t>(size) > limit_bytes) {
    return too_large("the model in model.tar.gz", limit_bytes);
  }
  std::string bytes(static_cast<std::size_t>(size), '\0');
  const la_ssize_t count = archive_read_data(reader, bytes.data(), bytes.size());
  if (count < 0) return damaged(reader);
  if (static_cast<la_int64_t>(count) != size) return damaged("it is truncated");
  return bytes;
}

}  // namespace

Result<std::string> pack_artefact(std::string_view booster) {
  if (booster.size() > kMaxBoosterBytes) return too_large("the model", kMaxBoosterBytes);
  const std::string portable = TRY(with_scalar_base_score(booster));
  const std::unique_ptr<archive, FreeWriter> writer(archive_write_new());
  std::string bytes;
  TRY(written(writer.get(), archive_write_set_format_ustar(writer.get())));
  TRY(written(writer.get(), archive_write_add_filter_gzip(writer.get())));
  TRY(written(writer.get(),
              archive_write_set_options(writer.get(), "gzip:!timestamp,gzip:compression-level=6")));
  // Without it the last block is filled up with zeros to 10 KiB, behind gzip's own end.
  TRY(written(writer.get(), archive_write_set_bytes_in_last_block(writer.get(), 1)));
  TRY(written(writer.get(),
              archive_write_open(writer.get(), &bytes, nullptr, append_bytes, nullptr)));
  const std::unique_ptr<archive_entry, FreeEntry> entry(archive_entry_new());
  archive_entry_set_pathname(entry.get(), kMember);
  archive_entry_set_filetype(entry.get(), AE_IFREG);
  archive_entry_set_perm(entry.get(), 0644);
  archive_entry_set_size(entry.get(), static_cast<la_int64_t>(portable.size()));
  archive_entry_set_mtime(entry.get(), 0, 0);
  TRY(written(writer.get(), archive_write_header(writer.get(), entry.get())));
  TRY(written(writer.get(), archive_write_data(writer.get(), portable.data(), portable.size())));
  TRY(written(writer.get(), archive_write_close(writer.get())));
  if (bytes.size() > kMaxArtefactBytes) return too_large("model.tar.gz", kMaxArtefactBytes);
  return bytes;
}

Result<std::string> unpack_artefact(std::string_view artefact, std::uint64_t limit_bytes) {
  if (artefact.size() > kMaxArtefactBytes) return too_large("model.tar.gz", kMaxArtefactBytes);
  const std::string tar = TRY(inflate_whole(artefact, limit_bytes + kTarOverhead));
  const std::unique_ptr<archive, FreeReader> reader(archive_read_new());
  archive_read_support_format_tar(reader.get());
  if (archive_read_open_memory(reader.get(), tar.data(), tar.size()) != ARCHIVE_OK) {
    return damaged(reader.get());
  }
  archive_entry* entry = nullptr;
  const int first = archive_read_next_header(reader.get(), &entry);
  if (first == ARCHIVE_EOF) return damaged("it is empty");
  if (first != ARCHIVE_OK) return damaged(reader.get());
  TRY(check_member(entry));
  std::string booster = TRY(read_member(reader.get(), entry, limit_bytes));
  const int second = archive_read_next_header(reader.get(), &entry);
  if (second == ARCHIVE_OK) return damaged("it holds more than one member");
  if (second != ARCHIVE_EOF) return damaged(reader.get());
  TRY_DOING("model.tar.gz", check_base_score(booster));
  return booster;
}

}  // namespace millrace::model
