#include "server/run_journal.h"

#include <variant>

#include <fmt/core.h>

namespace millrace::server {
namespace {

using orchestration::RunState;
using orchestration::TaskState;

std::string name_of(const orchestration::RunKey& run) {
  return run.dag.str() + " " + run.run.str();
}

std::string why(const orchestration::TaskRecord& task) {
  return task.message.empty() ? "no reason was given" : task.message;
}

}  // namespace

void RunJournal::hear(const orchestration::Notice& notice) {
  if (const auto* run = std::get_if<orchestration::RunRecord>(&notice)) hear_run(*run);
  if (const auto* task = std::get_if<orchestration::TaskNotice>(&notice)) hear_task(*task);
}

void RunJournal::hear_run(const orchestration::RunRecord& run) {
  if (run.state == RunState::Running && running_.insert(run.key).second)
    say_(LogLevel::Info, fmt::format("{} begins ({})", name_of(run.key), to_string(run.reason)));
  if (!is_finished(run.state)) return;
  running_.erase(run.key);
  const std::string took = run.started_at && run.finished_at
                               ? " after " + format_duration(*run.finished_at - *run.started_at)
                               : "";
  if (run.state == RunState::Success)
    say_(LogLevel::Info, name_of(run.key) + " has succeeded" + took);
  else
    say_(LogLevel::Error, fmt::format("{} {}{}", name_of(run.key),
                                      run.cancelled ? "was cancelled" : "has failed", took));
}

void RunJournal::hear_task(const orchestration::TaskNotice& notice) {
  const orchestration::TaskRecord& task = notice.task;
  if (task.state == TaskState::UpForRetry)
    say_(LogLevel::Warning,
         fmt::format("{}: {} failed and is tried again{}: {}", name_of(notice.run), task.task.str(),
                     task.retry_at ? " at " + format_instant(*task.retry_at) : "", why(task)));
  if (task.state == TaskState::Failed)
    say_(LogLevel::Error,
         fmt::format("{}: {} failed: {}", name_of(notice.run), task.task.str(), why(task)));
}

}  // namespace millrace::server
