#pragma once

// A declared source with the folder that it reads.

#include <memory>

#include "base/result.h"
#include "ingest/source.h"
#include "project/project.h"
#include "storage/object_store.h"

namespace millrace::tasks {

struct OpenSource {
  std::unique_ptr<storage::ObjectStore> folder;
  std::unique_ptr<ingest::Source> source;
};

/// Errors: NotFound names the folder that is not there; those of ingest::open_file_source.
Result<OpenSource> open_source(const project::SourceTable& table);

}  // namespace millrace::tasks
