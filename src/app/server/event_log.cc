#include "server/event_log.h"

#include <variant>

namespace millrace::server {
namespace {

constexpr std::size_t kKept = 20'000;

Json moment(const std::optional<Instant>& instant) {
  return instant ? Json(format_instant(*instant)) : Json();
}

Json event_of(const orchestration::RunRecord& run) {
  return Json::object({{"type", "run"}, {"run", to_json(run)}});
}

Json event_of(const orchestration::TaskNotice& notice) {
  return Json::object({{"type", "task"}, {"task", to_json(notice.task)}});
}

Json event_of(const orchestration::MessageNotice& notice) {
  return Json::object({{"type", notice.message.type},
                       {"task", notice.attempt.task.str()},
                       {"body", notice.message.body}});
}

const orchestration::RunKey& key_of(const orchestration::RunRecord& run) {
  return run.key;
}
const orchestration::RunKey& key_of(const orchestration::TaskNotice& notice) {
  return notice.run;
}
const orchestration::RunKey& key_of(const orchestration::MessageNotice& notice) {
  return notice.attempt.run;
}

}  // namespace

Json to_json(const orchestration::RunRecord& run) {
  return Json::object({{"dag", run.key.dag.str()},
                       {"run_id", run.key.run.str()},
                       {"logical_date", format_instant(run.logical_date)},
                       {"data_interval_start", format_instant(run.interval.start)},
                       {"data_interval_end", format_instant(run.interval.end)},
                       {"params", run.params},
                       {"reason", to_string(run.reason)},
                       {"state", to_string(run.state)},
                       {"generation", run.generation},
                       {"started_at", moment(run.started_at)},
                       {"finished_at", moment(run.finished_at)}});
}

Json to_json(const orchestration::TaskRecord& task) {
  Json json = Json::object({{"task", task.task.str()},
                            {"state", to_string(task.state)},
                            {"generation", task.generation},
                            {"attempt", task.attempt},
                            {"epoch", task.epoch},
                            {"started_at", moment(task.started_at)},
                            {"finished_at", moment(task.finished_at)},
                            {"retry_at", moment(task.retry_at)},
                            {"message", task.message}});
  if (task.error.has_value()) json.set("error", to_string(*task.error));
  return json;
}

void EventLog::add(const orchestration::Notice& notice) {
  const orchestration::RunKey run = std::visit([](const auto& n) { return key_of(n); }, notice);
  Json event = std::visit([](const auto& n) { return event_of(n); }, notice);
  {
    const std::lock_guard lock(mutex_);
    event.set("number", ++last_);
    entries_.push_back({last_, run, std::move(event)});
    if (entries_.size() > kKept) entries_.pop_front();
  }
  changed_.notify_all();
}

EventLog::Page EventLog::collect(const orchestration::RunKey& run, std::int64_t after) const {
  Page page;
  page.next = last_;
  for (auto entry = entries_.rbegin(); entry != entries_.rend() && entry->number > after; ++entry)
    if (entry->run == run) page.events.push_back(entry->event);
  std::reverse(page.events.begin(), page.events.end());
  return page;
}

EventLog::Page EventLog::after(const orchestration::RunKey& run, std::int64_t after,
                               std::chrono::milliseconds patience) {
  std::unique_lock lock(mutex_);
  if (after < 0) return Page{{}, last_};
  Page page;
  changed_.wait_for(lock, patience, [&] {
    page = collect(run, after);
    return closed_ || !page.events.empty();
  });
  return page;
}

void EventLog::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  changed_.notify_all();
}

}  // namespace millrace::server
