#include "orchestration/state.h"

#include <array>
#include <utility>

namespace millrace::orchestration {
namespace {

template <typename State>
using Name = std::pair<State, std::string_view>;

constexpr std::array<Name<RunState>, 4> kRunStates = {{{RunState::Queued, "queued"},
                                                       {RunState::Running, "running"},
                                                       {RunState::Success, "success"},
                                                       {RunState::Failed, "failed"}}};
constexpr std::array<Name<TaskState>, 13> kTaskStates = {
    {{TaskState::None, "none"},
     {TaskState::Scheduled, "scheduled"},
     {TaskState::Queued, "queued"},
     {TaskState::Running, "running"},
     {TaskState::Success, "success"},
     {TaskState::Failed, "failed"},
     {TaskState::UpForRetry, "up_for_retry"},
     {TaskState::UpForReschedule, "up_for_reschedule"},
     {TaskState::Deferred, "deferred"},
     {TaskState::Skipped, "skipped"},
     {TaskState::UpstreamFailed, "upstream_failed"},
     {TaskState::Restarting, "restarting"},
     {TaskState::Removed, "removed"}}};
constexpr std::array<Name<RunReason>, 3> kRunReasons = {{{RunReason::Manual, "manual"},
                                                         {RunReason::Schedule, "schedule"},
                                                         {RunReason::Backfill, "backfill"}}};
constexpr std::array<Name<AttemptState>, 7> kAttemptStates = {{{AttemptState::Queued, "queued"},
                                                               {AttemptState::Running, "running"},
                                                               {AttemptState::Success, "success"},
                                                               {AttemptState::Skipped, "skipped"},
                                                               {AttemptState::Failed, "failed"},
                                                               {AttemptState::Lost, "lost"},
                                                               {AttemptState::Killed, "killed"}}};

template <typename State, std::size_t size>
std::string_view name_of(const std::array<Name<State>, size>& names, State state) {
  for (const auto& [value, name] : names)
    if (value == state) return name;
  return "";
}

template <typename State, std::size_t size>
std::optional<State> state_of(const std::array<Name<State>, size>& names, std::string_view name) {
  for (const auto& [value, known] : names)
    if (known == name) return value;
  return std::nullopt;
}

}  // namespace

std::string_view to_string(RunState state) {
  return name_of(kRunStates, state);
}
std::string_view to_string(TaskState state) {
  return name_of(kTaskStates, state);
}
std::string_view to_string(RunReason reason) {
  return name_of(kRunReasons, reason);
}
std::string_view to_string(AttemptState state) {
  return name_of(kAttemptStates, state);
}
std::optional<RunState> run_state_from(std::string_view name) {
  return state_of(kRunStates, name);
}
std::optional<TaskState> task_state_from(std::string_view name) {
  return state_of(kTaskStates, name);
}
std::optional<RunReason> run_reason_from(std::string_view name) {
  return state_of(kRunReasons, name);
}
std::optional<AttemptState> attempt_state_from(std::string_view name) {
  return state_of(kAttemptStates, name);
}

}  // namespace millrace::orchestration
