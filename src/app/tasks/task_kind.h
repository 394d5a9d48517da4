#pragma once

// A kind of task: how a station becomes an attempt.
//
// A kind works in three places. check() reads the task's settings when the project is loaded.
// prepare() and complete() run in the server: the first adds what only the server knows to the
// request, the second writes what the task's success means beside the tables (a registered version,
// a tag), in the very transaction that records the success. run() is the work; it runs in a process
// of its own, and what it commits to the lake is committed once however often it is tried.

#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"
#include "metadata/database.h"
#include "orchestration/run.h"
#include "orchestration/task_hooks.h"
#include "project/project.h"
#include "storage/object_store.h"
#include "tasks/attempt.h"

namespace millrace::tasks {

/// What prepare() and complete() may use.
struct ServerSide {
  const project::Project& project;
  metadata::Database& database;
  storage::ObjectStore& models;
  const Clock& clock;
};

/// The settings of one task, as they stand in its file.
struct TaskSettings {
  const project::Project& project;
  const project::Pipeline& pipeline;
  const orchestration::TaskSpec& task;
  const project::Node& node;
  const project::Problems& mistakes;  // found before tasks are looked at
};

class TaskKind {
 public:
  virtual ~TaskKind() = default;

  /// As it stands behind `kind:`.
  virtual std::string_view name() const = 0;
  /// Notes every setting that is missing, wrong or unknown.
  virtual void check(const TaskSettings& settings, project::Problems& problems) const = 0;

  virtual Result<Json> prepare(const ServerSide& server,
                               const orchestration::TaskInstance& instance) const;
  /// Which program runs the attempt; unless this says otherwise, Millrace itself does.
  virtual void choose_program(const ServerSide& server, const orchestration::TaskInstance& instance,
                              orchestration::Preparation& preparation) const;
  virtual Status complete(const ServerSide& server, metadata::Transaction& transaction,
                          const orchestration::TaskInstance& instance, const Json& result) const;

  /// A hash of everything that decides the result, or "" when the task must run every time. When it
  /// equals the key of the last success of this task in this run, that result stands and run() is
  /// not called.
  virtual Result<std::string> content_key(Attempt& attempt) const;
  /// Whether what an earlier run() of this task left outside of its result (a file, a table, an
  /// artefact) can still be found; otherwise it runs again though its content key is the same.
  virtual Result<bool> still_there(Attempt& attempt, const Json& result) const;
  /// The members of its result that tasks behind it look for.
  virtual std::vector<std::string> gives() const;
  /// The work. The result carries "summary", a line for people. A result with "skip_downstream":
  /// true lets the run succeed without the tasks behind this one; one with "skipped": "why" says
  /// that there was nothing to do. One with "content_key" says what the key is now that the work is
  /// done, where the work itself changes it.
  virtual Result<Json> run(Attempt& attempt) const = 0;
};

/// Reads the members that all tasks have and leaves the rest to the caller: `fields` then knows
/// them.
class SettingsReader : public project::Fields {
 public:
  SettingsReader(const TaskSettings& settings, project::Problems& problems);
};

/// All kinds, one line each in kinds.cc.
std::span<const TaskKind* const> all_kinds();
const TaskKind* find_kind(std::string_view name);

}  // namespace millrace::tasks
