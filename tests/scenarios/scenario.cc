#include "scenario.h"

#include <algorithm>
#include <charconv>
#include <functional>

#include <fmt/core.h>

namespace millrace::orchestration {
namespace {

/// Words, with "quoted text" as one word; # begins a comment.
std::vector<std::string> split(const std::string& line) {
  std::vector<std::string> words;
  std::string word;
  bool quoted = false;
  bool any = false;
  for (const char c : line) {
    if (c == '#' && !quoted) break;
    if (c == '"') {
      quoted = !quoted;
      any = true;
    } else if ((c == ' ' || c == '\t') && !quoted) {
      if (any) words.push_back(std::exchange(word, {}));
      any = false;
    } else {
      word += c;
      any = true;
    }
  }
  if (any) words.push_back(word);
  return words;
}

Error unclear(const std::string& what) {
  return {ErrorCode::Invalid, what + "; tests/scenarios/README.md has the words"};
}

Status require(bool holds, const std::string& expected, const std::string& found) {
  if (holds) return {};
  return Error(ErrorCode::DataQuality, fmt::format("expected {}, found {}", expected, found));
}

Result<int> number(const std::string& text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size())
    return unclear("'" + text + "' is no number");
  return value;
}

std::vector<TaskId> list(const std::string& text) {
  std::vector<TaskId> ids;
  std::size_t start = 0;
  while (start <= text.size()) {
    const std::size_t comma = std::min(text.find(',', start), text.size());
    ids.emplace_back(text.substr(start, comma - start));
    start = comma + 1;
  }
  return ids;
}

/// "name value name value ..." and lone flags, each given to its reader.
using Setting = std::pair<bool, std::function<Status(const std::string&)>>;  // takes a value?
Status read_settings(const std::vector<std::string>& words, std::size_t from,
                     const std::map<std::string, Setting>& settings) {
  for (std::size_t i = from; i < words.size(); ++i) {
    const auto found = settings.find(words[i]);
    if (found == settings.end()) return unclear("'" + words[i] + "' is not known here");
    const bool takes_value = found->second.first;
    if (takes_value && i + 1 == words.size()) return unclear("'" + words[i] + "' needs a value");
    const std::string value = takes_value ? words[++i] : "";
    TRY(found->second.second(value));
  }
  return {};
}

template <typename T, typename Read>
std::function<Status(const std::string&)> into(T& target, Read read) {
  return [&target, read](const std::string& text) -> Status {
    target = TRY(read(text));
    return {};
  };
}

Result<std::string> as_text(const std::string& text) {
  return text;
}

}  // namespace

Status Scenario::run(const std::string& text) {
  Scenario scenario;
  int number = 0;
  std::size_t start = 0;
  while (start <= text.size()) {
    const std::size_t end = std::min(text.find('\n', start), text.size());
    const std::string line = text.substr(start, end - start);
    ++number;
    start = end + 1;
    TRY_DOING(fmt::format("line {}: {}", number, line), scenario.take(line));
  }
  TRY(scenario.finish_dag());
  const auto& breaches = scenario.simulation().breaches();
  return require(breaches.empty(), "every invariant to hold",
                 breaches.empty() ? "" : breaches.front());
}

Simulation& Scenario::simulation() {
  if (!simulation_) {
    simulation_ = std::make_unique<Simulation>(
        now_, options_, [this](const AttemptId& attempt, int) { return plan(attempt); });
    simulation_->observe([this](Instant now, const Action& action) { note(now, action); });
  }
  return *simulation_;
}

AttemptPlan Scenario::plan(const AttemptId& attempt) {
  std::deque<AttemptPlan>& next = next_plans_[attempt.task.str()];
  if (next.empty()) return usual_plans_[attempt.task.str()];
  const AttemptPlan plan = next.front();
  next.pop_front();
  return plan;
}

void Scenario::note(Instant, const Action& action) {
  if (const auto* start = std::get_if<action::StartAttempt>(&action))
    started_.push_back(start->attempt.task.str() + " " + start->attempt.run.run.str());
  if (const auto* refused = std::get_if<action::Refused>(&action))
    refused_.push_back(refused->reason);
}

Status Scenario::take(const std::string& line) {
  const Words words = split(line);
  if (words.empty()) return {};
  if (writing_ && line.front() == ' ') return define_task(words);
  TRY(finish_dag());
  return obey(words);
}

