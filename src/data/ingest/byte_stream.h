#pragma once

// The bytes of one delivered object from front to back, unpacked where they are gzip (RFC 1952).
//
// Gzip is known by its first two bytes, not by a name. Several members one after the other are one
// text, as gzip(1) reads them. Memory: one fetched range, whatever the object's size.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/hash.h"
#include "base/result.h"
#include "storage/object_store.h"

namespace millrace::ingest {

class ByteStream {
 public:
  /// `info` as the store listed it: what is read is that object, whole, or an error.
  ByteStream(storage::ObjectStore& store, storage::ObjectInfo info);
  ~ByteStream();

  /// Fills `into` from its front; fewer bytes than asked for, and then 0, only at the end. Errors:
  /// Corruption when the gzip data are cut off or damaged; Unavailable when the object was replaced,
  /// written to or taken away since it was listed; those of the store.
  Result<std::size_t> read(std::span<char> into);
  /// SHA-256 of the object's bytes as they are stored, in hexadecimal digits; "" before read() came
  /// to their end.
  const std::string& sha256() const { return sha256_; }

 private:
  struct Inflater;
  Status fetch();
  Status begin();
  Result<std::size_t> copy(std::span<char> into);
  Result<std::size_t> inflate(std::span<char> into);
  Status end_of_member();
  Error cut_off() const;

  storage::ObjectStore& store_;
  storage::ObjectInfo info_;
  std::string range_;           // fetched bytes
  std::size_t used_ = 0;        // of range_
  std::uint64_t fetched_ = 0;   // of the object
  std::uint64_t unpacked_ = 0;  // bytes handed out
  Sha256 hash_;
  std::string sha256_;
  bool begun_ = false;
  std::unique_ptr<Inflater> inflater_;  // null when the bytes are plain
};

/// What sha256() of a stream of it would be at its end. Memory: one fetched range. Errors: as
/// ByteStream::read.
Result<std::string> sha256_of_object(storage::ObjectStore& store, const storage::ObjectInfo& info);

}  // namespace millrace::ingest
