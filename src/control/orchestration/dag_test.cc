#include "orchestration/dag.h"

#include <gtest/gtest.h>

namespace millrace::orchestration {
namespace {

TaskSpec task(std::string id, std::vector<std::string> upstream = {}) {
  TaskSpec spec;
  spec.id = TaskId(std::move(id));
  spec.kind = "command";
  for (std::string& name : upstream) spec.upstream.emplace_back(std::move(name));
  return spec;
}

DagSpec dag(std::vector<TaskSpec> tasks) {
  DagSpec spec;
  spec.id = DagId("nightly");
  spec.tasks = std::move(tasks);
  return spec;
}

template <typename T>
void expect_refused(const Result<T>& made, std::string_view says) {
  ASSERT_FALSE(made.ok());
  EXPECT_NE(made.error().message().find(says), std::string::npos) << made.error().message();
}

TEST(Dag, StandsInAnOrderInWhichNoTaskComesBeforeItsUpstream) {
  const auto made = Dag::make(dag({task("load", {"transform"}), task("extract"),
                                   task("transform", {"extract"}), task("audit", {"extract"})}));
  ASSERT_TRUE(made.ok()) << made.error().message();
  const Dag& graph = **made;
  std::vector<std::string> order;
  for (const TaskIndex i : graph.order()) order.push_back(graph.task(i).id.str());
  EXPECT_EQ(order, (std::vector<std::string>{"extract", "transform", "audit", "load"}));
  EXPECT_EQ(graph.with_downstream(*graph.find(TaskId("transform"))).size(), 2U);
  EXPECT_EQ(graph.with_downstream(*graph.find(TaskId("extract"))).size(), 4U);
  EXPECT_FALSE(graph.find(TaskId("nothing")).has_value());
}

TEST(Dag, RefusesAGraphThatCannotRun) {
  expect_refused(Dag::make(dag({})), "Dag 'nightly': it has no tasks");
  expect_refused(Dag::make(dag({task("a"), task("a")})), "two tasks are named 'a'");
  expect_refused(Dag::make(dag({task("extract"), task("load", {"extrat"})})),
                 "task 'load' comes after 'extrat', which does not exist; did you mean 'extract'?");
  expect_refused(Dag::make(dag({task("a", {"a"})})), "a -> a");
  expect_refused(Dag::make(dag({task("x"), task("a", {"c", "x"}), task("b", {"a"}),
                                task("c", {"b"}), task("d", {"c"})})),
                 "a -> b -> c -> a");
  expect_refused(Dag::make(dag({task("a"), task("b", {"a", "a"})})), "twice");
}

TEST(Dag, RefusesIdsThatWouldBreakAPath) {
  for (const char* id : {"", ".", "..", ".hidden", "a/b", "a b", "-a", "ä"})
    expect_refused(Dag::make(dag({task(id)})), "cannot be the id of a task");
  expect_refused(Dag::make(dag({task(std::string(251, 'a'))})), "1 to 250");
  DagSpec spec = dag({task("a")});
  spec.id = DagId("../up");
  expect_refused(Dag::make(spec), "cannot be the id of a Dag");
}

TEST(Dag, RefusesNumbersOutOfRange) {
  struct Case {
    std::string says;
    void (*spoil)(DagSpec&);
  };
  const std::vector<Case> cases = {
      {"retries must be 0 to 1000", [](DagSpec& s) { s.tasks[0].retries = -1; }},
      {"execution_timeout must be more than 0",
       [](DagSpec& s) { s.tasks[0].execution_timeout = Duration(0); }},
      {"pool_slots must be at least 1", [](DagSpec& s) { s.tasks[0].pool_slots = 0; }},
      {"resources.threads", [](DagSpec& s) { s.tasks[0].resources.threads = -1; }},
      {"max_active_runs", [](DagSpec& s) { s.max_active_runs = 0; }},
      {"params must be an object", [](DagSpec& s) { s.params = Json(3); }},
      {"catchup needs a start_date",
       [](DagSpec& s) {
         s.catchup = true;
         s.schedule = "@daily";
       }},
      {"is not a time zone", [](DagSpec& s) { s.timezone = "Mars"; }},
      {"lies before the start_date",
       [](DagSpec& s) {
         s.start_date = *parse_instant("2013-02-01");
         s.end_date = *parse_instant("2013-01-01");
       }},
      {"@once needs a start_date", [](DagSpec& s) { s.schedule = "@once"; }},
      {"reading the schedule '* *'", [](DagSpec& s) { s.schedule = "* *"; }},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.says);
    DagSpec spec = dag({task("a")});
    c.spoil(spec);
    expect_refused(Dag::make(spec), c.says);
  }
}

TEST(Dag, ALongChainIsSortedWithoutRecursion) {
  std::vector<TaskSpec> tasks = {task("t0")};
  for (int i = 1; i < 5'000; ++i)
    tasks.push_back(task("t" + std::to_string(i), {"t" + std::to_string(i - 1)}));
  ASSERT_TRUE(Dag::make(dag(tasks)).ok());
  tasks[0].upstream.emplace_back("t4999");
  expect_refused(Dag::make(dag(tasks)), "t0 -> t1 -> t2");
}

TEST(Dag, ItsVersionIsItsContent) {
  const auto one = *Dag::make(dag({task("a")}));
  EXPECT_EQ(one->version(), (*Dag::make(dag({task("a")})))->version());
  DagSpec other = dag({task("a")});
  other.tasks[0].retries = 1;
  EXPECT_NE(one->version(), (*Dag::make(other))->version());
}

TEST(DagJson, AScheduleIsTextOrAnObjectThatSaysWhatItIs) {
  const auto read = [](const std::string& schedule) {
    return DagSpec::from_json(
        *Json::parse(R"({"millrace_dag":1,"id":"d","tasks":[],"schedule":)" + schedule + "}"));
  };
  EXPECT_EQ(read(R"("0 0 * * 0")")->schedule, "0 0 * * 0");
  EXPECT_EQ(read(R"({"cron":"0 0 * * 0"})")->schedule, "0 0 * * 0");
  EXPECT_EQ(read("null")->schedule, "");
  EXPECT_EQ(read(R"({"cron":"@daily"})")->to_json()["schedule"].as_string(), "@daily");
  const auto later = read(R"({"assets":["raw.flights"]})");
  ASSERT_FALSE(later.ok());
  EXPECT_EQ(later.error().code(), ErrorCode::Unsupported);
  expect_refused(later, "schedule: 'assets' is not known to this version; it knows 'cron'");
  expect_refused(read("7"), "schedule must be text or an object, not integer");
  expect_refused(read("{}"), "'cron' is missing");
}

TEST(DagJson, ReadsBackAsWritten) {
  DagSpec spec = dag({task("extract"), task("load", {"extract"})});
  spec.description = "every night";
  spec.schedule = "0 0 * * 0";
  spec.timezone = "America/New_York";
  spec.start_date = *parse_instant("2013-02-01T05:00:00Z");
  spec.end_date = *parse_instant("2014-01-01T05:00:00Z");
  spec.catchup = true;
  spec.max_active_runs = 3;
  spec.params = Json::object({{"score_at", "departure"}});
  TaskSpec& load = spec.tasks[1];
  load.config = Json::object({{"command", Json(std::vector<std::string>{"true"})}});
  load.retries = 2;
  load.retry_delay = std::chrono::milliseconds(1'500);
  load.retry_exponential_backoff = true;
  load.max_retry_delay = std::chrono::hours(1);
  load.execution_timeout = std::chrono::minutes(5);
  load.pool = "heavy";
  load.pool_slots = 2;
  load.resources = {4, 1ULL << 30U};
  const std::string text = spec.to_json().dump_pretty();
  const auto back = DagSpec::from_json(*Json::parse(text));
  ASSERT_TRUE(back.ok()) << back.error().message();
  EXPECT_EQ(*back, spec);
}

TEST(DagJson, ADateIsMidnightInTheZoneOfTheDag) {
  const auto spec = DagSpec::from_json(*Json::parse(
      R"({"millrace_dag": 1, "id": "a", "timezone": "America/New_York", "start_date": "2013-12-01",
          "end_date": "2013-12-31T00:00:00+01:00", "tasks": []})"));
  ASSERT_TRUE(spec.ok()) << spec.error().message();
  EXPECT_EQ(format_instant(*spec->start_date), "2013-12-01T05:00:00Z");
  EXPECT_EQ(format_instant(*spec->end_date), "2013-12-30T23:00:00Z");
}

TEST(DagJson, RefusesWhatItDoesNotKnow) {
  struct Case {
    std::string text;
    std::string says;
  };
  const std::vector<Case> cases = {
      {R"({"id": "a", "tasks": []})", "millrace_dag"},
      {R"({"millrace_dag": 2, "id": "a", "tasks": []})", "version 2"},
      {R"({"millrace_dag": 1, "id": "a", "shedule": "@daily", "tasks": []})",
       "'shedule' is not known here; did you mean 'schedule'?"},
      {R"({"millrace_dag": 1, "id": "a"})", "tasks must be an array"},
      {R"({"millrace_dag": 1, "id": "a", "tasks": [3]})", "task 0: an object was expected"},
      {R"({"millrace_dag": 1, "id": "a", "tasks": [{"id": "t", "kind": "k", "retry": 1}]})",
       "task t: 'retry' is not known here"},
      {R"({"millrace_dag": 1, "id": "a", "tasks": [{"id": "t"}]})", "kind"},
      {R"({"millrace_dag": 1, "id": "a",
           "tasks": [{"id": "t", "kind": "k", "trigger_rule": "one_failed"}]})",
       "one_failed is not supported yet"},
      {R"({"millrace_dag": 1, "id": "a",
           "tasks": [{"id": "t", "kind": "k", "trigger_rule": "all_sucess"}]})",
       "did you mean 'all_success'?"},
      {R"({"millrace_dag": 1, "id": "a",
           "tasks": [{"id": "t", "kind": "k", "retry_delay_seconds": 1e300}]})",
       "out of range"},
      {R"({"millrace_dag": 1, "id": "a",
           "tasks": [{"id": "t", "kind": "k", "resources": {"memory_bytes": -1}}]})",
       "memory_bytes must be 0"},
      {R"({"millrace_dag": 1, "id": "a", "start_date": "soon", "tasks": []})", "start_date"},
      {R"([1])", "millrace_dag"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.text);
    const auto spec = DagSpec::from_json(*Json::parse(c.text));
    ASSERT_FALSE(spec.ok());
    EXPECT_NE(spec.error().message().find(c.says), std::string::npos) << spec.error().message();
  }
}

