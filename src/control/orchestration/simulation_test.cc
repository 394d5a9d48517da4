// What must hold whatever happens: thousands of random histories with faults. A failure prints its
// seed; the same seed gives the same history.

#include "orchestration/simulation.h"

#include <random>

#include <gtest/gtest.h>

#include "base/hash.h"

namespace millrace::orchestration {
namespace {

const Instant kStart = *parse_instant("2013-01-01");

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}
  int below(int n) { return static_cast<int>(engine_() % static_cast<std::uint64_t>(n)); }
  bool chance(int percent) { return below(100) < percent; }

 private:
  std::mt19937_64 engine_;
};

DagSpec random_dag_spec(Random& random, int number) {
  DagSpec spec;
  spec.id = DagId("dag" + std::to_string(number));
  const int kind = random.below(4);
  spec.schedule = kind == 0 ? "" : kind == 1 ? "0 */3 * * *" : kind == 2 ? "30 1 * * *" : "@daily";
  spec.timezone = random.chance(50) ? "UTC" : "America/New_York";
  spec.start_date = kStart - std::chrono::hours(24 * random.below(5));
  spec.catchup = random.chance(50);
  spec.max_active_runs = 1 + number;  // equal for all versions of the Dag
  const int tasks = 1 + random.below(8);
  for (int i = 0; i < tasks; ++i) {
    TaskSpec task;
    task.id = TaskId("t" + std::to_string(i));
    task.kind = "simulated";
    for (int before = 0; before < i; ++before)
      if (random.chance(30)) task.upstream.emplace_back("t" + std::to_string(before));
    task.retries = random.below(3);
    task.retry_delay = std::chrono::seconds(random.below(600));
    task.retry_exponential_backoff = random.chance(50);
    if (random.chance(30)) task.execution_timeout = std::chrono::minutes(1 + random.below(60));
    if (random.chance(40)) task.pool = "heavy";
    task.pool_slots = 1 + random.below(2);
    spec.tasks.push_back(std::move(task));
  }
  return spec;
}

std::shared_ptr<const Dag> random_dag(Random& random, int number) {
  return *Dag::make(random_dag_spec(random, number));
}

/// Nothing more is due.
std::shared_ptr<const Dag> random_dag_without_schedule(Random& random, int number) {
  DagSpec spec = random_dag_spec(random, number);
  spec.schedule = "";
  spec.catchup = false;
  return *Dag::make(std::move(spec));
}

