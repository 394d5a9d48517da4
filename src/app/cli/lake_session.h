#pragma once

// The lake of a project, opened for reading from the command line.

#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/file.h"
#include "cli/verbs.h"
#include "engine/engine.h"
#include "lake/lake.h"
#include "project/project.h"
#include "storage/object_store.h"

namespace millrace::cli {

struct LakeSession {
  project::Project project;
  std::unique_ptr<Clock> clock;
  std::unique_ptr<storage::ObjectStore> store;
  std::optional<TemporaryFolder> spill;  // where the project's may not be written
  std::unique_ptr<engine::Engine> engine;
  std::unique_ptr<engine::Session> session;
  std::unique_ptr<lake::Lake> lake;

  /// Reads millrace.yml and the named parts of the project; makes no folder in it where it may only
  /// be read.
  static Result<LakeSession> open(const Common& common,
                                  const project::Parts& parts = project::Parts::config());
  /// The table now, or at a version ("3") or a time ("2013-12-01"). Errors: NotFound, Invalid.
  Result<lake::SnapshotPtr> snapshot(const std::string& table, const std::string& at);

 private:
  Result<std::string> spill_folder();
};

/// Prints at most `most` rows, as a table for people or as JSON. Where there are more it says so, and how
/// to see them: in a last line, or beside the JSON as a warning.
void print_rows(const Common& common, const columnar::Schema& columns,
                const std::vector<columnar::RecordBatch>& batches, std::int64_t most,
                std::string_view how_to_see_more);
/// At most `most` rows as objects.
Json rows_to_json(const std::vector<columnar::RecordBatch>& batches, std::int64_t most);

}  // namespace millrace::cli