Status Scenario::obey(Words words) {
  const std::string verb = words[0];
  if (verb == "dag") return define_dag(words);
  if (verb == "option" || verb == "pool" || verb == "start") return option(words);
  if (verb == "at" && words.size() == 2) return move_to(words[1]);
  if (verb == "after" && words.size() == 2) {
    now_ += TRY(parse_duration(words[1]));
    simulation().run_until(now_);
    return {};
  }
  if (verb == "expect") return expect(std::move(words));
  if (verb == "report") return report(words);
  if (verb == "clock") return set_clock(words);
  if (verb == "remove" && words.size() == 2) {
    simulation().remove_dag(DagId(words[1]));
    return {};
  }
  if (verb == "workers" && words.size() == 2) {
    simulation().set_capacity(TRY(number(words[1])));
    return {};
  }
  for (const char* known : {"run", "backfill", "clear", "cancel", "restart"})
    if (verb == known) return act(words);
  if (words.size() >= 2) return behave(verb, words);
  return unclear("'" + verb + "' is no verb");
}

Status Scenario::option(const Words& words) {
  if (simulation_) return unclear("options come before the first Dag");
  if (words[0] == "start" && words.size() == 2) {
    now_ = TRY(parse_instant(words[1]));
    return {};
  }
  if (words.size() != 3) return unclear("name and value are expected");
  if (words[0] == "pool")
    options_.pools[words[1]] = TRY(number(words[2]));
  else if (words[1] == "parallelism")
    options_.parallelism = TRY(number(words[2]));
  else if (words[1] == "heartbeat_timeout")
    options_.heartbeat_timeout = TRY(parse_duration(words[2]));
  else if (words[1] == "kill_timeout")
    options_.kill_timeout = TRY(parse_duration(words[2]));
  else if (words[1] == "schedules" && words[2] == "ignored")
    options_.follow_schedules = false;
  else
    return unclear("'" + words[1] + "' is no option");
  return {};
}

Status Scenario::define_dag(const Words& words) {
  if (words.size() < 2) return unclear("a Dag needs a name");
  writing_.emplace();
  DagSpec& spec = *writing_;
  spec.id = DagId(words[1]);
  return read_settings(
      words, 2,
      {{"schedule", {true, into(spec.schedule, as_text)}},
       {"zone", {true, into(spec.timezone, as_text)}},
       {"start", {true, into(spec.start_date, parse_instant)}},
       {"end", {true, into(spec.end_date, parse_instant)}},
       {"catchup", {false, into(spec.catchup, [](const auto&) { return Result<bool>(true); })}},
       {"max_active_runs", {true, into(spec.max_active_runs, number)}},
       {"param", {true, [&spec](const std::string& text) -> Status {
                    const std::size_t equals = text.find('=');
                    if (equals == std::string::npos) return unclear("a parameter is name=value");
                    spec.params.set(text.substr(0, equals), text.substr(equals + 1));
                    return {};
                  }}}});
}

Status Scenario::define_task(const Words& words) {
  if (words.size() < 2 || words[0] != "task") return unclear("a task was expected");
  TaskSpec task;
  task.id = TaskId(words[1]);
  task.kind = "simulated";
  const auto yes = [](const auto&) { return Result<bool>(true); };
  const auto ids = [](const std::string& text) { return Result(list(text)); };
  TRY(read_settings(words, 2,
                    {{"after", {true, into(task.upstream, ids)}},
                     {"retries", {true, into(task.retries, number)}},
                     {"retry_delay", {true, into(task.retry_delay, parse_duration)}},
                     {"backoff", {false, into(task.retry_exponential_backoff, yes)}},
                     {"max_retry_delay", {true, into(task.max_retry_delay, parse_duration)}},
                     {"timeout", {true, into(task.execution_timeout, parse_duration)}},
                     {"pool", {true, into(task.pool, as_text)}},
                     {"slots", {true, into(task.pool_slots, number)}}}));
  writing_->tasks.push_back(std::move(task));
  return {};
}

Status Scenario::finish_dag() {
  if (!writing_) return {};
  DagSpec spec = *std::exchange(writing_, std::nullopt);
  return simulation().add_dag(TRY(Dag::make(std::move(spec))));
}

