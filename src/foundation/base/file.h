#pragma once

// Whole files and folders of this machine, for configuration, pid files, manifests and tests. Data
// goes through storage::ObjectStore.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace millrace {

/// Errors: NotFound, Denied, Unavailable; Exhausted above `limit_bytes`.
Result<std::string> read_file(const std::string& path, std::uint64_t limit_bytes = 1ULL << 30U);

/// Replaces the file: after a crash it holds the old bytes or the new ones (temporary file, fsync,
/// rename, fsync of the folder). Makes missing folders. Errors: Denied, Exhausted (disk full),
/// Unavailable.
Status write_file(const std::string& path, std::string_view bytes);

/// Removes what calls of write_file() for this file left that were killed in their middle. Nobody
/// may be writing it now.
void remove_unfinished(const std::string& path);

/// Makes the folder and those above it.
Status make_folders(const std::string& path);
/// Makes `path`, which lies in `root`, and the folders between them; never `root` itself, which may
/// have been moved away. Errors: NotFound (no root), Denied, Exhausted, Unavailable.
Status make_folders_in(const std::string& root, const std::string& path);

/// The Error for an errno, with the path and what the system says of it.
Error file_error(int error_number, const std::string& path,
                 std::source_location where = std::source_location::current());

/// A folder that is deleted with everything in it when this object ends.
class TemporaryFolder {
 public:
  /// Under `parent`, or the system's temporary folder when empty.
  static Result<TemporaryFolder> make(const std::string& parent = "");
  TemporaryFolder(TemporaryFolder&& other) noexcept : path_(std::move(other.path_)) {
    other.path_.clear();
  }
  TemporaryFolder& operator=(TemporaryFolder&&) = delete;
  ~TemporaryFolder();

  const std::string& path() const { return path_; }

 private:
  explicit TemporaryFolder(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

}  // namespace millrace
