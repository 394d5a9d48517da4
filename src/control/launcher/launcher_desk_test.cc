#include "launcher/launcher_desk.h"

#include <algorithm>
#include <optional>
#include <set>

#include <gtest/gtest.h>

#include "base/file.h"

namespace millrace::launcher {
namespace {

using orchestration::AttemptEnd;
using orchestration::AttemptId;
using orchestration::AttemptRequest;
using orchestration::DagId;
using orchestration::Outcome;
using orchestration::RunId;
using orchestration::TaskId;

AttemptId attempt_of(const std::string& task, int epoch = 1) {
  return {{DagId("d"), RunId("r")}, TaskId(task), epoch};
}

/// Notes what it is told; the test says what attempts do.
class FakeExecutor final : public orchestration::Executor {
 public:
  void listen(orchestration::ExecutorListener& listener) override { listener_ = &listener; }
  Status start(AttemptRequest request) override {
    started_.push_back(std::move(request));
    return {};
  }
  void kill(const AttemptId& attempt, Duration grace) override {
    killed_.emplace_back(attempt, grace);
  }
  void stop(Duration) override {}

  orchestration::ExecutorListener* listener_ = nullptr;
  std::vector<AttemptRequest> started_;
  std::vector<std::pair<AttemptId, Duration>> killed_;
};

class LauncherDeskTest : public testing::Test {
 protected:
  LauncherDeskTest() { make_desk(); }

  void make_desk(KeptEnds::Options options = {}) {
    desk_.reset();
    desk_.emplace(
        executor_, *KeptEnds::open(folder_.path() + "/launcher.ended", options),
        [this](const std::set<AttemptId>& spared) -> Status {
          spared_ = spared;
          return survivors_;
        },
        [this](const Line& line, LauncherDesk::Need) {
          heard_.push_back(*report_from(std::string_view(*line).substr(0, line->size() - 1)));
        },
        [this] { ++rings_; });
  }

  void server_comes() {
    order::Hello hello;
    hello.working_folder = "/w";
    hello.environment = {{"HOME", "/home"}, {"BOTH", "server's"}};
    desk_->server_came(hello);
    heard_.clear();
  }
  void obey(Order order) {
    const Status obeyed = desk_->obey({std::move(order)});
    ASSERT_TRUE(obeyed.ok()) << obeyed.error().message();
  }
  void start(const std::string& task, const std::string& token = "a.1") {
    order::Start start;
    start.request.id = attempt_of(task);
    start.request.work.environment = {{"BOTH", "task's"}};
    start.token = token;
    obey(std::move(start));
    executor_.listener_->started(attempt_of(task));
  }
  void end(const std::string& task, int exit_code = 0, const std::string& result = "") {
    AttemptEnd end;
    end.result = result;
    end.exit_code = exit_code;
    if (exit_code != 0) end.outcome = {Outcome::Kind::Failed, std::nullopt, "it failed"};
    executor_.listener_->finished(attempt_of(task), std::move(end));
  }
  bool adopt(const std::string& task, const std::string& token = "a.1") {
    const std::size_t before = heard_.size();
    obey(order::Adopt{++id_, attempt_of(task), token});
    if (heard_.size() == before) return false;
    const auto& answer = std::get<report::Answer>(heard_[before]);
    EXPECT_EQ(answer.id, id_);
    return answer.ok;
  }
  template <typename Kind>
  std::vector<Kind> heard() {
    std::vector<Kind> found;
    for (const Report& report : heard_)
      if (const auto* kind = std::get_if<Kind>(&report)) found.push_back(*kind);
    return found;
  }