/// extract takes 30s / fails [code] ["message"] / always fails / skips / ends the work / goes
/// silent
Status Scenario::behave(const std::string& task, const Words& words) {
  const bool always = words[1] == "always";
  const std::size_t at = always ? 2 : 1;
  if (words.size() <= at) return unclear("what does it do?");
  AttemptPlan plan = usual_plans_[task];
  const std::string& verb = words[at];
  const auto word = [&](std::size_t i) { return i < words.size() ? words[i] : std::string(); };
  if (verb == "takes") {
    usual_plans_[task].runs_for = TRY(parse_duration(word(at + 1)));
    return {};
  }
  if (verb == "fails") {
    plan.outcome = {Outcome::Kind::Failed, error_code_from(word(at + 1)), word(at + 2)};
  } else if (verb == "skips") {
    plan.outcome = {Outcome::Kind::Skipped, std::nullopt, "nothing to do"};
  } else if (verb == "ends") {
    plan.outcome = {Outcome::Kind::SuccessSkipDownstream, std::nullopt, ""};
  } else if (verb == "goes") {
    plan.silent = true;
  } else if (verb == "starts") {
    plan.start_is_lost = true;
  } else if (verb == "ignores") {
    plan.ignores_kill = true;
  } else if (verb == "reports") {
    plan.reports_twice = true;
  } else if (verb != "succeeds") {
    return unclear("'" + verb + "' is nothing that a task can do");
  }
  if (always)
    usual_plans_[task] = plan;
  else
    next_plans_[task].push_back(plan);
  return {};
}

Status Scenario::move_to(const std::string& when) {
  Instant target = now_;
  if (when.find('-') == std::string::npos) {  // the next 06:30 of UTC
    const Instant midnight = std::chrono::floor<std::chrono::days>(now_);
    target = TRY(parse_instant(format_instant(midnight).substr(0, 11) + when));
    if (target < now_) target += std::chrono::hours(24);
  } else {
    target = TRY(parse_instant(when));
  }
  if (target < now_) return unclear("time does not go back");
  now_ = target;
  simulation().run_until(now_);
  return {};
}

RunKey Scenario::key(const std::string& dag, const std::string& run) const {
  const auto moment = parse_instant(run);
  return {DagId(dag), RunId(moment.ok() ? format_instant(*moment) : run)};
}

Status Scenario::act(const Words& words) {
  const auto word = [&](std::size_t i) { return i < words.size() ? words[i] : std::string(); };
  if (words[0] == "restart") return restart(words);
  if (words.size() < 3) return unclear("a Dag and a logical date are expected");
  if (words[0] == "run") {
    Json params = Json::object();
    for (std::size_t i = 3; i < words.size(); ++i) {
      const std::size_t equals = words[i].find('=');
      if (equals == std::string::npos) return unclear("parameters are name=value");
      params.set(words[i].substr(0, equals), words[i].substr(equals + 1));
    }
    TRY(simulation().request_run(DagId(words[1]), TRY(parse_instant(words[2])), params));
    return {};
  }
  if (words[0] == "backfill") {
    const IfExists if_exists = word(4) == "again" ? IfExists::Clear : IfExists::Return;
    return simulation().backfill(DagId(words[1]), TRY(parse_instant(words[2])),
                                 TRY(parse_instant(word(3))),
                                 if_exists);
  }
  if (words[0] == "cancel") return simulation().cancel(key(words[1], words[2]));
  std::optional<TaskId> task;
  if (words.size() > 3) task = TaskId(words[3]);
  return simulation().clear(key(words[1], words[2]), task);
}

/// clock forward D | clock back D
Status Scenario::set_clock(const Words& words) {
  if (words.size() != 3 || (words[1] != "forward" && words[1] != "back"))
    return unclear("clock forward D or clock back D");
  const Duration by = TRY(parse_duration(words[2]));
  simulation().set_clock(words[1] == "back" ? -by : by);
  return {};
}

/// restart server [after D] [following schedules]
Status Scenario::restart(const Words& words) {
  Duration down = Duration::zero();
  std::optional<Simulation::FollowSchedules> follow;
  const auto schedules = [&](const std::string&) -> Status {
    follow = Simulation::FollowSchedules::Yes;
    return {};
  };
  TRY(read_settings(
      words, 2, {{"after", {true, into(down, parse_duration)}}, {"following", {true, schedules}}}));
  simulation().restart_server(down, follow);
  now_ += down;
  return {};
}

/// report success DAG RUN TASK EPOCH: a message that comes from nowhere.
Status Scenario::report(const Words& words) {
  if (words.size() != 6) return unclear("report success DAG RUN TASK EPOCH");
  const auto epoch = TRY(number(words[5]));
  const AttemptId attempt{key(words[2], words[3]), TaskId(words[4]), epoch};
  simulation().report(event::AttemptFinished{attempt, {}});
  return {};
}

Status Scenario::expect(Words words) {
  words.erase(words.begin());
  if (words.empty()) return unclear("what is expected?");
  if (words[0] == "runs") return expect_runs(words);
  if (words[0] == "started" || words[0] == "refused") return expect_log(words);
  if (words[0] == "running") {
    const int running = simulation().scheduler().usage().running;
    return require(words.size() == 2 && running == TRY(number(words[1])), words.back() + " running",
                   std::to_string(running));
  }
  return expect_run(words);
}