TEST(Schedule, TheIntervalEndsAtTheLogicalDate) {
  const TimeZone zone = *TimeZone::load("America/New_York");
  const Instant start = *parse_instant("2013-03-01T05:00:00Z");
  const auto weekly = *Schedule::parse("0 0 * * 0", zone, start, std::nullopt);
  const Instant first = *weekly.next_after(*parse_instant("2000-01-01"));
  EXPECT_EQ(format_instant(first), "2013-03-03T05:00:00Z");
  EXPECT_EQ(format_instant(weekly.interval_ending_at(first).start), "2013-02-24T05:00:00Z")
      << "the interval of the first run begins before start_date";
  const DataInterval spring = weekly.interval_ending_at(*parse_instant("2013-03-17T04:00:00Z"));
  EXPECT_EQ(spring.end - spring.start, std::chrono::hours(7 * 24 - 1)) << "a week of 167 hours";
  const DataInterval manual = weekly.interval_ending_at(*parse_instant("2013-03-05T12:00:00Z"));
  EXPECT_EQ(format_instant(manual.start), "2013-03-03T05:00:00Z");
}

TEST(Schedule, StaysBetweenStartAndEnd) {
  const auto daily = *Schedule::parse("@daily", TimeZone::utc(), *parse_instant("2013-01-02"),
                                      *parse_instant("2013-01-03"));
  EXPECT_EQ(format_instant(*daily.next_after(*parse_instant("2012-01-01"))),
            "2013-01-02T00:00:00Z");
  EXPECT_FALSE(daily.next_after(*parse_instant("2013-01-03")).has_value());
  EXPECT_FALSE(daily.previous_at_or_before(*parse_instant("2013-01-01")).has_value());
  EXPECT_EQ(format_instant(*daily.previous_at_or_before(*parse_instant("2020-01-01"))),
            "2013-01-03T00:00:00Z");
}

TEST(Schedule, OnceIsOnePoint) {
  const Instant start = *parse_instant("2013-01-02");
  const auto once = *Schedule::parse("@once", TimeZone::utc(), start, std::nullopt);
  EXPECT_EQ(once.next_after(start - Duration(1)), start);
  EXPECT_FALSE(once.next_after(start).has_value());
  EXPECT_EQ(once.interval_ending_at(start), (DataInterval{start, start}));
  const auto never = *Schedule::parse("", TimeZone::utc(), start, std::nullopt);
  EXPECT_FALSE(never.next_after(start - Duration(1)).has_value());
}

}  // namespace
}  // namespace millrace::orchestration
