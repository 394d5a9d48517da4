#include "execution/local_executor_loop.h"

#include <algorithm>
#include <cerrno>

#include <fmt/core.h>

#include "base/caught.h"
#include "base/file.h"
#include "base/log.h"
#include "base/size.h"
#include "execution/processes.h"

namespace millrace::execution {

using orchestration::AttemptEnd;
using orchestration::AttemptId;
using orchestration::AttemptRequest;
using orchestration::Outcome;
using orchestration::Preparation;
using SteadyTime = LocalAttempt::SteadyTime;

namespace {

/// What `work` throws becomes Internal: nobody stands behind the executor's thread, and all attempts
/// would end with it.
template <typename Work>
Status guarded(const AttemptId& attempt, Work&& work) {
  Status done = caught(work, [&](const std::string& what) {
    return Error(
        ErrorCode::Internal,
        fmt::format("attempt {} met an error of the executor's own: {}", attempt.str(), what));
  });
  if (!done.ok()) log_error(done.error().message());
  return done;
}

/// The same of what concerns no attempt, or many.
template <typename Work>
void guarded(Work&& work) {
  const Status done = caught(work);
  if (!done.ok()) log_error("the executor met an error of its own: " + done.error().message());
}

}  // namespace

void LocalExecutor::Loop::run() {
  while (!leaving_ || !attempts_.empty()) {
    const bool rung = watch_.wait(milliseconds_to_wait(), [this](int fd, std::uint32_t events) {
      guarded([&] { serve_or_end(fd, events); });
    });
    // Last, since a new attempt's descriptors may take numbers that this round has closed, and an
    // old event must not be taken for one of theirs.
    guarded([&] {
      if (rung) take_orders();
    });
    guarded([this] { keep_time(); });
  }
}

void LocalExecutor::Loop::take_orders() {
  std::deque<std::function<void()>> orders;
  {
    const std::lock_guard lock(mutex_);
    orders.swap(orders_);
  }
  for (const auto& order : orders) guarded(order);
}

void LocalExecutor::Loop::begin_or_fail(AttemptRequest request) {
  const AttemptId id = request.id;
  const Status begun = guarded(id, [&] { begin(std::move(request)); });
  if (begun.ok()) return;
  const auto found = attempts_.find(id);
  if (found == attempts_.end()) return fail(id, begun.error());
  found->second->condemn(begun.error());
  end(*found->second);
}

void LocalExecutor::Loop::begin(AttemptRequest request) {
  if (leaving_) return;
  const AttemptId id = request.id;
  if (request.work.command.empty()) request.work.command = options_.program;
  const std::string path =
      attempt_log_path(options_.log_folder, id, request.generation, request.number);
  Result<AttemptLog> log = AttemptLog::create(path, id, options_.log_limit_bytes, clock_);
  if (!log.ok()) return fail(id, std::move(log).error().while_doing("making the attempt's log"));
  auto started = LocalAttempt::start(std::move(request), *std::move(log), *spawner_,
                                     options_.heartbeat, options_.owner);
  if (!started.ok()) return fail(id, started.error());
  LocalAttempt& attempt = **started;
  attempts_[id] = *std::move(started);
  attempt.beats_at = std::chrono::steady_clock::now() + options_.heartbeat;
  listener_->started(id);
  if (!watch_.add(attempt.group().process_fd(), attempt, What::Ended) ||
      !watch_.add(attempt.output_fd(), attempt, What::Output) ||
      !watch_.add(attempt.error_fd(), attempt, What::Errors) ||
      (attempt.speaks() && !watch_.add(attempt.channel_fd(), attempt, What::Channel))) {
    // Nobody would hear of its end.
    const Error why = file_error(errno, "watching the attempt's process");
    attempt.condemn(why);
    return end(attempt);
  }
  if (attempt.speaks()) write_channel(attempt);
}

void LocalExecutor::Loop::fail(const AttemptId& attempt, const Error& error) {
  AttemptEnd end;
  // A command that is not there will not be there in a minute; any other reason may pass.
  const bool hopeless = error.code() == ErrorCode::NotFound || error.code() == ErrorCode::Denied;
  end.outcome = {Outcome::Kind::Failed, hopeless ? ErrorCode::Invalid : error.code(),
                 error.message()};
  listener_->finished(attempt, std::move(end));
}

/// An error of ours that comes between is how the attempt ended, and concerns no other.
void LocalExecutor::Loop::serve_or_end(int fd, std::uint32_t events) {
  const AttemptWatch::Watched* watched = watch_.find(fd);
  if (watched == nullptr) return;  // of an attempt that ended in this round
  const AttemptId id = watched->attempt->id();
  const bool was_ending = watched->what == What::Ended || watched->what == What::RestEnded;
  const Status served = guarded(id, [&] { serve(fd, events); });
  const auto found = attempts_.find(id);
  if (served.ok() || found == attempts_.end()) return;
  LocalAttempt& attempt = *found->second;
  watch_.remove(fd);
  attempt.condemn(served.error());
  if (was_ending) return end(attempt);
  attempt.group().kill();
}

void LocalExecutor::Loop::serve(int fd, std::uint32_t events) {
  const AttemptWatch::Watched* watched = watch_.find(fd);
  LocalAttempt& attempt = *watched->attempt;
  bool open = true;
  switch (watched->what) {
    case What::Ended:
    case What::RestEnded:
      watch_.remove(fd);
      return end_with_its_group(attempt);
    case What::Channel:
      return serve_channel(attempt, fd, events);
    case What::Output:
      open = attempt.read_output();
      break;
    case What::Errors:
      open = attempt.read_error();
      break;
  }
  if (!open) watch_.forget_closed(fd);
}

void LocalExecutor::Loop::serve_channel(LocalAttempt& attempt, int fd, std::uint32_t events) {
  const bool was_condemned = attempt.condemned();
  if ((events & ~static_cast<std::uint32_t>(EPOLLOUT)) != 0 && !attempt.read_channel(*listener_))
    return watch_.forget_closed(fd);
  if (attempt.condemned() && !was_condemned) attempt.group().kill();
  pass_questions(attempt);
  write_channel(attempt);
}

/// The answers come from any thread, and maybe when the attempt has ended.
void LocalExecutor::Loop::pass_questions(LocalAttempt& attempt) {
  for (const std::int64_t question : attempt.take_questions())
    listener_->may_commit(attempt.id(), [this, id = attempt.id(), question](bool allowed) {
      order([this, id, question, allowed] {
        const auto found = attempts_.find(id);
        if (found == attempts_.end() || !found->second->speaks()) return;
        found->second->answer(question, allowed);
        write_channel(*found->second);
      });
    });
}

void LocalExecutor::Loop::write_channel(LocalAttempt& attempt) {
  attempt.write_channel();
  watch_.watch_for_room(attempt.channel_fd(), attempt.wants_to_write());
}

/// Its own process has ended, or one of the rest of its group that was waited for.
void LocalExecutor::Loop::end_with_its_group(LocalAttempt& attempt) {
  ProcessGroup& group = attempt.group();
  if (group.hold_rest() && watch_.add(group.rest_fd(), attempt, What::RestEnded)) return;
  end(attempt);
}

/// Whatever goes wrong meanwhile, it is over then.
void LocalExecutor::Loop::end(LocalAttempt& attempt) {
  const AttemptId id = attempt.id();
  // Before it closes them.
  for (const int fd : {attempt.group().process_fd(), attempt.group().rest_fd(), attempt.output_fd(),
                       attempt.error_fd(), attempt.channel_fd()})
    watch_.remove(fd);
  AttemptEnd how;
  const Status ended = guarded(id, [&] {
    const ExitStatus exit = attempt.group().reap();
    how = attempt.finish(exit, *listener_);
  });
  attempts_.erase(id);
  if (!ended.ok()) return fail(id, ended.error());
  listener_->finished(id, std::move(how));
}

void LocalExecutor::Loop::keep_time() {
  const SteadyTime now = std::chrono::steady_clock::now();
  std::vector<int> rests;
  for (const auto& [id, attempt] : attempts_) {
    if (attempt->group().keep_time(now)) rests.push_back(attempt->group().rest_fd());
    // For those that do not speak, being there is the sign of life.
    if (attempt->request().work.speaks == Preparation::Speaks::Nothing &&
        attempt->beats_at <= now) {
      attempt->beats_at = now + options_.heartbeat;
      listener_->heartbeat(id);
    }
  }
  // Also where one of them cannot be ended (another user's).
  for (const int fd : rests) serve_or_end(fd, 0);
  if (now < memory_at_) return;
  memory_at_ = now + options_.memory_check;
  check_memory();
}

void LocalExecutor::Loop::check_memory() {
  std::map<pid_t, std::uint64_t> groups;
  for (const auto& entry : attempts_)
    if (entry.second->request().resources.memory_bytes > 0) groups[entry.second->group().id()] = 0;
  if (groups.empty()) return;
  measure_groups(groups);
  for (const auto& [id, attempt] : attempts_) {
    const std::uint64_t limit = attempt->request().resources.memory_bytes;
    const auto found = groups.find(attempt->group().id());
    if (found == groups.end()) continue;
    attempt->peak_group_bytes = std::max(attempt->peak_group_bytes, found->second);
    if (limit == 0 || found->second <= limit || attempt->condemned()) continue;
    attempt->condemn(
        {ErrorCode::Exhausted,
         fmt::format("it used {} of memory, more than its limit of {}; raise "
                     "resources.memory_bytes of task '{}', or let it hold less at once",
                     format_bytes(found->second), format_bytes(limit), id.task.str())});
    attempt->group().kill();
  }
}

int LocalExecutor::Loop::milliseconds_to_wait() const {
  SteadyTime next = SteadyTime::max();
  for (const auto& entry : attempts_) {
    LocalAttempt& attempt = *entry.second;
    next = std::min(next, attempt.group().deadline().value_or(next));
    if (attempt.request().work.speaks == Preparation::Speaks::Nothing)
      next = std::min(next, attempt.beats_at);
    if (attempt.request().resources.memory_bytes > 0) next = std::min(next, memory_at_);
  }
  if (next == SteadyTime::max()) return -1;
  const auto wait =
      std::chrono::ceil<std::chrono::milliseconds>(next - std::chrono::steady_clock::now());
  return static_cast<int>(std::clamp<std::int64_t>(wait.count(), 0, 60'000));
}

}  // namespace millrace::execution