/// expect runs DAG: all that exist, by id, in order
Status Scenario::expect_runs(const Words& words) {
  if (words.size() < 2) return unclear("of which Dag?");
  std::string expected;
  std::string found;
  for (std::size_t i = 2; i < words.size(); ++i) expected += key("", words[i]).run.str() + " ";
  for (const auto& [run, stored] : simulation().runs())
    if (run.dag.str() == words[1]) found += run.run.str() + " ";
  return require(expected == found, "the runs " + expected, found);
}

/// expect started "task run" "task run": all starts since the last such line, in order
/// expect refused "text": a report was put aside since the last such line
Status Scenario::expect_log(const Words& words) {
  if (words[0] == "refused") {
    const auto refused = std::exchange(refused_, {});
    for (const std::string& reason : refused)
      if (words.size() > 1 && reason.find(words[1]) != std::string::npos) return {};
    return require(false, "a refused report with '" + words.back() + "'",
                   refused.empty() ? "none" : refused.back());
  }
  std::string expected;
  std::string found;
  for (std::size_t i = 1; i < words.size(); ++i) expected += "\n  " + words[i];
  for (const std::string& start : std::exchange(started_, {})) found += "\n  " + start;
  return require(expected == found, "the starts" + expected, found);
}

/// expect DAG RUN STATE | DAG RUN interval FROM TO | DAG RUN generation N | DAG RUN TASK ...
Status Scenario::expect_run(const Words& words) {
  if (words.size() < 3) return unclear("expect DAG RUN STATE or DAG RUN TASK STATE");
  const RunKey wanted = key(words[0], words[1]);
  const auto found = simulation().runs().find(wanted);
  if (words[2] == "absent")
    return require(found == simulation().runs().end(), "no such run", "one");
  if (found == simulation().runs().end()) return require(false, "a run " + wanted.str(), "none");
  const RunRecord& run = found->second.run;
  if (words[2] == "interval" && words.size() == 5) {
    const std::string interval =
        format_instant(run.interval.start) + " " + format_instant(run.interval.end);
    return require(interval == words[3] + " " + words[4], words[3] + " " + words[4], interval);
  }
  if (words[2] == "generation" && words.size() == 4)
    return require(run.generation == TRY(number(words[3])), words[3], std::to_string(run.generation));
  if (words.size() == 3 && run_state_from(words[2]))
    return require(run_state_from(words[2]) == run.state, words[2],
                   std::string(to_string(run.state)));
  return expect_task(wanted, words);
}

/// ... TASK STATE [attempt N] [generation N] [epoch N] [losses N] [because "text"] [retry_within D]
Status Scenario::expect_task(const RunKey& wanted, const Words& words) {
  if (words.size() < 4) return unclear("in which state is the task?");
  const auto& tasks = simulation().runs().at(wanted).tasks;
  const auto found = tasks.find(TaskId(words[2]));
  const TaskRecord record = found == tasks.end() ? TaskRecord{} : found->second;
  if (!task_state_from(words[3])) return unclear("'" + words[3] + "' is no state of a task");
  TRY(require(task_state_from(words[3]) == record.state, words[3],
              fmt::format("{} ({})", to_string(record.state), record.message)));
  const auto equals = [](std::string name, int value) {
    return [name = std::move(name), value](const std::string& text) -> Status {
      return require(TRY(number(text)) == value, name + " " + text, std::to_string(value));
    };
  };
  const auto because = [&](const std::string& text) {
    return require(record.message.find(text) != std::string::npos, "'" + text + "'",
                   "'" + record.message + "'");
  };
  const auto retry = [&](const std::string& text) -> Status {
    const Duration most = TRY(parse_duration(text));
    const Duration wait = record.retry_at.value_or(Instant::max()) - *record.finished_at;
    return require(wait <= most, "a retry within " + text, format_duration(wait));
  };
  return read_settings(words, 4,
                       {{"attempt", {true, equals("attempt", record.attempt)}},
                        {"generation", {true, equals("generation", record.generation)}},
                        {"epoch", {true, equals("epoch", record.epoch)}},
                        {"losses", {true, equals("losses", record.losses)}},
                        {"conflicts", {true, equals("conflicts", record.conflicts)}},
                        {"because", {true, because}},
                        {"retry_within", {true, retry}}});
}

}  // namespace millrace::orchestration
