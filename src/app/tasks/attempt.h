#pragma once

// The world of one attempt of a built-in task: the project, an engine session, the lake, and the
// way back to its server.

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "engine/engine.h"
#include "lake/lake.h"
#include "project/project.h"
#include "storage/object_store.h"
#include "tasks/request.h"
#include "tasks/share.h"
#include "transform/compile.h"

namespace millrace::tasks {

/// The way back to the server, as far as a task needs it.
struct Reporting {
  std::function<void(std::string_view text)> log;
  std::function<void(double fraction, std::string_view text)> progress;
  std::function<void(const Json& values)> metrics;
  /// Asks whether what is about to be committed may stand. Errors: Denied for a superseded attempt.
  std::function<Status()> fence;
  std::stop_token stop;
};

class Attempt {
 public:
  /// Reads the project anew. Errors: those of load_project; Invalid with all problems.
  static Result<std::unique_ptr<Attempt>> open(Request request, Reporting reporting);

  const Request& request() const { return request_; }
  const project::Project& project() const { return project_; }
  const Reporting& reporting() const { return reporting_; }
  const Clock& clock() const { return *clock_; }
  /// Parameters of the run over `vars:` of the project, and logical_date, interval_start, run_id.
  const transform::Variables& variables() const { return variables_; }

  /// Threads and memory: what task and target allow.
  const Share& share() const { return share_; }

  engine::Engine& engine() { return *engine_; }
  engine::Session& session() { return *session_; }
  lake::Lake& lake() { return *lake_; }
  storage::ObjectStore& models() { return *models_; }

  /// The setting of the task's config as text, with var() filled in. Errors: Invalid when it is
  /// missing or no text.
  Result<std::string> setting(std::string_view name) const;
  Result<std::string> setting_or(std::string_view name, std::string fallback) const;

  /// Who writes `table` in this run: the identity under which a commit is made once.
  lake::Writer writer(const std::string& table) const;
  /// Where this run keeps its files, made if it is missing: <state>/runs/<dag>/<run>.
  Result<std::string> run_folder() const;
  /// The result of the directly preceding task that carries `member`. Errors: Invalid when there is
  /// none, or several.
  Result<Json> upstream_with(std::string_view member) const;
  /// The results of all directly preceding tasks that carry it.
  std::vector<Json> all_upstream_with(std::string_view member) const;

  /// Part of every content key: the engine's version and Millrace's.
  std::string versions() const;

 private:
  Attempt(Request request, Reporting reporting, project::Project project);
  Status open_parts();

  Request request_;
  Reporting reporting_;
  project::Project project_;
  std::unique_ptr<Clock> clock_;
  transform::Variables variables_;
  Share share_;
  std::unique_ptr<engine::Engine> engine_;
  std::unique_ptr<engine::Session> session_;
  std::unique_ptr<storage::ObjectStore> lake_store_;
  std::unique_ptr<storage::ObjectStore> models_;
  std::unique_ptr<lake::Lake> lake_;
};

}  // namespace millrace::tasks