  TemporaryFolder folder_ = *TemporaryFolder::make();
  FakeExecutor executor_;
  std::vector<Report> heard_;
  std::set<AttemptId> spared_;
  Status survivors_;
  int rings_ = 0;
  std::int64_t id_ = 0;
  std::optional<LauncherDesk> desk_;
};

TEST_F(LauncherDeskTest, AnAttemptGetsTheEnvironmentAndTheFolderOfTheServerOfNow) {
  server_comes();
  start("a");
  const orchestration::Preparation& work = executor_.started_.at(0).work;
  EXPECT_EQ(work.environment,
            (std::map<std::string, std::string>{{"HOME", "/home"}, {"BOTH", "task's"}}));
  EXPECT_EQ(work.working_folder, "/w");
}

TEST_F(LauncherDeskTest, AnEndIsToldAndKeptUntilItIsSettled) {
  server_comes();
  start("a");
  end("a", 7);
  ASSERT_EQ(heard<report::Finished>().size(), 1U);
  server_comes();
  EXPECT_TRUE(adopt("a"));
  ASSERT_EQ(heard<report::Finished>().size(), 1U);
  EXPECT_EQ(heard<report::Finished>()[0].end.exit_code, 7);
  obey(order::Settled{attempt_of("a")});
  server_comes();
  EXPECT_FALSE(adopt("a"));
}

TEST_F(LauncherDeskTest, AnEndThatCameWhileNoServerWasThereIsToldToTheOneThatAdopts) {
  server_comes();
  start("a");
  desk_->server_left();
  heard_.clear();
  const int rings = rings_;
  end("a", 7);
  EXPECT_TRUE(heard_.empty());
  EXPECT_FALSE(desk_->has_live_attempts());
  EXPECT_GT(rings_, rings) << "the launcher may leave from now on, and should see it";
  server_comes();
  EXPECT_TRUE(heard_.empty()) << "before it asks nothing is said";
  EXPECT_FALSE(adopt("a", "a.2")) << "another start of that name";
  EXPECT_TRUE(adopt("a"));
  EXPECT_EQ(heard<report::Finished>().size(), 1U);
}

TEST_F(LauncherDeskTest, AnotherLauncherKnowsTheEnd) {
  server_comes();
  start("a");
  end("a", 7);
  make_desk();
  server_comes();
  EXPECT_TRUE(adopt("a"));
  EXPECT_EQ(heard<report::Finished>().at(0).end.exit_code, 7);
}

TEST_F(LauncherDeskTest, AQuestionWaitsForAServerAndIsAskedAgainOfTheNext) {
  server_comes();
  start("a");
  std::optional<bool> allowed;
  executor_.listener_->may_commit(attempt_of("a"), [&](bool answer) { allowed = answer; });
  ASSERT_EQ(heard<report::Fence>().size(), 1U);
  desk_->server_left();
  server_comes();
  EXPECT_TRUE(adopt("a"));
  ASSERT_EQ(heard<report::Fence>().size(), 1U);
  EXPECT_EQ(allowed, std::nullopt);
  obey(order::FenceAnswer{heard<report::Fence>()[0].id, true});
  EXPECT_EQ(allowed, true);
  obey(order::FenceAnswer{heard<report::Fence>()[0].id, false});
  EXPECT_EQ(allowed, true) << "it is answered once";
}

TEST_F(LauncherDeskTest, WhatAnAttemptOnlyTellsIsDroppedWhileNobodyHears) {
  server_comes();
  start("a");
  desk_->server_left();
  executor_.listener_->message(attempt_of("a"), {"progress", Json::object()});
  executor_.listener_->heartbeat(attempt_of("a"));
  server_comes();
  executor_.listener_->message(attempt_of("a"), {"progress", Json::object()});
  EXPECT_TRUE(heard_.empty()) << "not adopted yet";
  EXPECT_TRUE(adopt("a"));
  EXPECT_EQ(heard<report::Heartbeat>().size(), 1U) << "it lives";
  executor_.listener_->message(attempt_of("a"), {"progress", Json::object()});
  EXPECT_EQ(heard<report::Said>().size(), 1U);
}

TEST_F(LauncherDeskTest, WhatIsNotAdoptedEndsBeforeThatIsAnswered) {
  server_comes();
  start("adopted");
  start("lives");
  start("ended");
  end("ended");
  server_comes();
  EXPECT_TRUE(adopt("adopted"));
  heard_.clear();
  obey(order::EndTheRest{77});
  EXPECT_EQ(executor_.killed_,
            (std::vector<std::pair<AttemptId, Duration>>{{attempt_of("lives"), Duration::zero()}}));
  desk_->tend();
  EXPECT_TRUE(heard<report::Answer>().empty()) << "it still lives";
  const int rings = rings_;
  end("lives");
  EXPECT_GT(rings_, rings);
  desk_->tend();
  ASSERT_EQ(heard<report::Answer>().size(), 1U);
  EXPECT_EQ(heard<report::Answer>()[0].id, 77);
  EXPECT_TRUE(heard<report::Answer>()[0].ok);
  EXPECT_EQ(spared_, std::set<AttemptId>{attempt_of("adopted")});
  EXPECT_TRUE(heard<report::Finished>().empty()) << "nobody of now knows it";
  EXPECT_FALSE(adopt("lives"));
  EXPECT_FALSE(adopt("ended"));
}

TEST_F(LauncherDeskTest, WhatLivesOnAfterwardsIsTold) {
  survivors_ = Error(ErrorCode::Unavailable, "42 lives on");
  server_comes();
  obey(order::EndTheRest{77});
  desk_->tend();
  ASSERT_EQ(heard<report::Answer>().size(), 1U);
  EXPECT_FALSE(heard<report::Answer>()[0].ok);
  EXPECT_EQ(heard<report::Answer>()[0].message, "42 lives on");
}

TEST_F(LauncherDeskTest, TheEndOfWhatWasSettledWhileItLivedIsNotKept) {
  server_comes();
  start("a");
  obey(order::Settled{attempt_of("a")});
  end("a");
  server_comes();
  EXPECT_FALSE(adopt("a"));
}

TEST_F(LauncherDeskTest, ToStopEndsAllAndKeepsNoneOfTheirEnds) {
  server_comes();
  start("a");
  obey(order::Stop{std::chrono::seconds(10)});
  EXPECT_EQ(executor_.killed_.at(0).second, std::chrono::seconds(10));
  EXPECT_FALSE(desk_->is_done());
  end("a", 1);
  EXPECT_EQ(heard<report::Finished>().size(), 1U);
  EXPECT_TRUE(desk_->is_done());
  make_desk();
  server_comes();
  EXPECT_FALSE(adopt("a")) << "it was interrupted, and that counts for nothing";
}

TEST_F(LauncherDeskTest, WhatIsKeptForAServerThatDoesNotComeHasABound) {
  make_desk({.most_bytes = 5'000});
  server_comes();
  for (const char* task : {"a", "b", "c", "d"}) start(task);
  desk_->server_left();
  for (const char* task : {"a", "b", "c"}) end(task, 0, std::string(4'000, 'x'));
  end("d", 7, std::string(4'000, 'x'));
  server_comes();
  for (const char* task : {"a", "b", "c", "d"}) EXPECT_TRUE(adopt(task));
  const std::vector<report::Finished> ends = heard<report::Finished>();
  ASSERT_EQ(ends.size(), 4U);
  EXPECT_EQ(ends[1].end.outcome.kind, Outcome::Kind::Success);
  EXPECT_EQ(ends[2].end.outcome.error, ErrorCode::Exhausted) << "what is lost is told";
  EXPECT_EQ(ends[2].end.outcome.message.find("its result, of 4."), 0U)
      << ends[2].end.outcome.message;
  EXPECT_EQ(ends[3].end.outcome.message, "it failed") << "that needs no result";
  EXPECT_EQ(ends[3].end.exit_code, 7);
}

TEST_F(LauncherDeskTest, AnEndThatPassesTheBoundWhileAServerConnectsIsToldWithoutItsResult) {
  const std::string large(4'000, 'x');
  make_desk({.most_bytes = 3'000});
  server_comes();
  for (const char* task : {"a", "b", "c"}) start(task);
  desk_->server_left();
  end("a", 0, large);
  server_comes();
  end("b", 0, large);
  EXPECT_TRUE(heard_.empty()) << "it has not asked for it yet";
  for (const char* task : {"a", "b", "c"}) EXPECT_TRUE(adopt(task));
  ASSERT_EQ(heard<report::Finished>().size(), 2U);
  EXPECT_EQ(heard<report::Finished>()[0].end.result, Json(large));
  EXPECT_EQ(heard<report::Finished>()[1].end.outcome.error, ErrorCode::Exhausted);
  for (const char* task : {"a", "b"}) obey(order::Settled{attempt_of(task)});
  end("c", 0, large);
  ASSERT_EQ(heard<report::Finished>().size(), 3U);
  EXPECT_EQ(heard<report::Finished>()[2].end.result, Json(large)) << "there is room again";
}

TEST_F(LauncherDeskTest, OfATaskOneAttemptRunsAtATime) {
  server_comes();
  start("a");
  order::Start next;
  next.request.id = attempt_of("a", 2);
  next.token = "a.1";
  obey(next);
  ASSERT_EQ(executor_.killed_.size(), 1U) << "nobody has to have asked for that";
  EXPECT_EQ(executor_.killed_[0].first, attempt_of("a"));
  EXPECT_GT(executor_.killed_[0].second, Duration::zero());
  EXPECT_EQ(executor_.started_.size(), 1U) << "the earlier one lives";
  start("b");
  EXPECT_EQ(executor_.started_.size(), 2U) << "another task does not wait";
  end("a", 1);
  ASSERT_EQ(executor_.started_.size(), 3U);
  EXPECT_EQ(executor_.started_[2].id, attempt_of("a", 2));
  EXPECT_EQ(executor_.started_[2].work.working_folder, "/w");
}

TEST_F(LauncherDeskTest, WhatWaitsForAnEarlierAttemptIsAdoptedEndedAndStoppedLikeTheRest) {
  order::Start next;
  next.request.id = attempt_of("a", 2);
  next.token = "a.1";
  const auto ends_of_next = [this] {
    const std::vector<report::Finished> ends = heard<report::Finished>();
    return std::count_if(ends.begin(), ends.end(), [](const report::Finished& end) {
      return end.attempt == attempt_of("a", 2) && end.end.outcome.error == ErrorCode::Cancelled;
    });
  };
  const auto begin = [&] {
    make_desk();
    executor_.started_.clear();
    server_comes();
    start("a");
    obey(next);
  };
  begin();
  server_comes();
  obey(order::Adopt{1, attempt_of("a", 2), "a.1"});
  EXPECT_TRUE(heard<report::Answer>().at(0).ok);
  obey(order::Kill{attempt_of("a", 2), Duration::zero()});
  EXPECT_EQ(ends_of_next(), 1);
  end("a", 1);
  EXPECT_EQ(executor_.started_.size(), 1U) << "it does not begin any more";

  begin();
  server_comes();
  obey(order::EndTheRest{1});
  end("a", 1);
  EXPECT_EQ(executor_.started_.size(), 1U);
  EXPECT_FALSE(desk_->has_live_attempts());

  begin();
  obey(order::Stop{std::chrono::seconds(10)});
  EXPECT_EQ(ends_of_next(), 1);
  end("a", 1);
  EXPECT_TRUE(desk_->is_done());
  EXPECT_EQ(executor_.started_.size(), 1U);

  begin();
  order::Start third = next;
  third.request.id = attempt_of("a", 3);
  obey(third);
  EXPECT_EQ(ends_of_next(), 1) << "its place is taken before it has begun";
  end("a", 1);
  ASSERT_EQ(executor_.started_.size(), 2U);
  EXPECT_EQ(executor_.started_[1].id, attempt_of("a", 3));
}

TEST_F(LauncherDeskTest, WhatIsStartedAndEndedAtOneTimeNeverBegins) {
  server_comes();
  std::vector<Order> orders;
  for (const char* task : {"a", "b"}) {
    order::Start start;
    start.request.id = attempt_of(task);
    start.token = "a.1";
    orders.emplace_back(std::move(start));
  }
  orders.emplace_back(order::Kill{attempt_of("a"), std::chrono::seconds(5)});
  const Status obeyed = desk_->obey(std::move(orders));
  ASSERT_TRUE(obeyed.ok()) << obeyed.error().message();
  ASSERT_EQ(executor_.started_.size(), 1U);
  EXPECT_EQ(executor_.started_[0].id, attempt_of("b"));
  ASSERT_EQ(heard<report::Finished>().size(), 1U);
  EXPECT_EQ(heard<report::Finished>()[0].attempt, attempt_of("a"));
  EXPECT_EQ(heard<report::Finished>()[0].end.outcome.error, ErrorCode::Cancelled);
}

TEST_F(LauncherDeskTest, WhatWasHeardBeforeAnOrderOfNoSenseIsObeyed) {
  server_comes();
  order::Start start;
  start.request.id = attempt_of("a");
  start.token = "a.1";
  EXPECT_EQ(desk_->obey({std::move(start), order::Hello{}}).error().code(), ErrorCode::Invalid);
  EXPECT_EQ(executor_.started_.size(), 1U);
}

TEST_F(LauncherDeskTest, ASecondStartOfWhatRunsIsRefused) {
  server_comes();
  start("a");
  order::Start again;
  again.request.id = attempt_of("a");
  EXPECT_EQ(desk_->obey({std::move(again)}).error().code(), ErrorCode::Invalid);
  EXPECT_EQ(desk_->obey({order::Hello{}}).error().code(), ErrorCode::Invalid);
}

}  // namespace
}  // namespace millrace::launcher
