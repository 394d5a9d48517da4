// The orchestrator with real processes: what a run costs, and what a server that is killed leaves.

#include <csignal>
#include <cstdio>
#include <cstdlib>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "execution/local_executor.h"
#include "metadata/database.h"
#include "orchestration/orchestrator.h"

namespace millrace::execution {
namespace {

using orchestration::AttemptRecord;
using orchestration::AttemptState;
using orchestration::DagId;
using orchestration::DagSpec;
using orchestration::Orchestrator;
using orchestration::Preparation;
using orchestration::RunKey;
using orchestration::RunState;
using orchestration::TaskId;
using orchestration::TaskInstance;
using orchestration::TaskSpec;

const Instant kDate = *parse_instant("2013-01-06");

/// Runs each task's config.command; registers each success in a table.
class CommandHooks final : public orchestration::TaskHooks {
 public:
  Result<Preparation> prepare(const TaskInstance& instance) override {
    Preparation work;
    work.speaks = Preparation::Speaks::Nothing;
    for (const Json& word : instance.task.config["command"].as_array())
      work.command.push_back(word.as_string());
    return work;
  }
  Status complete(metadata::Transaction& transaction, const TaskInstance& instance,
                  const Json&) override {
    TRY(transaction.query("INSERT INTO effects (name) VALUES ($1)",
                          {instance.attempt.run.str() + "/" + instance.task.id.str() + "/" +
                           std::to_string(instance.generation)}));
    return {};
  }
};

enum class Shape : std::uint8_t { Chain, Fan };

DagSpec dag(Shape shape, int tasks, const std::vector<std::string>& command) {
  DagSpec spec;
  spec.id = DagId("real");
  for (int i = 0; i < tasks; ++i) {
    TaskSpec task;
    task.id = TaskId("t" + std::to_string(i));
    task.kind = "command";
    task.config = Json::object({{"command", Json(command)}});
    if (shape == Shape::Chain && i > 0) task.upstream.emplace_back("t" + std::to_string(i - 1));
    spec.tasks.push_back(std::move(task));
  }
  return spec;
}

/// A server in this process.
struct Server {
  Server(const std::string& folder, const DagSpec& spec, int parallelism)
      : database(*metadata::open_sqlite(folder + "/metadata.db")) {
    const Status made = database->write([](metadata::Transaction& transaction) -> Status {
      TRY(transaction.query("CREATE TABLE IF NOT EXISTS effects (name TEXT PRIMARY KEY)"));
      return {};
    });
    EXPECT_TRUE(made.ok());
    LocalExecutorOptions options;
    options.log_folder = folder + "/logs";
    executor = *LocalExecutor::make(options, *clock, make_local_spawner());
    orchestrator = *Orchestrator::open(*database, *clock, *executor, hooks,
                                       {.scheduler = {.parallelism = parallelism}});
    EXPECT_TRUE(orchestrator->add_dag(spec).ok());
    EXPECT_TRUE(orchestrator->start().ok());
  }

  std::int64_t effects() const {
    std::int64_t count = 0;
    EXPECT_TRUE(database
                    ->read([&](metadata::Transaction& transaction) -> Status {
                      count = TRY(transaction.query("SELECT count(*) FROM effects")).integer(0, 0);
                      return {};
                    })
                    .ok());
    return count;
  }

