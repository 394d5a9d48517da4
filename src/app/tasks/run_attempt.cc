#include "tasks/run_attempt.h"

#include <fmt/core.h>

#include "base/size.h"
#include "tasks/memory_watch.h"
#include "tasks/task_kind.h"

namespace millrace::tasks {
namespace {

/// The result of before, if nothing that decides it has changed and what it made is still there.
Result<std::optional<Json>> standing_result(const TaskKind& kind, Attempt& attempt,
                                            const std::string& key) {
  const auto& previous = attempt.request().previous;
  if (key.empty() || !previous.has_value() || previous->content_key != key)
    return std::optional<Json>();
  if (!TRY(kind.still_there(attempt, previous->result))) {
    attempt.reporting().log("what was made before is gone: it is made again");
    return std::optional<Json>();
  }
  attempt.reporting().log("nothing that decides the result has changed: it stands");
  Json result = previous->result;
  result.set("reused", true);
  return std::optional(std::move(result));
}

Result<Json> work(const TaskKind& kind, Attempt& attempt) {
  const std::string key = TRY(kind.content_key(attempt));
  if (auto standing = TRY(standing_result(kind, attempt, key))) return *std::move(standing);
  Json result = TRY(kind.run(attempt));
  if (!result.contains("content_key")) result.set("content_key", key);
  return result;
}

/// In place of the word of what was interrupted.
Error too_much_memory(const Request& request) {
  return Error(ErrorCode::Exhausted,
               fmt::format("the task holds nearly the {} of memory that its 'resources' allow, and "
                           "was stopped before it had to be killed; raise 'memory' there, or let "
                           "it hold less at once",
                           format_bytes(request.resources.memory_bytes)));
}

}  // namespace

Result<Json> run_attempt(Request request, Reporting reporting) {
  const TaskKind* kind = find_kind(request.kind);
  if (kind == nullptr)
    return Error(ErrorCode::Invalid, fmt::format("unknown kind of task '{}'", request.kind));
  std::stop_source stop;
  const std::stop_callback told(reporting.stop, [&] { stop.request_stop(); });
  reporting.stop = stop.get_token();
  const auto attempt = TRY(Attempt::open(std::move(request), std::move(reporting)));
  const std::stop_callback interrupts(stop.get_token(), [&] { attempt->session().cancel(); });
  const MemoryWatch watch(attempt->share().process_bytes, [&] {
    stop.request_stop();
    attempt->session().cancel();  // again, should another statement have begun
  });
  Result<Json> result = work(*kind, *attempt);
  if (!result.ok() && result.error().code() == ErrorCode::Cancelled && watch.has_stopped())
    return too_much_memory(attempt->request());
  return result;
}

}  // namespace millrace::tasks
