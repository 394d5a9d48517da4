#include "launcher/launcher_protocol.h"

#include <optional>

#include <gtest/gtest.h>

namespace millrace::launcher {
namespace {

using orchestration::AttemptEnd;
using orchestration::AttemptId;
using orchestration::DagId;
using orchestration::Outcome;
using orchestration::Preparation;
using orchestration::RunId;
using orchestration::TaskId;

const AttemptId kAttempt{{DagId("d"), RunId("2013-12-01T05:00:00Z.n=\u00e4")}, TaskId("t"), 3, 7};

std::string without_newline(std::string line) {
  EXPECT_EQ(line.find('\n'), line.size() - 1) << line;
  line.pop_back();
  return line;
}

template <typename Kind>
Kind order_again(const Kind& order) {
  const auto read = order_from(without_newline(to_line(Order(order))));
  EXPECT_TRUE(read.ok()) << read.error().message();
  return std::get<Kind>(*read);
}

template <typename Kind>
Kind report_again(const Kind& report) {
  const auto read = report_from(without_newline(to_line(Report(report))));
  EXPECT_TRUE(read.ok()) << read.error().message();
  return std::get<Kind>(*read);
}

Json nested(int levels) {
  Json json = 1;
  for (int i = 0; i < levels; ++i) json = Json(Json::Array{json});
  return json;
}

TEST(LauncherProtocol, AStartComesOutAsItWentIn) {
  order::Start start;
  start.token = "a.1";
  start.request.id = kAttempt;
  start.request.generation = 2;
  start.request.number = 3;
  start.request.resources = {4, 5'000'000'000};
  start.request.work.document = nested(62);
  start.request.work.command = {"sh", "-c", "echo \xff\n"};
  start.request.work.environment = {{"NAME", "v\xe4lue"}, {"\xfe", ""}, {"EMPTY", ""}};
  start.request.work.working_folder = "/tmp/\xff";
  start.request.work.speaks = Preparation::Speaks::Nothing;
  const order::Start again = order_again(start);
  EXPECT_EQ(again.token, start.token);
  EXPECT_EQ(again.request.id, kAttempt);
  EXPECT_EQ(again.request.generation, 2);
  EXPECT_EQ(again.request.number, 3);
  EXPECT_EQ(again.request.resources, start.request.resources);
  EXPECT_EQ(again.request.work.document, start.request.work.document);
  EXPECT_EQ(again.request.work.command, start.request.work.command);
  EXPECT_EQ(again.request.work.environment, start.request.work.environment);
  EXPECT_EQ(again.request.work.working_folder, start.request.work.working_folder);
  EXPECT_EQ(again.request.work.speaks, Preparation::Speaks::Nothing);
}

TEST(LauncherProtocol, AnEndComesOutAsItWentIn) {
  AttemptEnd end;
  end.outcome = {Outcome::Kind::Failed, ErrorCode::DataQuality, "12 rows\nof 13"};
  end.exit_code = 7;
  end.used = {std::chrono::microseconds(1'500'001), std::chrono::seconds(2), 123'456'789};
  end.result = nested(62);
  end.xcoms = Json::object({{"rows", 7}, {"deep", nested(62)}});
  const auto again = report_again(report::Finished{kAttempt, "a.1", end});
  EXPECT_EQ(again.attempt, kAttempt);
  EXPECT_EQ(again.token, "a.1");
  EXPECT_EQ(again.end.outcome.kind, Outcome::Kind::Failed);
  EXPECT_EQ(again.end.outcome.error, ErrorCode::DataQuality);
  EXPECT_EQ(again.end.outcome.message, "12 rows\nof 13");
  EXPECT_EQ(again.end.exit_code, 7);
  EXPECT_EQ(again.end.signal, std::nullopt);
  EXPECT_EQ(again.end.used.cpu, end.used.cpu);
  EXPECT_EQ(again.end.used.wall, end.used.wall);
  EXPECT_EQ(again.end.used.max_rss_bytes, 123'456'789U);
  EXPECT_EQ(again.end.result, end.result);
  EXPECT_EQ(again.end.xcoms, end.xcoms);
}

TEST(LauncherProtocol, TheOtherMessagesComeOutAsTheyWentIn) {
  const auto hello = order_again(order::Hello{kProtocolVersion, "/s", "/w", {{"A", "b"}}});
  EXPECT_EQ(hello.state, "/s");
  EXPECT_EQ(hello.working_folder, "/w");
  EXPECT_EQ(hello.environment, (std::map<std::string, std::string>{{"A", "b"}}));
  EXPECT_EQ(order_again(order::Kill{kAttempt, std::chrono::milliseconds(1'500)}).grace,
            std::chrono::milliseconds(1'500));
  EXPECT_EQ(order_again(order::Adopt{9, kAttempt, "a.1"}).token, "a.1");
  EXPECT_EQ(order_again(order::EndTheRest{9}).id, 9);
  EXPECT_EQ(order_again(order::Settled{kAttempt}).attempt, kAttempt);
  EXPECT_TRUE(order_again(order::FenceAnswer{9, true}).allowed);
  EXPECT_EQ(order_again(order::Stop{std::chrono::seconds(3)}).grace, std::chrono::seconds(3));
  EXPECT_EQ(report_again(report::Hello{kProtocolVersion, "/s"}).state, "/s");
  EXPECT_EQ(report_again(report::Refused{"no"}).message, "no");
  EXPECT_EQ(report_again(report::Started{kAttempt}).attempt, kAttempt);
  EXPECT_EQ(report_again(report::Heartbeat{kAttempt}).attempt, kAttempt);
  const auto said = report_again(report::Said{kAttempt, {"progress", nested(62)}});
  EXPECT_EQ(said.message.type, "progress");
  EXPECT_EQ(said.message.body, nested(62));
  EXPECT_EQ(report_again(report::Fence{9, kAttempt}).id, 9);
  EXPECT_EQ(report_again(report::Answer{9, false, "no"}).message, "no");
  report_again(report::Stopped{});
}

TEST(LauncherProtocol, OfAHelloOfAnotherVersionOnlyThatIsRead) {
  const auto server = order_from(R"({"type":"hello","millrace_launcher":2,"new":true})");
  ASSERT_TRUE(server.ok()) << server.error().message();
  EXPECT_EQ(std::get<order::Hello>(*server).version, 2);
  const auto launcher = report_from(R"({"type":"hello","millrace_launcher":2})");
  ASSERT_TRUE(launcher.ok()) << launcher.error().message();
  EXPECT_EQ(std::get<report::Hello>(*launcher).version, 2);
}

TEST(LauncherProtocol, WhatIsNoMessageIsRefusedWithAReason) {
  struct Case {
    std::string line;
    std::string says;
  };
  const std::string id = R"("attempt":{"dag":"d","run":"r","task":"t","epoch":1,"map_index":-1})";
  const std::vector<Case> cases = {
      {"", "1"},
      {"hello", "1"},
      {"[1]", "an object with a 'type'"},
      {R"({"type":"dance"})", "unknown type 'dance'"},
      {R"({"type":"hello"})", "millrace_launcher"},
      {R"({"type":"kill"})", "dag"},
      {R"({"type":"settled","attempt":{"dag":"..","run":"r","task":"t","epoch":1,"map_index":-1}})",
       "'dag' is no name"},
      {R"({"type":"settled","attempt":{"dag":"d","run":"a/../b","task":"t","epoch":1,"map_index":-1}})",
       "'run' is no name"},
      {R"({"type":"settled","attempt":{"dag":"d","run":"r","task":"t","epoch":9999999999,"map_index":1}})",
       "'epoch' is out of range"},
      {R"({"type":"kill",)" + id + R"(,"grace_seconds":-1})", "no time span"},
      {R"({"type":"kill",)" + id + R"(,"grace_seconds":1e300})", "no time span"},
      {R"({"type":"start",)" + id + R"(,"token":"a","generation":1,"number":1,"threads":0,
          "memory_bytes":0,"command":["a\u0000b"]})",
       "no NUL"},
      {R"({"type":"start",)" + id + R"(,"token":"a","generation":1,"number":1,"threads":0,
          "memory_bytes":0,"command":[[1,256]]})",
       "from 0 to 255"},
      {R"({"type":"start",)" + id + R"(,"token":"a","generation":1,"number":1,"threads":0,
          "memory_bytes":0,"command":["a"],"environment":{"A":"b"}})",
       "pairs of name and value"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.line);
    const auto order = order_from(c.line);
    ASSERT_FALSE(order.ok());
    EXPECT_EQ(order.error().code(), ErrorCode::Invalid);
    EXPECT_NE(order.error().message().find(c.says), std::string::npos) << order.error().message();
  }
  EXPECT_FALSE(report_from(R"({"type":"finished",)" + id + R"(,"token":"a","end":{}})").ok());
  EXPECT_FALSE(report_from(R"({"type":"start"})").ok());
}

}  // namespace
}  // namespace millrace::launcher
