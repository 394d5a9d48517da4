#pragma once

// A file on its way to become an object: written and synced under a temporary name, then given its
// own name in one step.

#include <string>
#include <string_view>

#include "storage/local_tree.h"

namespace millrace::storage {

/// How a name is given only where none is: link(2), and where the file system has no hard links
/// renameat2(RENAME_NOREPLACE). RenameOnly is for the tests of the second way.
enum class NewName { LinkOrRename, RenameOnly };

class TemporaryFile {
 public:
  /// Writes and syncs `bytes` in the tree's ".millrace-tmp". Errors: Denied, Exhausted,
  /// Unavailable; Unsupported where the file system has no locks.
  static Result<TemporaryFile> write(LocalTree& tree, std::string_view bytes);
  TemporaryFile(TemporaryFile&&) noexcept = default;
  TemporaryFile& operator=(TemporaryFile&&) = delete;
  /// Takes the temporary name away.
  ~TemporaryFile();

  /// Replaces what has that name. Errors: Invalid (a folder), Unsupported (another file system).
  Status replace(const FileDescriptor& folder, const std::string& name, const std::string& shown);
  /// Errors: AlreadyExists; Unsupported (another file system, or one that can do neither way).
  Status become(const FileDescriptor& folder, const std::string& name, const std::string& shown,
                NewName way);

 private:
  TemporaryFile(FileDescriptor folder, std::string name, FileDescriptor file)
      : folder_(std::move(folder)), name_(std::move(name)), file_(std::move(file)) {}
  static Result<TemporaryFile> create_locked(LocalTree& tree);
  Status link_to(const FileDescriptor& folder, const std::string& name, const std::string& shown);
  Status rename_to(const FileDescriptor& folder, const std::string& name, const std::string& shown);
  bool is_now(const FileDescriptor& folder, const std::string& name) const;

  FileDescriptor folder_;
  std::string name_;
  FileDescriptor file_;
};

/// Removes the temporary files whose writer is gone. What it may not remove it leaves.
void sweep_temporary_files(const LocalTree& tree);

}  // namespace millrace::storage
