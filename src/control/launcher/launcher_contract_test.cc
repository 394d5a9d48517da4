// The contract of the port, over a launcher that is a process.
#include "execution/executor_contract.h"
#include "launcher/launcher.h"
#include "launcher/launcher_fixture.h"

namespace millrace::launcher {
namespace {

TEST(Program, DISABLED_Launcher) {
  const auto clock = make_system_clock();
  LauncherOptions options;
  options.state = testing::internal::GetArgvs().back();
  options.first_connection = 3;
  const Status served = run_launcher(options, *clock);
  EXPECT_TRUE(served.ok()) << served.error().message();
}

/// Keeps the folder for as long as the executor lives, and ends what it has let go of.
class ExecutorWithFolder final : public orchestration::Executor {
 public:
  ExecutorWithFolder() : executor_(*LauncherExecutor::make(options_for(folder_.path()))) {}
  ~ExecutorWithFolder() override {
    executor_.reset();
    if (auto last = LauncherExecutor::make(options_for(folder_.path())); last.ok())
      (*last)->stop(Duration::zero());
  }
  void listen(orchestration::ExecutorListener& listener) override { executor_->listen(listener); }
  Status start(AttemptRequest request) override { return executor_->start(std::move(request)); }
  std::string resume_token() const override { return executor_->resume_token(); }
  bool adopt(const AttemptId& attempt, const std::string& token) override {
    return executor_->adopt(attempt, token);
  }
  Status end_the_rest() override { return executor_->end_the_rest(); }
  void settled(const AttemptId& attempt) override { executor_->settled(attempt); }
  void kill(const AttemptId& attempt, Duration grace) override { executor_->kill(attempt, grace); }
  void stop(Duration grace) override { executor_->stop(grace); }
  void detach(Duration grace) override { executor_->detach(grace); }

 private:
  TemporaryFolder folder_ = *TemporaryFolder::make();
  std::unique_ptr<LauncherExecutor> executor_;
};

Preparation speaker(const std::string& last_words) {
  Preparation work;
  work.command = {
      "sh", "-c",
      R"(read request <&3; echo '{"type":"hello","millrace_attempt":1}' >&3; )" + last_words};
  return work;
}

execution::ExecutorUnderTest launcher_executor() {
  return {
      "Launcher", [] { return std::make_unique<ExecutorWithFolder>(); },
      [] {
        return speaker(R"(echo '{"type":"result","status":"success","value":{"rows":7}}' >&3)");
      },
      [] {
        return speaker(
            R"(echo '{"type":"result","status":"failed","code":"data_quality","message":"no"}' >&3)");
      },
      [] { return speaker("exec sleep 1000"); }};
}

}  // namespace
}  // namespace millrace::launcher

namespace millrace::execution {

INSTANTIATE_TEST_SUITE_P(Launcher, ExecutorContract, testing::Values(launcher::launcher_executor()),
                         name_of);
INSTANTIATE_TEST_SUITE_P(Launcher, KillContract, testing::Values(launcher::launcher_executor()),
                         name_of);

}  // namespace millrace::execution
