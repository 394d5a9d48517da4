#include "orchestration/dag.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <mutex>

#include <fmt/core.h>
#include <unistd.h>

#include "door/session.h"
#include "execution/attempt_channel.h"
#include "millrace/millrace.h"

namespace millrace {
namespace {

constexpr int kMistake = 2;
constexpr int kUnavailable = 3;

/// A task's function as it runs: in an attempt's process, over its channel.
class AttemptContext final : public Context {
 public:
  explicit AttemptContext(execution::AttemptChannel& channel)
      : channel_(channel), session_(door::find_millrace(), engine_options(channel.request())) {}

  /// Reads the dates of the run. Errors: Invalid when the request has none.
  Status open() {
    const Json& document = channel_.request().document;
    logical_date_ = TRY_DOING("logical_date of the request",
                              parse_instant(document.string_or("logical_date", "")));
    interval_start_ = TRY_DOING("interval_start of the request",
                                parse_instant(document.string_or("interval_start", "")));
    return {};
  }

  Instant logical_date() const override { return logical_date_; }
  Instant data_interval_start() const override { return interval_start_; }
  const Json& params() const override { return channel_.request().document["params"]; }
  Json result_of(std::string_view task_id) const override {
    return channel_.request().document["upstream"][task_id];
  }
  int attempt() const override { return channel_.request().number; }

  void set_result(Json result) override {
    const std::lock_guard lock(mutex_);
    result_ = std::move(result);
  }
  // What cannot be told because the server has gone is not worth failing for: the process is being
  // ended.
  void log(std::string_view message) override { static_cast<void>(channel_.log("info", message)); }
  void progress(double fraction, std::string_view message) override {
    static_cast<void>(channel_.progress(fraction, message));
  }
  bool cancelled() const override { return channel_.cancelled(); }

  Result<> execute(std::string_view sql) override { return session_.execute(sql); }
  Result<Batches> query(std::string_view sql) override { return session_.query(sql); }
  Result<Json> rows(std::string_view sql) override { return session_.rows(sql); }
  using Tables::write;
  Result<std::int64_t> write(std::string_view name, Batches rows) override {
    return session_.write(name, std::move(rows));
  }

  Json take_result() {
    const std::lock_guard lock(mutex_);
    return std::move(result_);
  }

 private:
  /// The engine gets what this attempt was given.
  static std::vector<std::string> engine_options(const execution::ChannelRequest& request) {
    std::vector<std::string> options = {"--threads", std::to_string(request.resources.threads),
                                        "--memory-bytes",
                                        std::to_string(request.resources.memory_bytes)};
    for (const std::string name : {"project", "target"})
      if (const std::string value = request.document.string_or(name, ""); !value.empty()) {
        options.push_back("--" + name);
        options.push_back(value);
      }
    return options;
  }

  execution::AttemptChannel& channel_;
  Instant logical_date_;
  Instant interval_start_;
  std::mutex mutex_;
  Json result_;
  door::Session session_;
};

int failed(const std::string& message) {
  std::fprintf(stderr, "error: %s\n", message.c_str());
  return kMistake;
}

}  // namespace

struct Dag::State {
  orchestration::DagSpec spec;
  std::vector<TaskFunction> functions;
  std::string mistake;  // the first one of building; told by main

