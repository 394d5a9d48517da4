#include "server/dag_reload.h"

#include <algorithm>

#include <fmt/core.h>

#include "base/log.h"
#include "project/dag_files.h"

namespace millrace::server {
namespace {

constexpr auto kPeriod = std::chrono::seconds(3);

project::Parts pipelines_only() {
  project::Parts parts = project::Parts::config();
  parts.pipelines = true;
  return parts;
}

std::vector<std::string> programs_with_ids(const project::Project& project) {
  std::vector<std::string> found;
  for (const project::Pipeline& pipeline : project.pipelines)
    if (!pipeline.program.empty()) found.push_back(pipeline.program + " " + pipeline.dag.id.str());
  std::ranges::sort(found);
  return found;
}

}  // namespace

DagReload::DagReload(const project::Project& project, orchestration::Orchestrator& orchestrator)
    : project_(project), orchestrator_(orchestrator), seen_(project.dag_files) {}

DagReload::~DagReload() {
  stop_following();
}

Status DagReload::refresh() {
  const std::lock_guard lock(mutex_);
  if (project_.dag_files.empty()) return {};  // one program, without a project
  std::string now = project::dag_files_state(project_.root, project_.programs);
  if (now == seen_) return last_;
  const bool was_well = last_.ok();
  last_ = take_over();
  // The server is being stopped, or its store does not answer: to be tried again.
  if (!last_.ok() && last_.error().code() == ErrorCode::Unavailable) return last_;
  seen_ = std::move(now);
  if (!last_.ok()) log_warning(last_.error().message());
  if (last_.ok() && !was_well) log_info("the files of the Dags are in order again");
  return last_;
}

Status DagReload::take_over() {
  auto loaded = project::load_project(project_.root, project_.target.name, pipelines_only());
  const Result<project::Project> read =
      loaded.ok() ? project::whole(*std::move(loaded)) : Result<project::Project>(loaded.error());
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
  return apply(*read);
}

Status DagReload::apply(const project::Project& read) {
  for (const auto& dag : orchestrator_.dags()) {
    if (read.find_pipeline(dag->id().str()) != nullptr) continue;
    TRY(orchestrator_.remove_dag(dag->id()));
    log_info(fmt::format("the Dag '{}' is gone from its files", dag->id().str()));
  }
  const auto before = orchestrator_.dags();
  for (const project::Pipeline& pipeline : read.pipelines) {
    const auto dag = TRY_DOING(pipeline.place.str(), orchestration::Dag::make(pipeline.dag));
    const bool same = std::ranges::any_of(before, [&](const auto& one) {
      return one->id() == dag->id() && one->version() == dag->version();
    });
    if (same) continue;
    TRY_DOING(pipeline.place.str(), orchestrator_.add_dag(pipeline.dag));
    log_info(
        fmt::format("the Dag '{}' is taken over from {}", dag->id().str(), pipeline.place.str()));
  }
  return {};
}

void DagReload::follow() {
  follower_ = std::jthread([this](const std::stop_token& stop) {
    std::unique_lock lock(follower_mutex_);
    while (!wake_.wait_for(lock, stop, kPeriod, [&] { return stop.stop_requested(); }))
      static_cast<void>(refresh());
  });
}

void DagReload::stop_following() {
  if (!follower_.joinable()) return;
  follower_.request_stop();
  follower_.join();
}

}  // namespace millrace::server
