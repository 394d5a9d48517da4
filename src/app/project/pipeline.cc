#include "project/pipeline.h"

#include <algorithm>

#include <fmt/core.h>

#include "base/size.h"
#include "base/suggest.h"
#include "project/mistake_place.h"

namespace millrace::project {
namespace {

using orchestration::DagSpec;
using orchestration::TaskId;
using orchestration::TaskSpec;

/// "4GB", "512MB", "1.5GiB", or a number of bytes.
std::uint64_t read_bytes(Fields& fields, std::string_view key, std::uint64_t fallback,
                         const Node* found) {
  if (found == nullptr) return fallback;
  const std::string text =
      found->scalar().is_string() ? found->scalar().as_string() : found->scalar().dump();
  const auto bytes = parse_bytes(text);
  if (bytes.ok()) return *bytes;
  fields.problem(key, bytes.error().message());
  return fallback;
}

std::optional<Instant> read_date(Fields& fields, std::string_view key,
                                 const std::string& zone_name) {
  const std::string text = fields.text(key, "");
  if (text.empty()) return std::nullopt;
  // A zone that is none is a problem of its own place.
  const auto moment = TimeZone::load(zone_name).value_or(TimeZone::utc()).parse(text);
  if (moment.ok()) return *moment;
  fields.problem(key, fmt::format("'{}': {}", key, moment.error().message()));
  return std::nullopt;
}

/// Dag::make would find it too, but could not say where it stands.
void check_schedule(Fields& fields, const DagSpec& dag) {
  auto zone = TimeZone::load(dag.timezone);
  if (!zone.ok()) return;
  const auto schedule =
      orchestration::Schedule::parse(dag.schedule, *std::move(zone), dag.start_date, dag.end_date);
  if (!schedule.ok()) fields.problem("schedule", schedule.error().message());
}

/// What a task may say of itself and default_args may say for all.
void read_attempts(Fields& fields, TaskSpec& task) {
  task.retries = static_cast<int>(fields.integer("retries", task.retries));
  task.retry_delay = Duration(fields.duration_us("retry_delay", task.retry_delay.count()));
  task.retry_exponential_backoff =
      fields.boolean("retry_exponential_backoff", task.retry_exponential_backoff);
  task.max_retry_delay =
      Duration(fields.duration_us("max_retry_delay", task.max_retry_delay.count()));
  const std::int64_t timeout = fields.duration_us(
      "execution_timeout", task.execution_timeout ? task.execution_timeout->count() : 0);
  if (timeout > 0)
    task.execution_timeout = Duration(timeout);
  else if (fields.has("execution_timeout"))
    fields.problem("execution_timeout",
                   "'execution_timeout' is more than 0; leave it out for as long as it takes");
  task.pool = fields.text("pool", task.pool);
  task.pool_slots = static_cast<int>(fields.integer("pool_slots", task.pool_slots));
}

void read_resources(const Node* node, TaskSpec& task, Problems& problems) {
  if (node == nullptr) return;
  Fields fields(*node, "task's resources", problems);
  task.resources.threads = static_cast<int>(fields.integer("threads", task.resources.threads));
  if (fields.has("threads") && task.resources.threads < 1)
    fields.problem("threads", "'threads' is 1 to 4096; leave it out for as many as the target has");
  task.resources.memory_bytes =
      read_bytes(fields, "memory", task.resources.memory_bytes, fields.any("memory"));
  fields.refuse_unknown();
}

TaskSpec read_task(const Node& node, const TaskSpec& defaults, Problems& problems) {
  TaskSpec task = defaults;
  Fields fields(node, "task", problems);
  task.id = TaskId(fields.text("id"));
  if (fields.has("operator") && !fields.has("kind"))
    fields.problem("operator", "a task has no 'operator'; did you mean 'kind'?");
  else
    task.kind = fields.text("kind");
  for (const std::string& id : fields.texts("upstream")) task.upstream.emplace_back(id);
  const std::string rule = fields.text("trigger_rule", "all_success");
  const auto trigger_rule = orchestration::trigger_rule_from(rule);
  if (trigger_rule.ok())
    task.trigger_rule = *trigger_rule;
  else
    fields.problem("trigger_rule", trigger_rule.error().message());
  read_attempts(fields, task);
  read_resources(fields.mapping("resources"), task, problems);
  const std::vector<std::string>& common = common_task_members();
  for (const Node::Entry& entry : node.entries())
    if (std::ranges::find(common, entry.key) == common.end())
      task.config.set(entry.key, entry.value.to_json());
  return task;
}

void read_tasks(const Node* list, const TaskSpec& defaults, Pipeline& pipeline,
                Problems& problems) {
  if (list == nullptr) return;
  for (const Node& node : list->elements()) {
    TaskSpec task = read_task(node, defaults, problems);
    if (!pipeline.task_nodes.emplace(task.id, node).second && !task.id.empty())
      problems.push_back(
          {node.place(), fmt::format("the task '{}' stands twice in this Dag", task.id.str())});
    pipeline.dag.tasks.push_back(std::move(task));
  }
}

/// An upstream task that does not exist, at the place where it is named; the rest is Dag::make's to
/// find.
void check_upstream(const Pipeline& pipeline, Problems& problems) {
  std::vector<std::string> ids;
  ids.reserve(pipeline.dag.tasks.size());
  for (const TaskSpec& task : pipeline.dag.tasks) ids.push_back(task.id.str());
  for (const TaskSpec& task : pipeline.dag.tasks)
    for (const TaskId& upstream : task.upstream)
      if (std::ranges::find(ids, upstream.str()) == ids.end()) {
        const Node& node = pipeline.task_nodes.at(task.id);
        problems.push_back(
            {node.find("upstream")->place(),
             fmt::format("the task '{}' comes after '{}', which this Dag does not have{}",
                         task.id.str(), upstream.str(), suggestion(upstream.str(), ids))});
      }
}

/// What Dag::make finds: "Dag 'daily': task 'a': retries must be ...".
Problem dag_problem(const Node& root, const Pipeline& pipeline, std::string message) {
  const std::string itself = fmt::format("Dag '{}': ", pipeline.dag.id.str());
  if (message.starts_with(itself)) message.erase(0, itself.size());
  // "its tasks wait for each other: a -> b -> a"
  const std::size_t arrow = message.find(" -> ");
  const std::size_t colon = message.rfind(": ", arrow);
  if (arrow != std::string::npos && colon != std::string::npos) {
    const TaskId first(message.substr(colon + 2, arrow - colon - 2));
    const auto task = pipeline.task_nodes.find(first);
    if (task != pipeline.task_nodes.end() && task->second.find("upstream") != nullptr)
      return {task->second.find("upstream")->place(), message};
  }
  return {place_of_mistake(root, message), message};
}

}  // namespace

const std::vector<std::string>& common_task_members() {
  static const std::vector<std::string> kMembers = {"id",
                                                    "kind",
                                                    "upstream",
                                                    "trigger_rule",
                                                    "retries",
                                                    "retry_delay",
                                                    "retry_exponential_backoff",
                                                    "max_retry_delay",
                                                    "execution_timeout",
                                                    "pool",
                                                    "pool_slots",
                                                    "resources"};
  return kMembers;
}

Pipeline read_pipeline(const Node& root, const std::string& default_id, Problems& problems) {
  const std::size_t before = problems.size();
  Pipeline pipeline;
  pipeline.place = root.place();
  DagSpec& dag = pipeline.dag;
  Fields fields(root, "Dag", problems);
  dag.id = orchestration::DagId(fields.text("id", default_id));
  dag.description = fields.text("description", "");
  dag.schedule = fields.text("schedule", "");
  dag.timezone = fields.text("timezone", "UTC");
  if (const auto zone = TimeZone::load(dag.timezone); !zone.ok())
    fields.problem("timezone", zone.error().message());
  dag.start_date = read_date(fields, "start_date", dag.timezone);
  dag.end_date = read_date(fields, "end_date", dag.timezone);
  check_schedule(fields, dag);
  dag.catchup = fields.boolean("catchup", false);
  dag.max_active_runs = static_cast<int>(fields.integer("max_active_runs", dag.max_active_runs));
  if (const Node* params = fields.mapping("params")) dag.params = params->to_json();
  TaskSpec defaults;
  if (const Node* node = fields.mapping("default_args")) {
    Fields arguments(*node, "Dag's default_args", problems);
    read_attempts(arguments, defaults);
    arguments.refuse_unknown();
  }
  read_tasks(fields.sequence("tasks"), defaults, pipeline, problems);
  if (fields.readable() && dag.tasks.empty())
    fields.problem("tasks", "a Dag needs a list of 'tasks'");
  fields.refuse_unknown();
  if (problems.size() == before) check_upstream(pipeline, problems);
  if (problems.size() == before) {
    const auto made = orchestration::Dag::make(dag);
    if (!made.ok()) problems.push_back(dag_problem(root, pipeline, made.error().message()));
  }
  return pipeline;
}

}  // namespace millrace::project
