#include "orchestration/run_schema.h"

#include <array>

namespace millrace::orchestration {
namespace {

constexpr std::string_view kTables = R"sql(
CREATE TABLE orchestration_dags (
  dag_id TEXT NOT NULL PRIMARY KEY,
  version TEXT NOT NULL,
  last_point BIGINT,
  updated_at BIGINT NOT NULL
);
CREATE TABLE orchestration_dag_versions (
  dag_id TEXT NOT NULL,
  version TEXT NOT NULL,
  spec TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (dag_id, version)
);
CREATE TABLE orchestration_runs (
  dag_id TEXT NOT NULL,
  run_id TEXT NOT NULL,
  logical_date BIGINT NOT NULL,
  interval_start BIGINT NOT NULL,
  interval_end BIGINT NOT NULL,
  params TEXT NOT NULL,
  reason TEXT NOT NULL,
  state TEXT NOT NULL,
  generation BIGINT NOT NULL,
  cancelled BIGINT NOT NULL,
  dag_version TEXT NOT NULL,
  requested_at BIGINT NOT NULL,
  started_at BIGINT,
  finished_at BIGINT,
  PRIMARY KEY (dag_id, run_id)
);
CREATE INDEX orchestration_runs_by_state ON orchestration_runs (state, logical_date);
CREATE INDEX orchestration_runs_by_date ON orchestration_runs (dag_id, logical_date);
CREATE TABLE orchestration_tasks (
  dag_id TEXT NOT NULL,
  run_id TEXT NOT NULL,
  task_id TEXT NOT NULL,
  state TEXT NOT NULL,
  generation BIGINT NOT NULL,
  attempt BIGINT NOT NULL,
  epoch BIGINT NOT NULL,
  failures BIGINT NOT NULL,
  losses BIGINT NOT NULL,
  scheduled_at BIGINT,
  queued_at BIGINT,
  started_at BIGINT,
  finished_at BIGINT,
  retry_at BIGINT,
  error TEXT,
  message TEXT NOT NULL,
  PRIMARY KEY (dag_id, run_id, task_id)
);
CREATE TABLE orchestration_attempts (
  dag_id TEXT NOT NULL,
  run_id TEXT NOT NULL,
  task_id TEXT NOT NULL,
  epoch BIGINT NOT NULL,
  generation BIGINT NOT NULL,
  number BIGINT NOT NULL,
  state TEXT NOT NULL,
  queued_at BIGINT NOT NULL,
  started_at BIGINT,
  finished_at BIGINT,
  error TEXT,
  message TEXT NOT NULL,
  exit_code BIGINT,
  signal BIGINT,
  cpu_us BIGINT NOT NULL,
  wall_us BIGINT NOT NULL,
  max_rss_bytes BIGINT NOT NULL,
  PRIMARY KEY (dag_id, run_id, task_id, epoch)
);
CREATE TABLE orchestration_xcoms (
  dag_id TEXT NOT NULL,
  run_id TEXT NOT NULL,
  task_id TEXT NOT NULL,
  name TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (dag_id, run_id, task_id, name)
);
)sql";

constexpr std::string_view kConflicts = R"sql(
ALTER TABLE orchestration_tasks ADD COLUMN conflicts BIGINT NOT NULL DEFAULT 0;
)sql";

// A task instance, its attempts and XComs are found by their map_index too; -1 is a task that is not
// mapped. Keys cannot be changed in place by both databases, so the tables are made anew.
constexpr std::string_view kMapIndexAndResumeToken = R"sql(
ALTER TABLE orchestration_tasks RENAME TO orchestration_tasks_2;
CREATE TABLE orchestration_tasks (
  dag_id TEXT NOT NULL,
  run_id TEXT NOT NULL,
  task_id TEXT NOT NULL,
  map_index BIGINT NOT NULL,
  state TEXT NOT NULL,
  generation BIGINT NOT NULL,
  attempt BIGINT NOT NULL,
  epoch BIGINT NOT NULL,
  failures BIGINT NOT NULL,
  losses BIGINT NOT NULL,
  conflicts BIGINT NOT NULL,
  scheduled_at BIGINT,
  queued_at BIGINT,
  started_at BIGINT,
  finished_at BIGINT,
  retry_at BIGINT,
  error TEXT,
  message TEXT NOT NULL,
  PRIMARY KEY (dag_id, run_id, task_id, map_index)
);
INSERT INTO orchestration_tasks (dag_id, run_id, task_id, map_index, state, generation, attempt, epoch, failures,
  losses, conflicts, scheduled_at, queued_at, started_at, finished_at, retry_at, error, message)
SELECT dag_id, run_id, task_id, -1, state, generation, attempt, epoch, failures, losses, conflicts, scheduled_at,
  queued_at, started_at, finished_at, retry_at, error, message FROM orchestration_tasks_2;
DROP TABLE orchestration_tasks_2;
ALTER TABLE orchestration_attempts RENAME TO orchestration_attempts_2;
CREATE TABLE orchestration_attempts (
  dag_id TEXT NOT NULL,
  run_id TEXT NOT NULL,
  task_id TEXT NOT NULL,
  map_index BIGINT NOT NULL,
  epoch BIGINT NOT NULL,
  generation BIGINT NOT NULL,
  number BIGINT NOT NULL,
  state TEXT NOT NULL,
  queued_at BIGINT NOT NULL,
  started_at BIGINT,
  finished_at BIGINT,
  error TEXT,
  message TEXT NOT NULL,
  exit_code BIGINT,
  signal BIGINT,
  cpu_us BIGINT NOT NULL,
  wall_us BIGINT NOT NULL,
  max_rss_bytes BIGINT NOT NULL,
  resume_token TEXT,
  PRIMARY KEY (dag_id, run_id, task_id, map_index, epoch)
);
INSERT INTO orchestration_attempts (dag_id, run_id, task_id, map_index, epoch, generation, number, state, queued_at,
  started_at, finished_at, error, message, exit_code, signal, cpu_us, wall_us, max_rss_bytes)
SELECT dag_id, run_id, task_id, -1, epoch, generation, number, state, queued_at, started_at, finished_at, error,
  message, exit_code, signal, cpu_us, wall_us, max_rss_bytes FROM orchestration_attempts_2;
DROP TABLE orchestration_attempts_2;
CREATE INDEX orchestration_attempts_to_resume ON orchestration_attempts (state) WHERE resume_token IS NOT NULL;
ALTER TABLE orchestration_xcoms RENAME TO orchestration_xcoms_2;
CREATE TABLE orchestration_xcoms (
  dag_id TEXT NOT NULL,
  run_id TEXT NOT NULL,
  task_id TEXT NOT NULL,
  map_index BIGINT NOT NULL,
  name TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (dag_id, run_id, task_id, map_index, name)
);
INSERT INTO orchestration_xcoms (dag_id, run_id, task_id, map_index, name, value)
SELECT dag_id, run_id, task_id, -1, name, value FROM orchestration_xcoms_2;
DROP TABLE orchestration_xcoms_2;
)sql";

constexpr std::array<metadata::Migration, 3> kMigrations = {
    {{1, kTables}, {2, kConflicts}, {3, kMapIndexAndResumeToken}}};

}  // namespace

std::span<const metadata::Migration> run_migrations() {
  return kMigrations;
}

}  // namespace millrace::orchestration