AttemptPlan random_plan(Random& random) {
  AttemptPlan plan;
  plan.starts_after = std::chrono::seconds(random.below(5));
  plan.runs_for = std::chrono::seconds(random.below(3'000));
  const int what = random.below(100);
  if (what < 15)
    plan.outcome = {Outcome::Kind::Failed,
                    random.chance(50) ? std::optional(ErrorCode::Unavailable) : std::nullopt,
                    "no answer"};
  else if (what < 18)
    plan.outcome = {Outcome::Kind::Failed, ErrorCode::DataQuality, "bad rows"};
  else if (what < 22)
    plan.outcome = {Outcome::Kind::Skipped, std::nullopt, "nothing new"};
  else if (what < 25)
    plan.outcome.kind = Outcome::Kind::SuccessSkipDownstream;
  plan.start_is_lost = random.chance(5);
  plan.silent = random.chance(2);
  plan.ignores_kill = random.chance(5);
  plan.reports_twice = random.chance(5);
  return plan;
}

/// Disturbances come in bursts and at one run, since it is where two of them meet that things break:
/// cleared, cancelled and restarted while one attempt dies.
class Disturber {
 public:
  Disturber(Random& random, Simulation& simulation) : random_(random), simulation_(simulation) {}

  void disturb() {
    simulation_.run_until(simulation_.now() + pause());
    const int what = random_.below(10);
    if (what < 2) return simulation_.restart_server(pause());
    if (what == 2) return disturb_dag();
    if (what == 3)
      return simulation_.set_clock(std::chrono::minutes(random_.below(4 * 1'440) - 2 * 1'440));
    choose_run();
    const TaskId task("t" + std::to_string(random_.below(8)));
    if (what < 6)
      (void)simulation_.clear(run_, random_.chance(50) ? std::optional(task) : std::nullopt);
    else if (what < 8)
      (void)simulation_.cancel(run_);
    else
      report_nonsense(task);
  }

 private:
  Duration pause() {
    if (random_.chance(60)) return std::chrono::milliseconds(random_.below(90));
    return std::chrono::minutes(random_.below(600));
  }
  void choose_run() {
    const auto& runs = simulation_.runs();
    if (runs.empty() || (runs.contains(run_) && random_.chance(70))) return;
    run_ = std::next(runs.begin(), random_.below(static_cast<int>(runs.size())))->first;
  }
  void disturb_dag() {
    const int number = random_.below(3);
    const DagId dag("dag" + std::to_string(number));
    const int what = random_.below(5);
    if (what == 4) simulation_.remove_dag(dag);
    if (what == 3) simulation_.set_capacity(random_.below(6));
    if (what == 0)
      (void)simulation_.request_run(dag, kStart + std::chrono::hours(random_.below(24 * 10)), {});
    if (what == 1) (void)simulation_.backfill(dag, kStart - std::chrono::hours(100), kStart);
    if (what == 2) (void)simulation_.add_dag(random_dag(random_, number));
  }
  void report_nonsense(const TaskId& task) {
    simulation_.report(event::AttemptFinished{{run_, task, random_.below(5)}, {}});
    simulation_.report(event::AttemptStarted{{run_, task, random_.below(5)}});
    simulation_.report(event::Heartbeat{{run_, task, random_.below(5)}});
    simulation_.report(event::AttemptLost{
        {run_, task, random_.below(5)}, event::AttemptLost::Because::ExecutorLost, "gone"});
  }

  Random& random_;
  Simulation& simulation_;
  RunKey run_;  // the one that was disturbed last
};

struct History {
  std::string hash;
  std::vector<std::string> breaches;
  std::size_t attempts = 0;
  std::size_t runs = 0;
};

History live_through(std::uint64_t seed) {
  Random random(seed);
  SchedulerOptions options;
  options.parallelism = 1 + random.below(6);
  options.pools = {{"heavy", 2}};
  options.heartbeat_timeout = std::chrono::minutes(40);
  options.seed = seed;
  History history;
  Sha256 hash;
  Simulation simulation(kStart, options,
                        [&](const AttemptId&, int) { return random_plan(random); });
  simulation.observe([&](Instant now, const Action& action) {
    hash.update(format_instant(now));
    if (const auto* task = std::get_if<action::TaskChanged>(&action))
      hash.update(task->run.str() + task->task.task.str() +
                  std::string(to_string(task->task.state)) + task->task.message);
    if (const auto* start = std::get_if<action::StartAttempt>(&action)) {
      hash.update(start->attempt.str());
      ++history.attempts;
    }
  });
  for (int i = 0; i < 3; ++i) {
    const Status added = simulation.add_dag(random_dag(random, i));
    if (!added.ok()) history.breaches.push_back(added.error().message());
  }
  Disturber disturber(random, simulation);
  for (int i = 0; i < 30; ++i) disturber.disturb();
  // No new points from now on, Dags and workers are there: what was begun must come to its end.
  simulation.set_capacity(6);
  for (int i = 0; i < 3; ++i) (void)simulation.add_dag(random_dag_without_schedule(random, i));
  simulation.run_dry(simulation.now() + std::chrono::hours(24 * 60));
  history.breaches.insert(history.breaches.end(), simulation.breaches().begin(),
                          simulation.breaches().end());
  for (const auto& [key, stored] : simulation.runs()) {
    ++history.runs;
    if (!is_finished(stored.run.state)) history.breaches.push_back(key.str() + " never ended");
    for (const auto& [id, task] : stored.tasks)
      if (!is_finished(task.state) && !stored.run.cancelled)
        history.breaches.push_back(key.str() + "/" + id.str() + " ended as " +
                                   std::string(to_string(task.state)));
  }
  if (simulation.scheduler().usage().running != 0) history.breaches.push_back("a slot was kept");
  history.hash = hash.hex();
  return history;
}

TEST(Simulation, NoRandomHistoryBreaksAnInvariant) {
  std::size_t attempts = 0;
  std::size_t runs = 0;
  // MILLRACE_SEEDS=20000 looks further.
  const char* more = std::getenv("MILLRACE_SEEDS");
  const std::uint64_t seeds = more != nullptr ? std::strtoull(more, nullptr, 10) : 500;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    const History history = live_through(seed);
    attempts += history.attempts;
    runs += history.runs;
    ASSERT_TRUE(history.breaches.empty())
        << "seed " << seed << ": " << testing::PrintToString(history.breaches);
  }
  EXPECT_GT(runs, 15 * seeds) << "the histories must be worth checking";
  EXPECT_GT(attempts, 50 * seeds);
}

TEST(Simulation, TheSameSeedGivesTheSameHistory) {
  for (std::uint64_t seed : {3U, 77U, 1'234U}) {
    EXPECT_EQ(live_through(seed).hash, live_through(seed).hash);
    EXPECT_NE(live_through(seed).hash, live_through(seed + 1).hash);
  }
}

// The checker is checked: each breach that it knows is noticed when it happens.
TEST(Invariants, NoticeASchedulerThatIsWrong) {
  DagSpec spec;
  spec.id = DagId("d");
  for (const char* id : {"a", "b"}) {
    TaskSpec task;
    task.id = TaskId(id);
    task.kind = "simulated";
    if (task.id.str() == "b") task.upstream.emplace_back("a");
    spec.tasks.push_back(task);
  }
  const auto dag = *Dag::make(spec);
  RunRecord run = *plan_run(*dag, kStart, {}, RunReason::Manual);
  run.state = RunState::Running;
  SchedulerOptions options;
  options.parallelism = 1;
  const std::map<RunKey, StoredRun> stored = {{run.key, {run, dag, {}}}};
  const auto breach = [&](const std::vector<Action>& actions) {
    Invariants invariants(options);
    for (const Action& action : actions) {
      invariants.before_storing(action, stored);
      invariants.observe(kStart, action, stored);
    }
    return invariants.breaches().empty() ? "" : invariants.breaches().front();
  };
  const auto start = [&](const char* task, int epoch) {
    return action::StartAttempt{{run.key, TaskId(task), epoch}, 1, 1};
  };
  EXPECT_EQ(breach({start("a", 1)}), "");
  EXPECT_NE(breach({start("b", 1)}).find("before its upstream succeeded"), std::string::npos);
  EXPECT_NE(breach({start("a", 1), start("a", 2)}).find("while another lives"), std::string::npos);
  Invariants of_few(options);
  of_few.allow(0);
  of_few.observe(kStart, start("a", 1), stored);
  EXPECT_NE(of_few.breaches().front().find("what the executor holds"), std::string::npos);
  EXPECT_NE(breach({action::AttemptEnded{{run.key, TaskId("a"), 1}}}).find("without being alive"),
            std::string::npos);
  EXPECT_NE(breach({start("a", 1), action::AttemptEnded{{run.key, TaskId("a"), 1}}, start("a", 1)})
                .find("used before"),
            std::string::npos);
  EXPECT_NE(breach({action::RunCreated{run}}).find("it was there already"), std::string::npos);
}

std::shared_ptr<const Dag> wide_dag(const std::string& id, int tasks) {
  DagSpec spec;
  spec.id = DagId(id);
  spec.max_active_runs = 1'000;
  for (int i = 0; i < tasks; ++i) {
    TaskSpec task;
    task.id = TaskId("t" + std::to_string(i));
    task.kind = "simulated";
    if (i % 10 != 0) task.upstream.emplace_back("t" + std::to_string(i - 1));
    spec.tasks.push_back(std::move(task));
  }
  return *Dag::make(std::move(spec));
}

TEST(Simulation, AnEventCostsWhatItTouchesHoweverMuchElseRuns) {
  // 100 runs of 100 tasks in chains of ten: 10,000 task instances, 1,000 of them ready.
  SchedulerOptions options;
  options.parallelism = 64;
  Simulation simulation(kStart, options, [](const AttemptId&, int) { return AttemptPlan{}; });
  ASSERT_TRUE(simulation.add_dag(wide_dag("wide", 100)).ok());
  for (int i = 0; i < 100; ++i)
    ASSERT_TRUE(simulation.request_run(DagId("wide"), kStart + std::chrono::hours(i)).ok());
  const std::uint64_t before = simulation.scheduler().usage().tasks_touched;
  EXPECT_LT(before, 3U * 10'000U);
  simulation.run_dry(kStart + std::chrono::hours(24));
  EXPECT_TRUE(simulation.breaches().empty());
  EXPECT_EQ(simulation.scheduler().usage().runs, 0U);
  const std::uint64_t touched = simulation.scheduler().usage().tasks_touched - before;
  EXPECT_LT(touched, 10'000U * 8U) << "a handful for each task instance";
}

TEST(Simulation, ChainsOfTenThousandTasksNeedNoStack) {
  DagSpec spec;
  spec.id = DagId("chain");
  for (int i = 0; i < 10'000; ++i) {
    TaskSpec task;
    task.id = TaskId("t" + std::to_string(i));
    task.kind = "simulated";
    if (i > 0) task.upstream.emplace_back("t" + std::to_string(i - 1));
    spec.tasks.push_back(std::move(task));
  }
  Simulation simulation(kStart, {}, [](const AttemptId&, int) {
    return AttemptPlan{.outcome = {Outcome::Kind::Failed, ErrorCode::Invalid, "no"}};
  });
  ASSERT_TRUE(simulation.add_dag(*Dag::make(std::move(spec))).ok());
  const RunId run = *simulation.request_run(DagId("chain"), kStart);
  simulation.run_dry(kStart + std::chrono::hours(1));
  const StoredRun& stored = simulation.runs().at({DagId("chain"), run});
  EXPECT_EQ(stored.run.state, RunState::Failed);
  EXPECT_EQ(stored.tasks.at(TaskId("t9999")).state, TaskState::UpstreamFailed);
}

TEST(Scheduler, TheFenceIsOpenForTheCurrentAttemptOnly) {
  Simulation simulation(kStart, {}, [](const AttemptId&, int) {
    return AttemptPlan{.runs_for = std::chrono::hours(1)};
  });
  ASSERT_TRUE(simulation.add_dag(wide_dag("d", 1)).ok());
  const RunKey run{DagId("d"), *simulation.request_run(DagId("d"), kStart)};
  const auto current = [&](int epoch) {
    return simulation.scheduler().is_current({run, TaskId("t0"), epoch});
  };
  EXPECT_TRUE(current(1));
  EXPECT_FALSE(current(0));
  EXPECT_FALSE(current(2));
  EXPECT_FALSE(simulation.scheduler().is_current({run, TaskId("t1"), 1}));
  ASSERT_TRUE(simulation.clear(run, std::nullopt).ok());
  EXPECT_FALSE(current(1)) << "it is being killed: it may commit nothing any more";
  simulation.run_until(kStart + std::chrono::seconds(1));
  EXPECT_TRUE(current(2));
  ASSERT_TRUE(simulation.cancel(run).ok());
  EXPECT_FALSE(current(2));
}

TEST(Scheduler, RefusesADagThatItCouldNeverRun) {
  const Scheduler scheduler({.pools = {{"heavy", 2}}});
  DagSpec spec;
  spec.id = DagId("d");
  spec.tasks.resize(1);
  spec.tasks[0].id = TaskId("t");
  spec.tasks[0].kind = "simulated";
  spec.tasks[0].pool = "haevy";
  auto status = scheduler.check(**Dag::make(spec));
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.error().message().find("did you mean 'heavy'"), std::string::npos);
  spec.tasks[0].pool = "heavy";
  spec.tasks[0].pool_slots = 3;
  status = scheduler.check(**Dag::make(spec));
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.error().message().find("which has 2"), std::string::npos);
}

TEST(Scheduler, JitterIsSpreadAndRepeatsWithItsSeed) {
  std::set<Duration> delays;
  for (std::uint64_t seed = 0; seed < 50; ++seed)
    for (int repeat = 0; repeat < 2; ++repeat) {
      Simulation simulation(kStart, {.seed = seed}, [](const AttemptId&, int) {
        return AttemptPlan{.outcome = {Outcome::Kind::Failed, std::nullopt, ""}};
      });
      DagSpec spec = wide_dag("d", 1)->spec();
      spec.tasks[0].retries = 1;
      spec.tasks[0].retry_delay = std::chrono::seconds(60);
      spec.tasks[0].retry_exponential_backoff = true;
      ASSERT_TRUE(simulation.add_dag(*Dag::make(spec)).ok());
      const RunKey run{DagId("d"), *simulation.request_run(DagId("d"), kStart)};
      simulation.run_until(kStart + std::chrono::seconds(1));
      const TaskRecord& task = simulation.runs().at(run).tasks.at(TaskId("t0"));
      delays.insert(*task.retry_at - *task.finished_at);
    }
  EXPECT_EQ(delays.size(), 50U);
  EXPECT_LE(*delays.rbegin(), std::chrono::seconds(60));
  EXPECT_LT(*delays.begin(), std::chrono::seconds(10));
  EXPECT_GT(*delays.rbegin(), std::chrono::seconds(50));
}

TEST(Run, ItsIdentityIsTheLogicalDateAndTheParametersThatDiffer) {
  DagSpec spec = wide_dag("d", 1)->spec();
  spec.params = Json::object({{"score_at", "departure"}, {"days", 30}, {"note", Json()}});
  const auto dag = *Dag::make(spec);
  const auto id = [&](const Json& given) {
    return plan_run(*dag, kStart, given, RunReason::Manual)->key.run.str();
  };
  const std::string date = "2013-01-01T00:00:00Z";
  EXPECT_EQ(id({}), date);
  EXPECT_EQ(id(Json::object({{"days", 30}})), date);
  EXPECT_EQ(id(Json::object({{"score_at", "leaky"}})), date + ".score_at=leaky");
  EXPECT_EQ(id(Json::object({{"score_at", "leaky"}, {"days", 7}})),
            date + ".days=7.score_at=leaky");
  EXPECT_EQ(id(Json::object({{"days", "7"}})).substr(0, 28), date + ".params=")
      << "a text that looks like a number is not the number";
  for (const char* odd : {"../..", "a b", "", "true", "1.5", "a=b", "ä"})
    EXPECT_EQ(id(Json::object({{"note", odd}})).size(), date.size() + 20) << odd;
  EXPECT_EQ(id(Json::object({{"note", std::string(200, 'x')}})).size(), date.size() + 20);
  const auto unknown = plan_run(*dag, kStart, Json::object({{"day", 1}}), RunReason::Manual);
  ASSERT_FALSE(unknown.ok());
  EXPECT_NE(unknown.error().message().find("did you mean 'days'"), std::string::npos);
  EXPECT_FALSE(plan_run(*dag, kStart, Json(3), RunReason::Manual).ok());
}

TEST(State, NamesReadBack) {
  for (int i = 0; i <= static_cast<int>(TaskState::Removed); ++i) {
    const auto state = static_cast<TaskState>(i);
    EXPECT_FALSE(to_string(state).empty());
    EXPECT_EQ(task_state_from(to_string(state)), state);
  }
  for (int i = 0; i <= static_cast<int>(RunState::Failed); ++i)
    EXPECT_EQ(run_state_from(to_string(static_cast<RunState>(i))), static_cast<RunState>(i));
  EXPECT_FALSE(task_state_from("shutdown").has_value());
}

}  // namespace
}  // namespace millrace::orchestration
