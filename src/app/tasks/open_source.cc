#include "tasks/open_source.h"

#include <filesystem>

#include <fmt/core.h>

#include "ingest/file_source.h"

namespace millrace::tasks {

Result<OpenSource> open_source(const project::SourceTable& table) {
  OpenSource opened;
  std::error_code error;
  if (!std::filesystem::is_directory(table.folder, error))
    return Error(ErrorCode::NotFound,
                 fmt::format("nothing is delivered here: there is no folder {}; see 'path' of the "
                             "source",
                             table.folder));
  opened.folder = TRY(storage::open_local_store(table.folder));
  opened.source = TRY(ingest::open_file_source(table.files, *opened.folder));
  return opened;
}

}  // namespace millrace::tasks