  int describe() const;
  int help(const std::string& program) const;
  int run_task(const std::string& id);
  int run(int argc, char** argv) const;
};

Dag::Dag(std::string id, DagOptions options) : state_(std::make_unique<State>()) {
  orchestration::DagSpec& spec = state_->spec;
  spec.id = orchestration::DagId(std::move(id));
  spec.description = std::move(options.description);
  spec.schedule = std::move(options.schedule);
  spec.timezone = std::move(options.timezone);
  spec.catchup = options.catchup;
  spec.max_active_runs = options.max_active_runs;
  spec.params = std::move(options.params);
  if (options.start_date.empty()) return;
  // A zone that is none is told with the rest of the Dag.
  const auto start =
      TimeZone::load(spec.timezone).value_or(TimeZone::utc()).parse(options.start_date);
  if (start.ok())
    spec.start_date = *start;
  else
    state_->mistake = "start_date: " + start.error().message();
}

Dag::~Dag() = default;

TaskRef Dag::add(std::string id, TaskFunction work, TaskOptions options) {
  orchestration::TaskSpec task;
  task.id = orchestration::TaskId(std::move(id));
  task.kind = "program";
  task.retries = options.retries;
  task.retry_delay = options.retry_delay;
  task.retry_exponential_backoff = options.retry_exponential_backoff;
  task.max_retry_delay = options.max_retry_delay;
  if (options.execution_timeout > Duration::zero())
    task.execution_timeout = options.execution_timeout;
  task.pool = std::move(options.pool);
  task.pool_slots = options.pool_slots;
  task.resources = {.threads = options.threads, .memory_bytes = options.memory_bytes};
  state_->spec.tasks.push_back(std::move(task));
  state_->functions.push_back(std::move(work));
  return TaskRef(*this, state_->functions.size() - 1);
}

TaskRef TaskRef::operator>>(const TaskRef& downstream) const {
  if (dag_ == downstream.dag_) {
    dag_->state_->spec.tasks[downstream.index_].upstream.push_back(
        dag_->state_->spec.tasks[index_].id);
    return downstream;
  }
  for (const Dag* dag : {dag_, downstream.dag_})
    if (dag->state_->mistake.empty())
      dag->state_->mistake = fmt::format(
          "'{}' of the Dag '{}' cannot run before '{}' of the Dag '{}': a task waits "
          "for tasks of its own Dag; make both with the same one",
          id(), dag_->state_->spec.id.str(), downstream.id(),
          downstream.dag_->state_->spec.id.str());
  return downstream;
}

TaskRef operator>>(const Tasks& upstream, const TaskRef& downstream) {
  for (const TaskRef& task : upstream) task >> downstream;
  return downstream;
}

Tasks operator>>(const TaskRef& upstream, const Tasks& downstream) {
  for (const TaskRef& task : downstream) upstream >> task;
  return downstream;
}

const std::string& TaskRef::id() const {
  return dag_->state_->spec.tasks[index_].id.str();
}

int Dag::State::describe() const {
  std::printf("%s\n", spec.to_json().dump().c_str());
  return 0;
}

/// Of this program; what it may say to `millrace run`, that one explains.
int Dag::State::help(const std::string& program) const {
  std::string text = fmt::format("The Dag '{}', as a program.\n", spec.id.str());
  if (!spec.description.empty()) text += spec.description + "\n";
  std::string tasks;
  for (const orchestration::TaskSpec& task : spec.tasks)
    tasks += (tasks.empty() ? "" : ", ") + task.id.str();
  text += fmt::format("\nTasks: {}\n", tasks);
  if (!spec.params.as_object().empty()) text += "Parameters, with their defaults:\n";
  for (const auto& [name, value] : spec.params.as_object())
    text += fmt::format("  {}={}\n", name, value.is_string() ? value.as_string() : value.dump());
  text += fmt::format(
      "\nUsage: {0} [OPTIONS]       run it once, now: as `millrace run --program {0}`,\n"
      "                             whose options it takes (`millrace run --help`)\n"
      "       {0} describe        print the Dag as JSON; Millrace asks for this\n"
      "       {0} run-task TASK   one attempt; only Millrace calls this\n\n"
      "Example:\n  {0} --quiet\n",
      program);
  std::fputs(text.c_str(), stdout);
  return 0;
}

int Dag::State::run_task(const std::string& id) {
  std::size_t found = 0;
  while (found < spec.tasks.size() && spec.tasks[found].id.str() != id) ++found;
  if (found == spec.tasks.size()) return failed("there is no task '" + id + "' in this program");
  const auto channel = execution::AttemptChannel::open();
  if (!channel.ok()) return failed("run-task is called by millrace: " + channel.error().message());
  AttemptContext context(**channel);
  Result<> result = context.open();
  try {
    if (result.ok()) result = functions[found](context);
  } catch (const std::exception& error) {
    result = Error(ErrorCode::Internal, std::string("the task threw: ") + error.what());
  } catch (...) {
    result = Error(ErrorCode::Internal, "the task threw something that is no std::exception");
  }
  Status told =
      result.ok() ? (*channel)->succeed(context.take_result()) : (*channel)->fail(result.error());
  if (!told.ok()) told = (*channel)->fail(told.error());  // the result was too large
  return told.ok() ? 0 : kUnavailable;
}

int Dag::State::run(int argc, char** argv) const {
  std::error_code error;
  const std::string self = std::filesystem::read_symlink("/proc/self/exe", error).string();
  const std::string millrace = door::find_millrace();
  std::vector<std::string> words = {millrace, "run", "--program", self};
  for (int i = 1; i < argc; ++i) words.emplace_back(argv[i]);
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  ::execvp(millrace.c_str(), arguments.data());
  return failed(fmt::format(
      "'{}' cannot be started; put millrace beside this program or on the path, or name it in "
      "$MILLRACE",
      millrace));
}

int Dag::main(int argc, char** argv) {
  if (!state_->mistake.empty()) return failed(state_->mistake);
  if (const auto made = orchestration::Dag::make(state_->spec); !made.ok())
    return failed(made.error().message());
  const std::string verb = argc > 1 ? argv[1] : "";
  if (verb == "describe") return state_->describe();
  if (verb == "--help" || verb == "-h")
    return state_->help(std::filesystem::path(argv[0]).filename().string());
  if (verb == "run-task")
    return argc == 3 ? state_->run_task(argv[2]) : failed("usage: run-task TASK");
  return state_->run(argc, argv);
}

}  // namespace millrace
