#include "orchestration/dag.h"

#include <cmath>
#include <csignal>
#include <cstdlib>
#include <stdexcept>

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file_descriptor.h"
#include "execution/attempt_protocol.h"
#include "millrace/millrace.h"

namespace millrace {
namespace {

struct Said {
  int code = 0;
  std::string out;
  std::string err;
};

Said call(Dag& dag, std::vector<std::string> words) {
  words.insert(words.begin(), "program");
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  Said said;
  said.code = dag.main(static_cast<int>(arguments.size()), arguments.data());
  std::fflush(stdout);
  said.out = testing::internal::GetCapturedStdout();
  said.err = testing::internal::GetCapturedStderr();
  return said;
}

Json describe(Dag& dag) {
  const Said said = call(dag, {"describe"});
  EXPECT_EQ(said.code, 0) << said.err;
  return Json::parse(said.out).value_or(Json());
}

const Json& task(const Json& described, std::size_t index) {
  return described["tasks"].as_array().at(index);
}

std::string upstream(const Json& described, std::size_t index) {
  return task(described, index)["upstream"].dump();
}

TEST(Dag, DescribesItselfWithTasksInTheirOrder) {
  Dag dag{"daily", {.schedule = "@daily", .start_date = "2023-01-01", .max_active_runs = 3}};
  const TaskRef a = dag.task("a", [] {});
  const TaskRef b = dag.task("b", [] {},
                             {.retries = 2,
                              .retry_delay = std::chrono::seconds(30),
                              .execution_timeout = std::chrono::hours(1),
                              .pool = "gpu",
                              .pool_slots = 2,
                              .threads = 3});
  const TaskRef c = dag.task("c", [] {});
  a >> b >> c;
  EXPECT_EQ(b.id(), "b");
  const Json described = describe(dag);
  EXPECT_EQ(described["schedule"].as_string(), "@daily");
  EXPECT_EQ(described["start_date"].as_string(), "2023-01-01T00:00:00Z");
  EXPECT_EQ(described["max_active_runs"].as_integer(), 3);
  EXPECT_EQ(task(described, 1)["kind"].as_string(), "program");
  EXPECT_EQ(task(described, 1)["retries"].as_integer(), 2);
  EXPECT_EQ(task(described, 1)["pool"].as_string(), "gpu");
  const auto spec = orchestration::DagSpec::from_json(described);
  ASSERT_TRUE(spec.ok()) << spec.error().message();
  EXPECT_EQ(spec->tasks[1].retry_delay, std::chrono::seconds(30));
  EXPECT_EQ(spec->tasks[1].execution_timeout, std::chrono::hours(1));
  EXPECT_EQ(spec->tasks[1].pool_slots, 2);
  EXPECT_EQ(spec->tasks[1].resources.threads, 3);
  EXPECT_EQ(upstream(described, 1), R"(["a"])");
  EXPECT_EQ(upstream(described, 2), R"(["b"])");
}

TEST(Dag, SeveralTasksCanStandOnEitherSideOfAnArrow) {
  Dag dag{"fan", {}};
  const TaskRef a = dag.task("a", [] {});
  const TaskRef b = dag.task("b", [] {});
  const TaskRef c = dag.task("c", [] {});
  const TaskRef d = dag.task("d", [] {});
  const TaskRef e = dag.task("e", [] {});
  Tasks{a, b} >> c >> Tasks{d, e};
  const Json described = describe(dag);
  EXPECT_EQ(upstream(described, 2), R"(["a","b"])");
  EXPECT_EQ(upstream(described, 3), R"(["c"])");
  EXPECT_EQ(upstream(described, 4), R"(["c"])");
}

TEST(Dag, AStartDateIsReadAsTheClocksOfItsZoneShowIt) {
  struct Case {
    const char* text;
    const char* moment;
  };
  for (const Case& c : {Case{"2023-01-01", "2023-01-01T05:00:00Z"},
                        Case{"2023-01-01T05:00", "2023-01-01T10:00:00Z"},
                        Case{"2023-01-01T05:00:00Z", "2023-01-01T05:00:00Z"}}) {
    Dag dag{"zoned", {.start_date = c.text, .timezone = "America/New_York"}};
    dag.task("a", [] {});
    EXPECT_EQ(describe(dag)["start_date"].as_string(), c.moment) << c.text;
  }
}

TEST(Dag, AMistakeInBuildingItIsToldByMain) {
  struct Case {
    std::string why;
    std::string says;
    std::function<void(Dag&)> build;
    DagOptions options = {};
  };
  const std::vector<Case> cases = {
      {"a start date", "start_date: 'soon' is not a time", [](Dag&) {}, {.start_date = "soon"}},
      {"a zone",
       "Europe/Viena",
       [](Dag& dag) { dag.task("a", [] {}); },
       {.start_date = "2023-01-01", .timezone = "Europe/Viena"}},
      {"a wait of less than nothing", "retry_delay",
       [](Dag& dag) { dag.task("a", [] {}, {.retry_delay = std::chrono::seconds(-1)}); }},
      {"a name twice", "'a'",
       [](Dag& dag) {
         dag.task("a", [] {});
         dag.task("a", [] {});
       }},
      {"a cycle", "its tasks wait for each other: a -> b -> a", [](Dag& dag) {
         const TaskRef a = dag.task("a", [] {});
         a >> dag.task("b", [] {}) >> a;
       }}};
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    Dag dag{"wrong", c.options};
    c.build(dag);
    for (const char* verb : {"describe", "run"}) {
      const Said said = call(dag, {verb});
      EXPECT_EQ(said.code, 2);
      EXPECT_NE(said.err.find(c.says), std::string::npos) << said.err;
      EXPECT_EQ(said.out, "");
    }
  }
}

TEST(Dag, HelpIsOfTheProgramItself) {
  Dag dag{"orders",
          {.params = Json::object({{"out", "deliveries"}, {"days", 3}}),
           .description = "The files of a shop."}};
  dag.task("make", [] {}) >> dag.task("send", [] {});
  for (const char* word : {"--help", "-h"}) {
    const Said said = call(dag, {word});
    EXPECT_EQ(said.code, 0) << said.err;
    for (const char* expected :
         {"The Dag 'orders', as a program.\nThe files of a shop.\n", "Tasks: make, send\n",
          "  out=deliveries\n", "  days=3\n", "program describe", "millrace run --help"})
      EXPECT_NE(said.out.find(expected), std::string::npos) << expected << " in:\n" << said.out;
  }
}

TEST(Dag, TasksOfTwoDagsCannotBeJoined) {
  Dag one{"one", {}};
  Dag two{"two", {}};
  one.task("a", [] {}) >> two.task("b", [] {});
  for (Dag* dag : {&one, &two}) {
    const Said said = call(*dag, {"describe"});
    EXPECT_EQ(said.code, 2);
    EXPECT_NE(said.err.find("'a' of the Dag 'one' cannot run before 'b' of the Dag 'two'"),
              std::string::npos)
        << said.err;
  }
}

/// Runs one task of a Dag as an attempt of this process, whose supervisor is the test.
class RunTask : public testing::Test {
 protected:
  RunTask() { ::pthread_sigmask(SIG_SETMASK, nullptr, &signals_); }
  void TearDown() override {
    ::unsetenv(execution::kAttemptFdVariable);
    ::pthread_sigmask(SIG_SETMASK, &signals_, nullptr);  // a channel blocks SIGTERM
  }

