#pragma once

// The port through which bytes are kept: objects under keys.
//
// A key is a relative path of '/'-separated parts
// ("raw/flights/_delta_log/00000000000000000000.json"): UTF-8, at most 1,024 bytes (S3's limit), no
// part empty, longer than 255 bytes (a file's name), "." or "..", no control character, and the
// first part is not ".millrace-tmp". A key that breaks this is Invalid in every call. Do not keep
// an object below another ("a" and "a/b"): where objects are files it is Invalid.
//
// The law that every implementation keeps (object_store_contract.h tests it):
//   - An object appears whole or not at all; readers never see a part of one.
//   - When put, put_if_absent or publish returns ok, the object survives a crash of the machine.
//   - Of several put_if_absent of one key, at any time and from any process, exactly one
//     returns ok.
//   - list is sorted by key (bytewise) and shows every object whose put returned before list began.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/time.h"

namespace millrace::storage {

struct ObjectInfo {
  std::string key;
  std::uint64_t size_bytes = 0;
  Instant modified;
  /// As S3's ETag: other bytes, also of the same size and moment, have another one. The same bytes
  /// put again may have another one, too.
  std::string etag;

  bool operator==(const ObjectInfo&) const = default;
};

/// What has a name among the objects and is none: list does not show it, and no call reads it.
struct NoObject {
  std::string key;
  std::string what;         // "a symbolic link to a file", "a pipe"
  bool is_content = false;  // it stands for the bytes of a file: a symbolic link that leads to one

  bool operator==(const NoObject&) const = default;
};

class ObjectStore {
 public:
  virtual ~ObjectStore() = default;

  /// The whole object. Errors: NotFound; Exhausted above 1 GiB (read those in ranges).
  virtual Result<std::string> get(std::string_view key) = 0;
  /// Bytes [offset, offset + length), fewer where the object ends. Errors: NotFound.
  virtual Result<std::string> get_range(std::string_view key, std::uint64_t offset,
                                        std::uint64_t length) = 0;
  /// Errors: NotFound.
  virtual Result<ObjectInfo> head(std::string_view key) = 0;

  /// Writes or replaces. Errors: Denied, Exhausted (no space), Unavailable.
  virtual Status put(std::string_view key, std::string_view bytes) = 0;
  /// Writes only where nothing is. Errors: AlreadyExists, and those of put. After Unavailable the
  /// outcome is unknown: read the key back, and make_durable what is found.
  virtual Status put_if_absent(std::string_view key, std::string_view bytes) = 0;
  /// Makes what is found right under `folder` survive a crash of the machine, whoever put it there.
  /// Reading an object does not say so much: its writer may have been killed before its put
  /// returned. For who is about to report as done what others did. Errors: NotFound, Unavailable.
  virtual Status make_durable(std::string_view folder) = 0;
  /// Deletes; a key that is absent is fine. After a crash of the machine a deleted object may be
  /// back.
  virtual Status remove(std::string_view key) = 0;

  /// Every object whose key starts with `prefix` (a text, not a folder: "a/b" finds "a/bc") and is
  /// greater than `start_after`, sorted by key.
  virtual Result<std::vector<ObjectInfo>> list(std::string_view prefix,
                                               std::string_view start_after = "") = 0;

  /// What list(prefix) passed over, sorted by key: for who must not overlook a name. Where only
  /// objects have names there is none.
  virtual Result<std::vector<NoObject>> passed_over(std::string_view /*prefix*/) {
    return std::vector<NoObject>();
  }

  // For an engine that reads and writes files itself.

  /// A folder of this machine in which files are written that publish() will turn into objects
  /// under `folder`. Made if it is missing. What is never published is garbage: never listed as an
  /// object by a store that copies, and left to vacuum by one that writes in place.
  virtual Result<std::string> staging_folder(std::string_view folder) = 0;
  /// Makes the files at `relative_paths` of the staging folder durable objects "<folder>/<relative
  /// path>".
  virtual Status publish(std::string_view folder, std::span<const std::string> relative_paths) = 0;
  /// A path or URL by which an engine on this machine can read the object. Errors: NotFound.
  virtual Result<std::string> engine_path(std::string_view key) = 0;
};

/// Files under `root`, which is made if it is missing; thread-safe, and safe between processes.
/// put_if_absent is a link(2) of a synced temporary file.
///
/// Temporary files live in "<root>/.millrace-tmp", are locked by their writer, and are never
/// listed. What a crashed writer left there is swept by the next open_local_store of that root, in
/// any process. Files are written in place by an engine (staging_folder), and swept by vacuum.
///
/// A symbolic link below `root` is never followed (`root` itself may be one): list passes over it
/// (passed_over names it, and pipes, sockets and devices), other calls are Denied. To spread a store
/// over disks, mount them; a folder of another file system below `root` can be read and published to,
/// but put there is Unsupported. Errors: Denied, Unavailable, Exhausted.
Result<std::unique_ptr<ObjectStore>> open_local_store(const std::string& root);

/// For tests and small things: nothing survives the object. Thread-safe. `clock` (kept, not owned;
/// the machine's when null) gives the time of modification.
std::unique_ptr<ObjectStore> make_memory_store(const Clock* clock = nullptr);

/// Errors: Invalid when `key` breaks the rules above.
Status check_key(std::string_view key);

}  // namespace millrace::storage