  std::unique_ptr<Clock> clock = make_system_clock();
  std::unique_ptr<metadata::Database> database;
  CommandHooks hooks;
  std::unique_ptr<LocalExecutor> executor;
  std::unique_ptr<Orchestrator> orchestrator;
};

void run_and_time(Shape shape, int tasks, const char* what) {
  const TemporaryFolder folder = *TemporaryFolder::make();
  Server server(folder.path(), dag(shape, tasks, {"/bin/true"}), 8);
  const auto begin = std::chrono::steady_clock::now();
  const RunKey run{DagId("real"), *server.orchestrator->request_run(DagId("real"), kDate)};
  const auto finished = server.orchestrator->wait(run, std::chrono::minutes(2));
  ASSERT_TRUE(finished.ok()) << finished.error().message();
  EXPECT_EQ(finished->state, RunState::Success);
  EXPECT_EQ(server.effects(), tasks);
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
  std::printf("%s of %d commands: %.2f ms each\n", what, tasks, took.count() / tasks);
}

TEST(Orchestrated, AChainOfCommands) {
  run_and_time(Shape::Chain, 50, "chain");
}

TEST(Orchestrated, AFanOfCommands) {
  run_and_time(Shape::Fan, 300, "fan");
}

// The server as a program of its own, which this test program runs to kill it.
TEST(OrchestratedProgram, DISABLED_Server) {
  const char* folder = std::getenv("TEST_FOLDER");
  ASSERT_NE(folder, nullptr);
  const Server server(folder, dag(Shape::Chain, 12, {"sh", "-c", std::getenv("TEST_SCRIPT")}), 4);
  const auto run = server.orchestrator->request_run(DagId("real"), kDate);
  ASSERT_TRUE(run.ok()) << run.error().message();
  (void)server.orchestrator->wait({DagId("real"), *run}, std::chrono::minutes(2));
}

pid_t start_server(const std::string& folder, const std::string& script) {
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  ::setenv("TEST_FOLDER", folder.c_str(), 1);
  ::setenv("TEST_SCRIPT", script.c_str(), 1);
  const int null_fd = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  ::dup2(null_fd, 1);
  ::execl("/proc/self/exe", "server", "--gtest_filter=OrchestratedProgram.DISABLED_Server",
          "--gtest_also_run_disabled_tests", nullptr);
  ::_exit(127);
}

TEST(Orchestrated, AServerKilledAtAnyMomentLosesNoRunAndRepeatsNoEffect) {
  const TemporaryFolder folder = *TemporaryFolder::make();
  const std::string fifo = folder.path() + "/steps";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  // Open for both, so that neither side waits for the other; the pipe holds far more than is said.
  const int steps = ::open(fifo.c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_GE(steps, 0);
  const std::string script = "echo x > " + fifo + "; echo y > " + fifo;
  // Each server is killed after so many steps of its tasks: at their beginning, or towards their
  // end.
  for (const int kill_after : {1, 2, 4, 5, 3}) {
    const pid_t server = start_server(folder.path(), script);
    ASSERT_GT(server, 0);
    for (int seen = 0; seen < 2 * kill_after;) {
      char text[2];
      pollfd ready{steps, POLLIN, 0};
      ASSERT_EQ(::poll(&ready, 1, 60'000), 1) << "the server does nothing";
      const ssize_t size = ::read(steps, text, 1);
      ASSERT_EQ(size, 1);
      ++seen;
    }
    ASSERT_EQ(::kill(server, SIGKILL), 0);
    ::waitpid(server, nullptr, 0);
  }
  Server last(folder.path(), dag(Shape::Chain, 12, {"sh", "-c", script}), 4);
  const RunKey run{DagId("real"), *last.orchestrator->request_run(DagId("real"), kDate)};
  const auto finished = last.orchestrator->wait(run, std::chrono::minutes(1));
  ASSERT_TRUE(finished.ok()) << finished.error().message();
  EXPECT_EQ(finished->state, RunState::Success);
  EXPECT_EQ(finished->generation, 1);
  EXPECT_EQ(last.effects(), 12);
  std::map<TaskId, int> successes;
  int lost = 0;
  const auto attempts = *last.orchestrator->attempts(run);
  for (const AttemptRecord& attempt : attempts) {
    successes[attempt.id.task] += attempt.state == AttemptState::Success ? 1 : 0;
    lost += attempt.state == AttemptState::Lost ? 1 : 0;
  }
  for (const auto& [task, count] : successes) EXPECT_EQ(count, 1) << task.str();
  EXPECT_LE(lost, 5);
  ::close(steps);
}

}  // namespace
}  // namespace millrace::execution