  void ask() {
    int fds[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    supervisor_ = FileDescriptor(fds[0]);
    ::setenv(execution::kAttemptFdVariable, std::to_string(fds[1]).c_str(), 1);
    const std::string request =
        R"({"millrace_attempt":1,"type":"request","attempt":{"dag":"d","run":"r","task":"t",)"
        R"("epoch":3,"generation":2,"number":4},"heartbeat_seconds":3000,"resources":{},)"
        R"("document":{"logical_date":)" +
        logical_date_ +
        R"(,"interval_start":)"
        R"("2023-01-01T00:00:00Z","params":{"rows":5},"upstream":{"before":{"total":7}}}})"
        "\n";
    EXPECT_EQ(::send(supervisor_.get(), request.data(), request.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(request.size()));
  }

  /// All that the attempt said, once it is over.
  template <typename Work>
  std::vector<Json> run(Work work) {
    Dag dag{"d", {}};
    dag.task("t", std::move(work));
    ask();
    const Said said = call(dag, {"run-task", "t"});
    EXPECT_EQ(said.code, 0) << said.err;
    execution::LineReader lines;
    std::vector<Json> messages;
    char piece[4096];
    for (ssize_t size = 0; (size = ::read(supervisor_.get(), piece, sizeof(piece))) > 0;) {
      EXPECT_TRUE(lines.feed({piece, static_cast<std::size_t>(size)}).ok());
      while (const auto line = lines.next()) messages.push_back(*Json::parse(*line));
    }
    return messages;
  }

  std::string logical_date_ = R"("2023-01-02T00:00:00Z")";  // as JSON
  FileDescriptor supervisor_;
  sigset_t signals_{};
};

TEST_F(RunTask, ItsContextAsksAndTells) {
  const std::vector<Json> said = run([](Context& context) -> Result<> {
    EXPECT_EQ(format_instant(context.logical_date()), "2023-01-02T00:00:00Z");
    EXPECT_EQ(format_instant(context.data_interval_start()), "2023-01-01T00:00:00Z");
    EXPECT_EQ(context.data_interval_end(), context.logical_date());
    EXPECT_EQ(context.params().integer_or("rows", 0), 5);
    EXPECT_EQ(context.result_of("before").integer_or("total", 0), 7);
    EXPECT_TRUE(context.result_of("nobody").is_null());
    EXPECT_EQ(context.attempt(), 4);
    EXPECT_FALSE(context.cancelled());
    context.log("half way");
    context.progress(0.5, "rows");
    context.set_result(Json::object({{"rows", 12}}));
    return {};
  });
  ASSERT_EQ(said.size(), 4U);
  EXPECT_EQ(said[1]["message"].as_string(), "half way");
  EXPECT_EQ(said[2]["done"].as_integer() * 2, said[2]["total"].as_integer());
  EXPECT_EQ(said[3]["status"].as_string(), "success");
  EXPECT_EQ(said[3]["value"].dump(), R"({"rows":12})");
}

TEST_F(RunTask, ARequestWithoutADateIsNotARunOf1970) {
  logical_date_ = "null";
  const Json last = run([] { ADD_FAILURE() << "the task has run"; }).back();
  EXPECT_EQ(last["status"].as_string(), "failed");
  EXPECT_EQ(last["code"].as_string(), "invalid");
  EXPECT_TRUE(last["message"].as_string().starts_with("logical_date of the request"));
}

TEST_F(RunTask, ProgressStaysBetweenNothingAndAll) {
  const std::vector<Json> said = run([](Context& context) {
    for (const double fraction : {std::nan(""), -1.0, 1e300}) context.progress(fraction, "");
  });
  ASSERT_EQ(said.size(), 5U);
  EXPECT_EQ(said[1]["done"].as_integer(), 0);
  EXPECT_EQ(said[2]["done"].as_integer(), 0);
  EXPECT_EQ(said[3]["done"].as_integer(), said[3]["total"].as_integer());
}

TEST_F(RunTask, AResultThatIsTooLargeFailsTheAttemptWithTheLimit) {
  const Json last =
      run([](Context& context) { context.set_result(std::string(2U << 20U, 'x')); }).back();
  EXPECT_EQ(last["status"].as_string(), "failed");
  EXPECT_EQ(last["code"].as_string(), "invalid");
  EXPECT_TRUE(last["message"].as_string().starts_with("a message 'result' of 2097"));
}

TEST_F(RunTask, AFunctionThatTakesAndReturnsNothingSucceeds) {
  EXPECT_EQ(run([] {}).back()["status"].as_string(), "success");
}

TEST_F(RunTask, AnErrorIsHandedOverWithItsCode) {
  const Json last =
      run([]() -> Result<> { return Error(ErrorCode::DataQuality, "12 rows"); }).back();
  EXPECT_EQ(last["status"].as_string(), "failed");
  EXPECT_EQ(last["code"].as_string(), "data_quality");
  EXPECT_EQ(last["message"].as_string(), "12 rows");
}

TEST_F(RunTask, AnExceptionFailsTheAttemptWithItsText) {
  const Json last = run([] { throw std::runtime_error("no such file"); }).back();
  EXPECT_EQ(last["status"].as_string(), "failed");
  EXPECT_EQ(last["message"].as_string(), "the task threw: no such file");
}

TEST_F(RunTask, WhateverIsThrownFailsTheAttempt) {
  const Json last = run([] { throw 7; }).back();
  EXPECT_EQ(last["status"].as_string(), "failed");
  EXPECT_EQ(last["code"].as_string(), "internal");
}

TEST(RunTaskByHand, IsRefusedWithWhatToDo) {
  Dag dag{"d", {}};
  dag.task("t", [] {});
  EXPECT_NE(call(dag, {"run-task", "t"}).err.find("run-task is called by millrace"),
            std::string::npos);
  EXPECT_NE(call(dag, {"run-task", "x"}).err.find("there is no task 'x'"), std::string::npos);
  EXPECT_EQ(call(dag, {"run-task"}).code, 2);
}

}  // namespace
}  // namespace millrace
