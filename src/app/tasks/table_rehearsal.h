#pragma once

// The part of `millrace check` that rehearses: every source is opened and every table that the
// project will write is made, in a lake in memory, by the code that a run uses.

#include <map>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "engine/engine.h"
#include "lake/lake.h"
#include "project/project.h"
#include "storage/object_store.h"

namespace millrace::tasks {

/// Notes what a run would refuse.
class TableRehearsal {
 public:
  /// All outlive the rehearsal.
  TableRehearsal(engine::Engine& engine, engine::Session& session, project::Problems& problems);
  ~TableRehearsal();

  /// Pattern, columns, moments and name of the source. False when something was wrong.
  bool land(const project::SourceTable& source);
  /// Columns and partitioning of a SQL model that is defined in the session and is no view.
  void write(const transform::SqlModel& model);

  /// The columns of the tables that sources have landed in, by the table's name in the lake.
  const std::map<std::string, columnar::Schema>& landed() const { return landed_; }

 private:
  Status land_nothing(const project::SourceTable& source);
  /// `owner`: "the source 'shop.orders'". Errors: also AlreadyExists, when another one has made it.
  Status make(const std::string& table, const std::string& owner, const columnar::Schema& schema,
              const std::vector<std::string>& partition_by);

  engine::Session& session_;
  project::Problems& problems_;
  std::unique_ptr<Clock> clock_;
  std::unique_ptr<storage::ObjectStore> store_;
  std::unique_ptr<storage::ObjectStore> deliveries_;  // none
  std::unique_ptr<lake::Lake> lake_;
  std::map<std::string, std::string> owners_;  // by table
  std::map<std::string, columnar::Schema> landed_;
};

}  // namespace millrace::tasks
