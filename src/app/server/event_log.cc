#include "server/event_log.h"

#include <algorithm>
#include <variant>

namespace millrace::server {
namespace {

constexpr std::size_t kMostEvents = 20'000;
constexpr std::size_t kMostBytes = 32U << 20U;
constexpr std::size_t kPageBytes = 1U << 20U;
constexpr int kMostWaiting = 24;

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

const orchestration::RunKey& run_of(const orchestration::RunRecord& run) {
  return run.key;
}
const orchestration::RunKey& run_of(const orchestration::TaskNotice& notice) {
  return notice.run;
}
const orchestration::RunKey& run_of(const orchestration::MessageNotice& notice) {
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
                       {"cancelled", run.cancelled},
                       {"dag_version", run.dag_version},
                       {"started_at", moment(run.started_at)},
                       {"finished_at", moment(run.finished_at)}});
}

Json to_json(const orchestration::TaskRecord& task) {
  Json json = Json::object({{"task", task.task.str()},
                            {"state", to_string(task.state)},
                            {"generation", task.generation},
                            {"attempt", task.attempt},
                            {"epoch", task.epoch},
                            {"conflicts", task.conflicts},
                            {"started_at", moment(task.started_at)},
                            {"finished_at", moment(task.finished_at)},
                            {"retry_at", moment(task.retry_at)},
                            {"message", task.message}});
  if (task.error.has_value()) json.set("error", to_string(*task.error));
  return json;
}

Json with_outcome(const orchestration::RunRecord& run,
                  const std::vector<orchestration::TaskRecord>& tasks, const Json& results) {
  Json failed = Json::array();
  Json refused = Json::array();
  Json models = Json::array();
  for (const orchestration::TaskRecord& task : tasks) {
    const Json& result = results[task.task.str()];
    const std::string summary = result.string_or("summary", "");
    if (task.state == orchestration::TaskState::Failed)
      failed.push(Json::object({{"task", task.task.str()}, {"message", task.message}}));
    if (is_refusal(result))
      refused.push(Json::object({{"task", task.task.str()}, {"message", summary}}));
    if (result.contains("promoted"))
      models.push(Json::object({{"task", task.task.str()},
                                {"model", result["model"]},
                                {"version", result["version"]},
                                {"promoted", result["promoted"]},
                                {"metrics", result["values"]},
                                {"message", summary}}));
  }
  Json json = to_json(run);
  json.set("failed", std::move(failed))
      .set("refused", std::move(refused))
      .set("models", std::move(models));
  return json;
}

bool is_refusal(const Json& result) {
  if (!result.is_object()) return false;
  const Json& leaks = result["leaks"];
  return !result.bool_or("accepted", true) || (leaks.is_array() && !leaks.as_array().empty());
}

void EventLog::add(const orchestration::Notice& notice) {
  const auto* message = std::get_if<orchestration::MessageNotice>(&notice);
  if (message != nullptr && message->message.type != "progress" && message->message.type != "log")
    return;
  const orchestration::RunKey run = std::visit([](const auto& n) { return run_of(n); }, notice);
  Json event = std::visit([](const auto& n) { return event_of(n); }, notice);
  const std::size_t bytes = event.dump().size();
  {
    const std::lock_guard lock(mutex_);
    event.set("number", ++last_);
    entries_.push_back({last_, run, std::move(event), bytes});
    bytes_ += bytes;
    while (entries_.size() > kMostEvents || bytes_ > kMostBytes) {
      bytes_ -= entries_.front().bytes;
      entries_.pop_front();
    }
  }
  changed_.notify_all();
}

EventLog::Page EventLog::collect(const orchestration::RunKey& run, std::int64_t after) const {
  Page page;
  page.next = last_;
  std::size_t bytes = 0;
  const auto first = std::ranges::upper_bound(entries_, after, {}, &Entry::number);
  for (auto entry = first; entry != entries_.end(); ++entry) {
    if (entry->run != run) continue;
    bytes += entry->bytes;
    if (bytes > kPageBytes && !page.events.empty()) {
      page.next = entry->number - 1;
      break;
    }
    page.events.push_back(entry->event);
  }
  return page;
}

EventLog::Page EventLog::after(const orchestration::RunKey& run, std::int64_t after,
                               std::chrono::milliseconds patience) {
  std::unique_lock lock(mutex_);
  if (after < 0) return Page{{}, last_};
  Page page;
  page.next = after;
  if (waiting_ >= kMostWaiting) patience = {};
  ++waiting_;
  changed_.wait_for(lock, patience, [&] {
    page = collect(run, page.next);
    return closed_ || !page.events.empty();
  });
  --waiting_;
  return page;
}

int EventLog::waiting() const {
  const std::lock_guard lock(mutex_);
  return waiting_;
}

void EventLog::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  changed_.notify_all();
}

}  // namespace millrace::server
