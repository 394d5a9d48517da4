#pragma once

// The states of runs and tasks: Airflow's, by its names, since users know them.

#include <cstdint>
#include <optional>
#include <string_view>

namespace millrace::orchestration {

enum class RunState : std::uint8_t {
  Queued,   // asked for; waits until max_active_runs allows it
  Running,  // some task is not finished
  Success,
  Failed,
};

enum class TaskState : std::uint8_t {
  None,       // waits for its upstream tasks
  Scheduled,  // may run; waits for slots
  Queued,     // handed to the executor, slots taken
  Running,    // its attempt has started
  Success,
  Failed,
  UpForRetry,       // failed; waits for its retry delay
  UpForReschedule,  // a sensor that will look again later (not used yet)
  Deferred,         // waits for a trigger without holding slots (not used yet)
  Skipped,
  UpstreamFailed,
  Restarting,  // cleared while it ran: its attempt is being killed
  Removed,     // no longer in the Dag
};

/// How a run came to be.
enum class RunReason : std::uint8_t { Manual, Schedule, Backfill };

/// How an attempt ended.
enum class AttemptState : std::uint8_t { Queued, Running, Success, Skipped, Failed, Lost, Killed };

// "up_for_retry" and so on, and back.
std::string_view to_string(RunState state);
std::string_view to_string(TaskState state);
std::string_view to_string(RunReason reason);
std::string_view to_string(AttemptState state);
std::optional<RunState> run_state_from(std::string_view name);
std::optional<TaskState> task_state_from(std::string_view name);
std::optional<RunReason> run_reason_from(std::string_view name);
std::optional<AttemptState> attempt_state_from(std::string_view name);

constexpr bool is_finished(RunState state) {
  return state == RunState::Success || state == RunState::Failed;
}

constexpr bool is_finished(TaskState state) {
  return state == TaskState::Success || state == TaskState::Failed || state == TaskState::Skipped ||
         state == TaskState::UpstreamFailed || state == TaskState::Removed;
}

/// Whether an attempt of the task may be alive and holds slots.
constexpr bool is_live(TaskState state) {
  return state == TaskState::Queued || state == TaskState::Running ||
         state == TaskState::Restarting;
}

}  // namespace millrace::orchestration
