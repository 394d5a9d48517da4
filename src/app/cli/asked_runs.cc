#include "cli/asked_runs.h"

#include <cstdio>

#include <unistd.h>

#include "cli/run_follower.h"

namespace millrace::cli {

Result<Json> AskedRuns::ask(const std::function<Result<Json>()>& request) {
  const std::lock_guard lock(mutex_);
  Json answer = TRY(request());
  const std::string dag = answer.string_or("dag", "");
  if (answer.contains("run_id") && answer.bool_or("asked_for", true))
    runs_.emplace_back(dag, answer.string_or("run_id", ""));
  if (answer.contains("run_ids"))
    for (const Json& run : answer["run_ids"].as_array()) runs_.emplace_back(dag, run.as_string());
  return answer;
}

void AskedRuns::cancel() {
  const auto say = [] { std::fputs("\ncancelling; once more leaves at once\n", stderr); };
  std::unique_lock lock(mutex_, std::try_to_lock);
  const bool asks = !lock.owns_lock();  // which takes long where the server's disk is full
  if (asks) say();
  if (asks) lock.lock();
  cancelled_ = true;
  if (runs_.empty()) ::_exit(kInterrupted);
  if (!asks) say();
  auto server = Connection::to_running(project_);
  if (!server.ok()) {
    std::fprintf(stderr, "%s\n", server.error().message().c_str());
    ::_exit(kInterrupted);
  }
  for (const auto& [dag, run] : runs_) {
    const auto told = server->post_json(run_path(dag, run) + "/cancel", Json::object());
    if (!told.ok()) std::fprintf(stderr, "%s: %s\n", run.c_str(), told.error().message().c_str());
  }
}

bool AskedRuns::cancelled() const {
  const std::lock_guard lock(mutex_);
  return cancelled_;
}

}  // namespace millrace::cli
