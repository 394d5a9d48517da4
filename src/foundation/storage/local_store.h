#pragma once

#include <memory>
#include <string>

#include "storage/local_file.h"
#include "storage/object_store.h"

namespace millrace::storage {

/// open_local_store with a chosen way to give a name only where none is.
Result<std::unique_ptr<ObjectStore>> open_local_store_by(NewName way, const std::string& root);

}  // namespace millrace::storage
