#include "server/dag_reload.h"

#include <algorithm>

#include <fmt/core.h>

#include "base/caught.h"
#include "base/log.h"
#include "project/dag_files.h"
#include "server/gone_dags.h"
#include "tasks/check_project.h"

namespace millrace::server {
namespace {

constexpr auto kPeriod = std::chrono::seconds(3);

std::vector<std::string> programs_with_ids(const project::Project& project) {
  std::vector<std::string> found;
  for (const project::Pipeline& pipeline : project.pipelines)
    if (!pipeline.program.empty()) found.push_back(pipeline.program + " " + pipeline.dag.id.str());
  std::ranges::sort(found);
  return found;
}

}  // namespace

DagReload::DagReload(const project::Project& project, orchestration::Orchestrator& orchestrator,
                     Duration moment)
    : project_(project), orchestrator_(orchestrator), moment_(moment), seen_(project.dag_files) {
  remember_files_of(project);
  reader_ = std::jthread([this](const std::stop_token& stop) { read_when_asked(stop); });
}

DagReload::~DagReload() {
  stop();
}

Status DagReload::refresh() {
  return refresh_for(nullptr);
}

Status DagReload::refresh(const std::string& dag) {
  return refresh_for(&dag);
}

Status DagReload::refresh_for(const std::string* dag) {
  if (project_.dag_files.empty()) return {};  // one program, without a project
  const project::DagFiles now = project::look_at_dag_files(project_.root, project_.programs);
  Lock lock(mutex_);
  if (is_dealt_with(now)) return last_;
  const std::uint64_t ask = ++asked_;
  wake_.notify_all();
  // The reading may be of files that are newer still.
  const auto settled = [&] { return answered_ >= ask || is_dealt_with(now) || stopped_; };
  if (!settled_.wait_for(lock, moment_, settled)) {
    if (dag == nullptr)
      return Error(
          ErrorCode::Unavailable,
          "the files of the Dags have changed and are being read: a program takes its time "
          "to describe itself, or the store does not answer; until then the Dags are as "
          "they were");
    if (last_.ok() && is_unchanged(*dag, now)) return {};
    settled_.wait(lock, settled);
  }
  if (stopped_) return Error(ErrorCode::Unavailable, "the server is being stopped");
  return last_;
}

bool DagReload::is_unchanged(const std::string& dag, const project::DagFiles& now) const {
  const auto same = [&](const std::string& file) {
    const auto then = seen_.find(file);
    const auto found = now.find(file);
    return then != seen_.end() && found != now.end() && then->second == found->second;
  };
  const auto file = files_.find(dag);
  return file != files_.end() && same(file->second) && same("millrace.yml");
}

void DagReload::read_when_asked(const std::stop_token& stop) {
  Lock lock(mutex_);
  const auto asked = [&] { return asked_ != answered_; };
  while (!stop.stop_requested()) {
    const bool wanted =
        following_ ? wake_.wait_for(lock, stop, kPeriod, asked) : wake_.wait(lock, stop, asked);
    if (stop.stop_requested()) return;
    if (wanted || following_) read_once(lock);
  }
}

/// The lock is free while files are read.
void DagReload::read_once(Lock& lock) {
  const std::uint64_t asked = asked_;
  lock.unlock();
  project::DagFiles now;
  std::optional<project::Project> read;
  const auto take_over = [&]() -> Status {
    now = project::look_at_dag_files(project_.root, project_.programs);
    if (is_dealt_with(now)) return {};
    read = TRY(read_project());
    return apply(*read);
  };
  Status outcome = caught(take_over, [](const std::string& what) {
    return Error(ErrorCode::Internal,
                 "reading the files of the Dags met an error of ours: " + what);
  });
  lock.lock();
  if (read || !outcome.ok()) settle(std::move(now), read, std::move(outcome));
  answered_ = asked;
  settled_.notify_all();
}

void DagReload::settle(project::DagFiles now, const std::optional<project::Project>& read,
                       Status outcome) {
  // The store does not answer, or the disk is full: the same files may be taken over next time.
  try_again_ = !outcome.ok() && is_retryable(outcome.error().code());
  const bool is_news = last_.ok() || !try_again_;
  if (!outcome.ok() && is_news && !stopped_) log_warning(outcome.error().message());
  if (outcome.ok() && !last_.ok()) log_info("the files of the Dags are in order again");
  if (outcome.ok()) remember_files_of(*read);
  if (!try_again_) seen_ = std::move(now);
  last_ = std::move(outcome);
}

bool DagReload::is_dealt_with(const project::DagFiles& now) const {
  return now == seen_ && !try_again_;
}

void DagReload::remember_files_of(const project::Project& project) {
  files_.clear();
  for (const project::Pipeline& pipeline : project.pipelines)
    files_[pipeline.dag.id.str()] = pipeline.place.file;
}

Result<project::Project> DagReload::read_project() const {
  const auto whole_dags = [&]() -> Result<project::Project> {
    project::Loaded loaded = TRY(project::load_project(project_.root, project_.target.name));
    loaded.problems = tasks::problems_of_dags(loaded);
    return project::whole(std::move(loaded));
  };
  Result<project::Project> read = whole_dags();
  if (!read.ok())
    return Error(
        ErrorCode::Invalid,
        "the server goes on with its Dags as they were, since their files have mistakes:\n" +
            read.error().message());
  if (read->target != project_.target || programs_with_ids(*read) != programs_with_ids(project_))
    return Error(
        ErrorCode::Invalid,
        fmt::format("millrace.yml: the target '{}' or the programs are not as they were when "
                    "the server started; `millrace down` and `millrace up` take them over",
                    project_.target.name));
  return read;
}

Status DagReload::apply(const project::Project& read) {
  const auto before = orchestrator_.dags();
  std::vector<const project::Pipeline*> changed;
  for (const project::Pipeline& pipeline : read.pipelines) {
    const auto dag = TRY_DOING(pipeline.place.str(), orchestration::Dag::make(pipeline.dag));
    const bool same = std::ranges::any_of(before, [&](const auto& one) {
      return one->id() == dag->id() && one->version() == dag->version();
    });
    if (!same) changed.push_back(&pipeline);
  }
  for (const auto& dag : before) {
    if (read.find_pipeline(dag->id().str()) != nullptr) continue;
    TRY(orchestrator_.remove_dag(dag->id()));
    const auto waiting = orchestrator_.runs(
        {.dag = dag->id(), .state = orchestration::RunState::Queued, .limit = 1});
    if (waiting.ok() && !waiting->empty())
      log_warning(why_runs_wait(dag->id()));
    else
      log_info(fmt::format("the Dag '{}' is gone from its files", dag->id().str()));
  }
  for (const project::Pipeline* pipeline : changed) {
    TRY_DOING(pipeline->place.str(), orchestrator_.add_dag(pipeline->dag));
    log_info(fmt::format("the Dag '{}' is taken over from {}", pipeline->dag.id.str(),
                         pipeline->place.str()));
  }
  return {};
}

void DagReload::follow() {
  const std::lock_guard lock(mutex_);
  following_ = true;
  ++asked_;  // so that the reader looks at its watch from now on
  wake_.notify_all();
}

void DagReload::request_stop() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  settled_.notify_all();
  reader_.request_stop();
}

void DagReload::stop() {
  request_stop();
  if (reader_.joinable()) reader_.join();
}

}  // namespace millrace::server
