#include "tasks/run_attempt.h"

#include <fmt/core.h>

#include "tasks/task_kind.h"

namespace millrace::tasks {

Result<Json> run_attempt(Request request, Reporting reporting) {
  const TaskKind* kind = find_kind(request.kind);
  if (kind == nullptr)
    return Error(ErrorCode::Invalid, fmt::format("unknown kind of task '{}'", request.kind));
  const auto attempt = TRY(Attempt::open(std::move(request), std::move(reporting)));
  const std::string key = TRY(kind->content_key(*attempt));
  const auto& previous = attempt->request().previous;
  if (!key.empty() && previous.has_value() && previous->content_key == key) {
    attempt->reporting().log("nothing that decides the result has changed: it stands");
    Json result = previous->result;
    result.set("reused", true);
    return result;
  }
  Json result = TRY(kind->run(*attempt));
  result.set("content_key", key);
  return result;
}

}  // namespace millrace::tasks
