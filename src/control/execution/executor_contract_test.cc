#include "execution/executor_contract.h"

#include "base/file.h"
#include "execution/local_executor.h"

namespace millrace::execution {
namespace {

using orchestration::AttemptEnd;
using orchestration::AttemptRequest;
using orchestration::InlineExecutor;
using orchestration::Outcome;
using orchestration::Preparation;

ExecutorUnderTest inline_executor() {
  const auto work = [](const AttemptRequest& request, orchestration::ExecutorListener&) {
    AttemptEnd end;
    if (request.work.document.contains("fail"))
      end.outcome = {Outcome::Kind::Failed, ErrorCode::DataQuality, "12 rows"};
    else
      end.result = Json::object({{"rows", 7}});
    return end;
  };
  return {"Inline", [work] { return std::make_unique<InlineExecutor>(work); },
          [] { return Preparation(); }, [] { return Preparation(Json::object({{"fail", true}})); },
          nullptr};
}

Preparation speaker(const std::string& last_words) {
  Preparation work;
  work.command = {
      "sh", "-c",
      R"(read request <&3; echo '{"type":"hello","millrace_attempt":1}' >&3; )" + last_words};
  return work;
}

/// Keeps what the executor needs for as long as it lives.
class LocalExecutorWithFolder final : public orchestration::Executor {
 public:
  LocalExecutorWithFolder() {
    LocalExecutorOptions options;
    options.log_folder = folder_.path();
    executor_ = *LocalExecutor::make(options, *clock_, make_local_spawner());
  }
  void listen(orchestration::ExecutorListener& listener) override { executor_->listen(listener); }
  Status start(AttemptRequest request) override { return executor_->start(std::move(request)); }
  void kill(const orchestration::AttemptId& attempt, Duration grace) override {
    executor_->kill(attempt, grace);
  }
  void stop(Duration grace) override { executor_->stop(grace); }

 private:
  TemporaryFolder folder_ = *TemporaryFolder::make();
  std::unique_ptr<Clock> clock_ = make_system_clock();
  std::unique_ptr<LocalExecutor> executor_;
};

ExecutorUnderTest local_executor() {
  return {
      "Local", [] { return std::make_unique<LocalExecutorWithFolder>(); },
      [] {
        return speaker(R"(echo '{"type":"result","status":"success","value":{"rows":7}}' >&3)");
      },
      [] {
        return speaker(
            R"(echo '{"type":"result","status":"failed","code":"data_quality","message":"no"}' >&3)");
      },
      [] { return speaker("exec sleep 1000"); }};
}

INSTANTIATE_TEST_SUITE_P(Executors, ExecutorContract,
                         testing::Values(inline_executor(), local_executor()), name_of);
INSTANTIATE_TEST_SUITE_P(Executors, KillContract, testing::Values(local_executor()), name_of);

}  // namespace
}  // namespace millrace::execution
