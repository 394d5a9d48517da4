#pragma once

// File names as the log writes them: URIs (RFC 3986), relative to the table or absolute.

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace millrace::lake {

/// "p=a%20b/part-0.parquet" for "p=a b/part-0.parquet". Everything but letters, digits, and
/// "-._~/=" is percent-encoded, which all readers undo.
std::string encode_path(std::string_view path);
/// Undoes it; a '%' that begins no code stays.
std::string decode_path(std::string_view uri);

/// The scheme of an absolute URI ("s3" of "s3://bucket/x", "file" of "file:/x"); nothing for a
/// relative one.
std::optional<std::string> scheme_of(std::string_view uri);

/// The decoded path, by which the log tells files apart: "file:/x" and "file:///x" are "/x".
std::string canonical_path(std::string_view uri);

/// Where the log's `uri` is: a key of the store under `folder`, or a path of this machine.
struct Location {
  bool is_local_path = false;
  std::string place;
};
/// Errors: Unsupported names a URI of another store; Corruption one that leaves the table's folder.
Result<Location> locate(std::string_view folder, std::string_view uri);

}  // namespace millrace::lake
