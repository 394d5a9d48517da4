#include "orchestration/dag.h"

#include <fmt/core.h>

#include "base/hash.h"
#include "base/suggest.h"

namespace millrace::orchestration {
namespace {

constexpr std::size_t kMostTasks = 100'000;

bool is_name(const std::string& text) {
  if (text.empty() || text.size() > 250) return false;
  const auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  };
  if (!letter(text.front())) return false;
  for (const char c : text)
    if (!letter(c) && c != '.' && c != '-') return false;
  return true;
}

Status check_name(std::string_view what, const std::string& text) {
  if (is_name(text)) return {};
  return Error(
      ErrorCode::Invalid,
      fmt::format("'{}' cannot be the id of a {}: write 1 to 250 letters, digits, '_', '-' "
                  "and '.', beginning with a letter, digit or '_'",
                  text, what));
}

Status check_numbers(const TaskSpec& task) {
  const auto refuse = [&](std::string_view member, std::string_view expected) {
    return Error(ErrorCode::Invalid,
                 fmt::format("task '{}': {} must be {}", task.id.str(), member, expected));
  };
  if (task.retries < 0 || task.retries > 1'000) return refuse("retries", "0 to 1000");
  if (task.retry_delay < Duration::zero()) return refuse("retry_delay", "0 or more");
  if (task.max_retry_delay < Duration::zero()) return refuse("max_retry_delay", "0 or more");
  if (task.execution_timeout && *task.execution_timeout <= Duration::zero())
    return refuse("execution_timeout", "more than 0");
  if (task.pool.empty()) return refuse("pool", "a name");
  if (task.pool_slots < 1) return refuse("pool_slots", "at least 1");
  if (task.resources.threads < 0 || task.resources.threads > 4'096)
    return refuse("resources.threads", "1 to 4096");
  if (task.kind.empty()) return refuse("kind", "a name");
  return {};
}

Status check(const DagSpec& spec) {
  TRY(check_name("Dag", spec.id.str()));
  if (spec.tasks.empty()) return Error(ErrorCode::Invalid, "it has no tasks");
  if (spec.tasks.size() > kMostTasks)
    return Error(ErrorCode::Exhausted, fmt::format("it has {} tasks; a Dag has at most {}",
                                                   spec.tasks.size(), kMostTasks));
  if (spec.max_active_runs < 1)
    return Error(ErrorCode::Invalid, "max_active_runs must be at least 1");
  if (!spec.params.is_object())
    return Error(ErrorCode::Invalid, "params must be an object of names and default values");
  if (spec.catchup && !spec.schedule.empty() && !spec.start_date)
    return Error(ErrorCode::Invalid,
                 "catchup needs a start_date, from which on missed runs are made up for");
  for (const TaskSpec& task : spec.tasks) {
    TRY(check_name("task", task.id.str()));
    TRY(check_numbers(task));
  }
  return {};
}

}  // namespace

Dag::Dag(DagSpec spec, Schedule schedule) : spec_(std::move(spec)), schedule_(std::move(schedule)) {
  version_ = sha256_hex(spec_.to_json().dump_canonical()).substr(0, 16);
}

Result<std::shared_ptr<const Dag>> Dag::make(DagSpec spec) {
  const std::string place = fmt::format("Dag '{}'", spec.id.str());
  TRY_DOING(place, check(spec));
  TimeZone zone = TRY_DOING(place, TimeZone::load(spec.timezone));
  Schedule schedule = TRY_DOING(
      place, Schedule::parse(spec.schedule, std::move(zone), spec.start_date, spec.end_date));
  std::shared_ptr<Dag> dag(new Dag(std::move(spec), std::move(schedule)));
  TRY_DOING(place, dag->connect());
  TRY_DOING(place, dag->sort());
  return std::shared_ptr<const Dag>(std::move(dag));
}

std::optional<TaskIndex> Dag::find(const TaskId& id) const {
  const auto found = index_.find(id);
  if (found == index_.end()) return std::nullopt;
  return found->second;
}

Status Dag::connect() {
  for (TaskIndex i = 0; i < size(); ++i)
    if (!index_.emplace(task(i).id, i).second)
      return Error(ErrorCode::Invalid, fmt::format("two tasks are named '{}'", task(i).id.str()));
  upstream_.resize(size());
  downstream_.resize(size());
  for (TaskIndex i = 0; i < size(); ++i)
    for (const TaskId& id : task(i).upstream) {
      const std::optional<TaskIndex> from = find(id);
      if (!from) {
        std::vector<std::string> known;
        known.reserve(size());
        for (const TaskSpec& other : spec_.tasks) known.push_back(other.id.str());
        return Error(ErrorCode::Invalid,
                     fmt::format("task '{}' comes after '{}', which does not exist{}",
                                 task(i).id.str(), id.str(), suggestion(id.str(), known)));
      }
      if (std::find(upstream_[i].begin(), upstream_[i].end(), *from) != upstream_[i].end())
        return Error(ErrorCode::Invalid, fmt::format("task '{}' names its upstream task '{}' twice",
                                                     task(i).id.str(), id.str()));
      upstream_[i].push_back(*from);
      downstream_[*from].push_back(i);
    }
  return {};
}

Status Dag::sort() {
  std::vector<std::uint32_t> waiting(size());
  for (TaskIndex i = 0; i < size(); ++i) {
    waiting[i] = static_cast<std::uint32_t>(upstream_[i].size());
    if (waiting[i] == 0) order_.push_back(i);
  }
  for (std::size_t at = 0; at < order_.size(); ++at)
    for (const TaskIndex next : downstream_[order_[at]])
      if (--waiting[next] == 0) order_.push_back(next);
  position_.resize(size());
  for (std::uint32_t at = 0; at < order_.size(); ++at) position_[order_[at]] = at;
  if (order_.size() == size()) return {};
  return Error(ErrorCode::Invalid,
               "its tasks wait for each other: " + some_cycle(waiting) + "; remove one of these");
}

std::string Dag::some_cycle(const std::vector<std::uint32_t>& waiting) const {
  // Every task that still waits has an upstream task that still waits: walking up must come round.
  TaskIndex at = 0;
  while (waiting[at] == 0) ++at;
  std::vector<TaskIndex> path;
  std::vector<bool> seen(size());
  while (!seen[at]) {
    seen[at] = true;
    path.push_back(at);
    for (const TaskIndex before : upstream_[at])
      if (waiting[before] > 0) {
        at = before;
        break;
      }
  }
  // `path` leads upstream and meets itself at `at`; told downstream, a -> b reads "b comes after
  // a".
  path.erase(path.begin(), std::find(path.begin(), path.end(), at));
  std::string text = task(at).id.str();
  std::size_t told = 0;
  for (auto it = path.rbegin(); it != path.rend(); ++it, ++told)
    if (told < 10 || *it == at)
      text += " -> " + task(*it).id.str();
    else if (told == 10)
      text += " -> ...";
  return text;
}

std::vector<TaskIndex> Dag::with_downstream(TaskIndex index) const {
  std::vector<bool> reached(size());
  reached[index] = true;
  std::vector<TaskIndex> found;
  for (const TaskIndex i : order_) {
    if (!reached[i]) continue;
    found.push_back(i);
    for (const TaskIndex next : downstream_[i]) reached[next] = true;
  }
  return found;
}

}  // namespace millrace::orchestration
