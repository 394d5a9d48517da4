#include "execution/executor_contract.h"

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>

namespace millrace::execution {
namespace {

using orchestration::AttemptEnd;
using orchestration::AttemptId;
using orchestration::AttemptMessage;
using orchestration::AttemptRequest;
using orchestration::Outcome;

/// Keeps what it hears, in order.
class Recorder final : public orchestration::ExecutorListener {
 public:
  void started(const AttemptId& attempt) override { note(attempt, "started"); }
  void heartbeat(const AttemptId&) override {}
  void message(const AttemptId&, AttemptMessage) override {}
  void resumable(const AttemptId&, std::string) override {}
  void capacity(int) override {}
  void may_commit(const AttemptId&, std::function<void(bool)> answer) override { answer(true); }
  void finished(const AttemptId& attempt, AttemptEnd end) override {
    {
      const std::lock_guard lock(mutex_);
      ends_[attempt] = std::move(end);
    }
    note(attempt, "finished");
  }
  void lost(const AttemptId& attempt, std::string) override { note(attempt, "lost"); }

  /// Waits until `count` attempts are over.
  void wait_for_ends(std::size_t count) {
    std::unique_lock lock(mutex_);
    ASSERT_TRUE(changed_.wait_for(lock, std::chrono::seconds(60), [&] {
      return static_cast<std::size_t>(
                 std::count_if(heard_.begin(), heard_.end(),
                               [](const auto& h) { return h.second != "started"; })) >= count;
    }));
  }
  void wait_for_start(const AttemptId& attempt) {
    std::unique_lock lock(mutex_);
    ASSERT_TRUE(changed_.wait_for(lock, std::chrono::seconds(60),
                                  [&] { return !words_locked(attempt).empty(); }));
  }
  std::vector<std::string> words(const AttemptId& attempt) {
    const std::lock_guard lock(mutex_);
    return words_locked(attempt);
  }
  AttemptEnd end(const AttemptId& attempt) {
    const std::lock_guard lock(mutex_);
    return ends_[attempt];
  }
  std::size_t heard() {
    const std::lock_guard lock(mutex_);
    return heard_.size();
  }

