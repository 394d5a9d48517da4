#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <sys/stat.h>

#include "storage/local_tree.h"
#include "storage/object_store.h"

namespace millrace::storage {

/// What is known of the file: its etag is made of its inode and of when that was last changed, which
/// no program can set back.
ObjectInfo info_of(std::string key, const struct stat& file);

/// ObjectStore::list over a tree. Memory: the answer, and the names of the folders still to visit;
/// one folder is open at a time.
Result<std::vector<ObjectInfo>> list_objects(const LocalTree& tree, std::string_view prefix,
                                             std::string_view start_after);

/// ObjectStore::passed_over over a tree.
Result<std::vector<NoObject>> list_passed_over(const LocalTree& tree, std::string_view prefix);

}  // namespace millrace::storage
