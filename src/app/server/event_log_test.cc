#include "server/event_log.h"

#include <thread>

#include <gtest/gtest.h>

namespace millrace::server {
namespace {

using orchestration::AttemptId;
using orchestration::DagId;
using orchestration::MessageNotice;
using orchestration::RunId;
using orchestration::RunKey;
using orchestration::TaskId;

const RunKey kRun{DagId("weekly"), RunId("a")};
const RunKey kOther{DagId("weekly"), RunId("b")};

MessageNotice said(const RunKey& run, const std::string& type, const std::string& text) {
  return {AttemptId{run, TaskId("train"), 1},
          {type, Json::object({{"type", type}, {"message", text}})}};
}

TEST(EventLog, GivesTheEventsOfARunInOrderAndOnce) {
  EventLog log;
  log.add(said(kRun, "progress", "one"));
  log.add(said(kOther, "progress", "of another run"));
  log.add(said(kRun, "progress", "two"));
  const EventLog::Page page = log.after(kRun, 0, {});
  ASSERT_EQ(page.events.size(), 2U);
  EXPECT_EQ(page.events[0]["body"].string_or("message", ""), "one");
  EXPECT_EQ(page.events[1]["body"].string_or("message", ""), "two");
  EXPECT_TRUE(log.after(kRun, page.next, {}).events.empty());
}

TEST(EventLog, AGateThatLetsNothingThroughAndFindingsOfALeakCheckAreRefusals) {
  EXPECT_TRUE(is_refusal(Json::object({{"accepted", false}})));
  EXPECT_TRUE(is_refusal(Json::object({{"leaks", Json(std::vector<std::string>{"a column"})}})));
  EXPECT_FALSE(is_refusal(Json::object({{"accepted", true}, {"promoted", false}})));
  EXPECT_FALSE(is_refusal(Json::object({{"leaks", Json::array()}})));
  EXPECT_FALSE(is_refusal(Json()));
}

TEST(EventLog, WhatCameOfARunNamesFailuresRefusalsAndTheModelsThatWereJudged) {
  orchestration::TaskRecord land;
  land.task = TaskId("land");
  land.state = orchestration::TaskState::Failed;
  land.message = "no such file";
  orchestration::TaskRecord evaluate;
  evaluate.task = TaskId("evaluate");
  evaluate.state = orchestration::TaskState::Success;
  const Json judged = Json::object({{"model", "sla"},
                                    {"version", 2},
                                    {"accepted", false},
                                    {"promoted", false},
                                    {"values", Json::object({{"auc", 0.7}})},
                                    {"summary", "sla version 2: refused"}});
  const Json run = with_outcome({}, {land, evaluate}, Json::object({{"evaluate", judged}}));
  EXPECT_EQ(run["failed"].dump(), R"([{"task":"land","message":"no such file"}])");
  EXPECT_EQ(run["refused"].dump(), R"([{"task":"evaluate","message":"sla version 2: refused"}])");
  ASSERT_EQ(run["models"].as_array().size(), 1U);
  const Json& model = run["models"].as_array()[0];
  EXPECT_EQ(model["version"].as_integer(), 2);
  EXPECT_FALSE(model["promoted"].as_bool());
  EXPECT_EQ(model["metrics"]["auc"].as_double(), 0.7);
}

TEST(EventLog, MetricsAndLineageAreNotForWatchers) {
  EventLog log;
  log.add(said(kRun, "metrics", "large"));
  log.add(said(kRun, "lineage", "large"));
  EXPECT_TRUE(log.after(kRun, 0, {}).events.empty());
}

TEST(EventLog, APageIsBoundedAndTheNextGoesOnBehindIt) {
  EventLog log;
  for (int i = 0; i < 5; ++i) log.add(said(kRun, "log", std::string(400'000, 'x')));
  std::int64_t after = 0;
  std::vector<std::int64_t> numbers;
  int pages = 0;
  for (EventLog::Page page = log.after(kRun, after, {}); !page.events.empty();
       page = log.after(kRun, page.next, {})) {
    ++pages;
    EXPECT_LE(page.events.size(), 2U);
    for (const Json& event : page.events) numbers.push_back(event.integer_or("number", 0));
  }
  EXPECT_EQ(numbers, (std::vector<std::int64_t>{1, 2, 3, 4, 5}));
  EXPECT_EQ(pages, 3);
}

TEST(EventLog, WhatIsKeptIsBoundedInBytesAndTheOldestGoesFirst) {
  EventLog log;
  for (int i = 0; i < 100; ++i) log.add(said(kRun, "log", std::string(1'000'000, 'x')));
  const EventLog::Page page = log.after(kRun, 0, {});
  ASSERT_FALSE(page.events.empty());
  EXPECT_GT(page.events[0].integer_or("number", 0), 100 - (33 << 20U) / 1'000'000);
  EXPECT_EQ(log.after(kRun, 99, {}).events.size(), 1U);
}

TEST(EventLog, AWatcherAboveTheLimitIsAnsweredAtOnce) {
  EventLog log;
  std::vector<std::thread> watchers;
  for (int i = 0; i < 24; ++i)
    watchers.emplace_back([&] { log.after(kRun, 0, std::chrono::hours(1)); });
  while (log.waiting() < 24) std::this_thread::yield();
  // Would last an hour, were it to wait.
  EXPECT_TRUE(log.after(kRun, 0, std::chrono::hours(1)).events.empty());
  log.close();
  for (std::thread& watcher : watchers) watcher.join();
}

}  // namespace
}  // namespace millrace::server
