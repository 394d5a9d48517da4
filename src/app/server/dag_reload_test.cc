#include "server/dag_reload.h"

#include <filesystem>
#include <fstream>
#include <future>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "orchestration/orchestrator_fixture.h"

namespace millrace::server {
namespace {

using orchestration::Preparation;

class NoHooks final : public orchestration::TaskHooks {
 public:
  Result<Preparation> prepare(const orchestration::TaskInstance&) override { return Preparation(); }
  Status complete(metadata::Transaction&, const orchestration::TaskInstance&,
                  const Json&) override {
    return {};
  }
};

/// A project of two Dags: `quick` in a YAML file, and `slow`, a program that describes itself only
/// when it may.
class Reloading : public testing::Test {
 protected:
  void SetUp() override {
    write("millrace.yml", "name: p\nprograms: [slow]\n");
    write("pipelines/quick.yml", "tasks: [{id: a, kind: command, command: 'true'}]\n");
    describe_slow_with("first");
    project_ = *project::whole(*project::load_project(folder_.path(), "", parts()));
    orchestrator_ = *orchestration::Orchestrator::open(database_, clock_, executor_, hooks_, {});
    for (const project::Pipeline& pipeline : project_.pipelines)
      ASSERT_TRUE(orchestrator_->add_dag(pipeline.dag).ok());
    ASSERT_TRUE(orchestrator_->start().ok());
    // Answered behind all that starting has to store.
    ASSERT_TRUE(orchestrator_->add_dag(project_.pipelines[0].dag).ok());
    reload_.emplace(project_, *orchestrator_, std::chrono::milliseconds(50));
  }
  void TearDown() override {
    reload_.reset();
    orchestrator_->stop();
  }

  static project::Parts parts() {
    project::Parts parts = project::Parts::config();
    parts.pipelines = true;
    return parts;
  }
  void write(const std::string& path, const std::string& text) {
    ASSERT_TRUE(write_file(folder_.path() + "/" + path, text).ok());
  }
  /// Where there is a pipe `hold`, it waits until somebody writes to it.
  void describe_slow_with(const std::string& task) {
    write("slow",
          "#!/bin/sh\ncd \"$(dirname \"$0\")\"\nif [ -p hold ]; then read line <hold; fi\n"
          "echo '{\"millrace_dag\":1,\"id\":\"slow\",\"tasks\":[{\"id\":\"" +
              task + "\",\"kind\":\"program\"}]}'\n");
    std::filesystem::permissions(folder_.path() + "/slow", std::filesystem::perms::owner_all);
  }
  void hold() { ASSERT_EQ(::mkfifo(hold_.c_str(), 0600), 0); }
  /// Waits until it is being asked.
  void let_it_speak() {
    std::ofstream(hold_) << "\n";
    std::filesystem::remove(hold_);
  }
  std::string task_of_slow() {
    for (const auto& dag : orchestrator_->dags())
      if (dag->id().str() == "slow") return dag->spec().tasks.at(0).id.str();
    return "";
  }

  TemporaryFolder folder_ = *TemporaryFolder::make();
  const std::string hold_ = folder_.path() + "/hold";
  ManualClock clock_{*parse_instant("2013-01-01")};
  orchestration::TestDatabase database_{folder_.path() + "/m.db"};
  orchestration::InlineExecutor executor_{
      [](const auto&, auto&) { return orchestration::AttemptEnd(); }};
  NoHooks hooks_;
  project::Project project_;
  std::unique_ptr<orchestration::Orchestrator> orchestrator_;
  std::optional<DagReload> reload_;
};

TEST_F(Reloading, OnlyWhoNeedsADagWaitsUntilItsProgramHasDescribedItself) {
  hold();
  describe_slow_with("second");
  const Status looked = reload_->refresh();
  ASSERT_FALSE(looked.ok());
  EXPECT_EQ(looked.error().code(), ErrorCode::Unavailable);
  EXPECT_NE(looked.error().message().find("are being read"), std::string::npos);
  EXPECT_TRUE(reload_->refresh("quick").ok()) << "its own file is as it was";
  EXPECT_EQ(task_of_slow(), "first");
  auto waiting = std::async(std::launch::async, [&] { return reload_->refresh("slow"); });
  let_it_speak();
  const Status waited = waiting.get();
  ASSERT_TRUE(waited.ok()) << waited.error().message();
  EXPECT_EQ(task_of_slow(), "second");
}

TEST_F(Reloading, AChangeThatIsReadAtOnceIsSeenByWhoeverAsksNext) {
  write("pipelines/quick.yml", "tasks: [");
  const Status told = reload_->refresh("quick");
  ASSERT_FALSE(told.ok());
  EXPECT_EQ(told.error().code(), ErrorCode::Invalid);
  EXPECT_NE(told.error().message().find("pipelines/quick.yml:1:"), std::string::npos);
  write("pipelines/quick.yml", "tasks: [{id: b, kind: command, command: 'true'}]\n");
  EXPECT_TRUE(reload_->refresh("quick").ok());
}

TEST_F(Reloading, WhatATaskSaysIsLookedAtAndWhatOnlyOthersUseIsNot) {
  write("pipelines/quick.yml", "tasks: [{id: a, kind: command, command: 'true', comand: x}]\n");
  const Status told = reload_->refresh("quick");
  ASSERT_FALSE(told.ok());
  EXPECT_NE(told.error().message().find("did you mean 'command'?"), std::string::npos)
      << told.error().message();
  std::filesystem::create_directory(folder_.path() + "/models");
  write("models/half.sql", "select {{ ref(");
  write(
      "pipelines/quick.yml",
      "tasks: [{id: b, kind: command, command: 'true'}, {id: c, kind: sql_model, model: half}]\n");
  const Status taken = reload_->refresh("quick");
  EXPECT_TRUE(taken.ok()) << taken.error().message();
}

TEST_F(Reloading, NobodyWaitsForAServerThatIsBeingStopped) {
  hold();
  describe_slow_with("second");
  ASSERT_FALSE(reload_->refresh().ok()) << "it is being read";
  auto waiting = std::async(std::launch::async, [&] { return reload_->refresh("slow"); });
  auto stopping = std::async(std::launch::async, [&] { reload_->stop(); });
  const Status waited = waiting.get();
  ASSERT_FALSE(waited.ok());
  EXPECT_EQ(waited.error().code(), ErrorCode::Unavailable);
  let_it_speak();
  stopping.get();
}

TEST_F(Reloading, AReaderThatWaitsForTheStoreEndsWithTheOrchestrator) {
  database_.unplug();
  std::filesystem::remove(folder_.path() + "/pipelines/quick.yml");
  auto waiting = std::async(std::launch::async, [&] { return reload_->refresh("quick"); });
  database_.wait_for_failure();
  reload_->request_stop();
  EXPECT_EQ(waiting.get().error().code(), ErrorCode::Unavailable);
  orchestrator_->stop();
  reload_->stop();
}

TEST_F(Reloading, WhatAStoreRefusedIsDoneOnceItAnswers) {
  database_.unplug();
  write("pipelines/more.yml", "tasks: [{id: a, kind: command, command: 'true'}]\n");
  const Status refused = reload_->refresh("more");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::Unavailable) << refused.error().message();
  database_.plug_in();
  std::filesystem::remove(folder_.path() + "/pipelines/more.yml");
  const Status again = reload_->refresh("quick");
  EXPECT_TRUE(again.ok()) << again.error().message();
}

}  // namespace
}  // namespace millrace::server