 private:
  void note(const AttemptId& attempt, const char* word) {
    {
      const std::lock_guard lock(mutex_);
      heard_.emplace_back(attempt, word);
    }
    changed_.notify_all();
  }
  std::vector<std::string> words_locked(const AttemptId& attempt) const {
    std::vector<std::string> words;
    for (const auto& [about, word] : heard_)
      if (about == attempt) words.push_back(word);
    return words;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::pair<AttemptId, std::string>> heard_;
  std::map<AttemptId, AttemptEnd> ends_;
};

AttemptRequest request(int number, orchestration::Preparation work) {
  AttemptRequest made;
  made.id = {{orchestration::DagId("d"), orchestration::RunId("2013-12-01T05:00:00Z")},
             orchestration::TaskId("t" + std::to_string(number)),
             1};
  made.work = std::move(work);
  return made;
}

using Words = std::vector<std::string>;

TEST_P(ExecutorContract, AnAttemptStartsOnceAndFinishesOnceInThatOrder) {
  Recorder recorder;
  const auto executor = GetParam().make();
  executor->listen(recorder);
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(executor->start(request(i, GetParam().succeeds())).ok());
  recorder.wait_for_ends(20);
  for (int i = 0; i < 20; ++i)
    EXPECT_EQ(recorder.words(request(i, {}).id), (Words{"started", "finished"}));
  executor->stop(Duration::zero());
  EXPECT_EQ(recorder.heard(), 40U);
}

TEST_P(ExecutorContract, HandsOverTheResult) {
  Recorder recorder;
  const auto executor = GetParam().make();
  executor->listen(recorder);
  ASSERT_TRUE(executor->start(request(1, GetParam().succeeds())).ok());
  recorder.wait_for_ends(1);
  const AttemptEnd end = recorder.end(request(1, {}).id);
  EXPECT_EQ(end.outcome.kind, Outcome::Kind::Success) << end.outcome.message;
  EXPECT_EQ(end.result.dump(), R"({"rows":7})");
  executor->stop(Duration::zero());
}

TEST_P(ExecutorContract, HandsOverTheErrorAndNoResult) {
  Recorder recorder;
  const auto executor = GetParam().make();
  executor->listen(recorder);
  ASSERT_TRUE(executor->start(request(1, GetParam().fails())).ok());
  recorder.wait_for_ends(1);
  const AttemptEnd end = recorder.end(request(1, {}).id);
  EXPECT_EQ(end.outcome.kind, Outcome::Kind::Failed);
  EXPECT_EQ(end.outcome.error, ErrorCode::DataQuality);
  EXPECT_TRUE(end.result.is_null());
  executor->stop(Duration::zero());
}

TEST_P(ExecutorContract, KillingWhatIsNotThereDoesNothing) {
  Recorder recorder;
  const auto executor = GetParam().make();
  executor->listen(recorder);
  executor->kill(request(1, {}).id, Duration::zero());
  ASSERT_TRUE(executor->start(request(1, GetParam().succeeds())).ok());
  recorder.wait_for_ends(1);
  executor->kill(request(1, {}).id, Duration::zero());
  executor->stop(Duration::zero());
  EXPECT_EQ(recorder.heard(), 2U);
}

TEST_P(ExecutorContract, WhatItDoesNotKnowIsNotAdopted) {
  Recorder recorder;
  const auto executor = GetParam().make();
  executor->listen(recorder);
  EXPECT_FALSE(executor->adopt(request(1, {}).id, "of another executor"));
  executor->stop(Duration::zero());
  EXPECT_EQ(recorder.heard(), 0U);
}

TEST_P(ExecutorContract, MayBeAskedToAdoptAlsoAfterTheFirstStart) {
  Recorder recorder;
  const auto executor = GetParam().make();
  executor->listen(recorder);
  for (int i = 2; i < 4; ++i) {
    ASSERT_TRUE(executor->start(request(i, GetParam().succeeds())).ok());
    EXPECT_FALSE(executor->adopt(request(1, {}).id, "of another executor"));
  }
  recorder.wait_for_ends(2);
  executor->stop(Duration::zero());
  EXPECT_EQ(recorder.words(request(1, {}).id), Words{});
}

TEST_P(KillContract, AfterLettingGoNothingIsHeard) {
  Recorder recorder;
  const auto executor = GetParam().make();
  executor->listen(recorder);
  ASSERT_TRUE(executor->start(request(1, GetParam().runs_until_killed())).ok());
  recorder.wait_for_start(request(1, {}).id);
  executor->detach(Duration::zero());
  const std::size_t heard = recorder.heard();
  EXPECT_FALSE(executor->start(request(9, GetParam().succeeds())).ok());
  EXPECT_EQ(recorder.heard(), heard);
}

TEST_P(KillContract, AKilledAttemptFinishes) {
  Recorder recorder;
  const auto executor = GetParam().make();
  executor->listen(recorder);
  ASSERT_TRUE(executor->start(request(1, GetParam().runs_until_killed())).ok());
  recorder.wait_for_start(request(1, {}).id);
  executor->kill(request(1, {}).id, Duration::zero());
  executor->kill(request(1, {}).id, Duration::zero());
  recorder.wait_for_ends(1);
  EXPECT_EQ(recorder.end(request(1, {}).id).outcome.kind, Outcome::Kind::Failed);
  executor->stop(Duration::zero());
  EXPECT_EQ(recorder.heard(), 2U);
}

TEST_P(KillContract, StoppingEndsWhatRunsAndThenNothingIsHeard) {
  Recorder recorder;
  const auto executor = GetParam().make();
  executor->listen(recorder);
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(executor->start(request(i, GetParam().runs_until_killed())).ok());
    recorder.wait_for_start(request(i, {}).id);
  }
  executor->stop(Duration::zero());
  const std::size_t heard = recorder.heard();
  EXPECT_EQ(heard, 6U);
  EXPECT_FALSE(executor->start(request(9, GetParam().succeeds())).ok());
  EXPECT_EQ(recorder.heard(), heard);
}

}  // namespace
}  // namespace millrace::execution
