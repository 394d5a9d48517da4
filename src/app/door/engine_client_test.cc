#include "door/engine_client.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/file.h"

namespace millrace::door {
namespace {

/// Shell scripts in the place of millrace; the real one is asked by the end-to-end tests.
class EngineClientTest : public testing::Test {
 protected:
  std::string script(const std::string& text) {
    const std::string path = folder_.path() + "/millrace";
    EXPECT_TRUE(write_file(path, "#!/bin/sh\n" + text).ok());
    EXPECT_EQ(::chmod(path.c_str(), 0700), 0);
    return path;
  }
  TemporaryFolder folder_ = *TemporaryFolder::make();
};

TEST_F(EngineClientTest, AsksOneLineAndReadsOne) {
  auto client = EngineClient::start(script(R"(echo '{"millrace_engine":2}'
    read request; [ "$request" = '{"query":"select 1"}' ] && echo '{"rows":[{"a":1}]}'
    read request; echo '{"error":{"code":"invalid","message":"no such table"}}')"));
  ASSERT_TRUE(client.ok()) << client.error().message();
  EXPECT_EQ(client->rows("select 1")->dump(), R"([{"a":1}])");
  const Status failed = client->execute("drop table x");
  EXPECT_EQ(failed.error().code(), ErrorCode::Invalid);
  EXPECT_EQ(failed.error().message(), "no such table");
}

TEST_F(EngineClientTest, TellsTheEngineWhatItMayUse) {
  auto client = EngineClient::start(script(R"(echo '{"millrace_engine":2}'
    read request; echo "{\"rows\":[\"$*\"]}")"),
                                    {"--threads", "1"});
  ASSERT_TRUE(client.ok()) << client.error().message();
  EXPECT_EQ(client->rows("select 1")->dump(), R"(["engine --stdio --threads 1"])");
}

TEST_F(EngineClientTest, AnEngineThatHasEndedIsAnErrorAndNoSignal) {
  // It reads nothing more from before it is heard for the first time.
  auto client = EngineClient::start(script("exec 0<&-; echo '{\"millrace_engine\":2}'"));
  ASSERT_TRUE(client.ok()) << client.error().message();
  EXPECT_EQ(client->execute("select 1").error().code(), ErrorCode::Unavailable);
  EXPECT_EQ(client->rows("select 1").error().code(), ErrorCode::Unavailable);
}

TEST_F(EngineClientTest, AnAnswerThatBreaksOffIsAnError) {
  for (const auto& [part, code] : {std::pair{R"({"bytes":1000})", ErrorCode::Unavailable},
                                   {R"({"bytes":-5})", ErrorCode::Internal},
                                   {R"({"what":1})", ErrorCode::Invalid},
                                   {R"({"end":true})", ErrorCode::Invalid}}) {
    SCOPED_TRACE(part);
    auto client = EngineClient::start(script(R"(echo '{"millrace_engine":2}'
      read request; echo ')" + std::string(part) +
                                             "'; printf abc"));
    ASSERT_TRUE(client.ok()) << client.error().message();
    EXPECT_EQ(client->query("select 1").error().code(), code);
  }
}

TEST_F(EngineClientTest, AnEngineThatRefusesRowsIsSentNoMoreOfThem) {
  auto client = EngineClient::start(script(R"(echo '{"millrace_engine":2}'
    read put; echo '{"error":{"code":"exhausted","message":"the disk is full"}}'
    while read line; do [ "$line" = '{"end":true}' ] && echo '{"rows":["the next"]}'; done)"));
  ASSERT_TRUE(client.ok()) << client.error().message();
  const auto endless = [] { return Result<std::optional<std::string>>("bytes of a stream\n"); };
  const auto put = client->put("numbers", endless);
  EXPECT_EQ(put.error().message(), "the disk is full");
  EXPECT_EQ(client->rows("select 1")->dump(), R"(["the next"])");
}

TEST_F(EngineClientTest, AnEngineThatCannotOpenSaysWhy) {
  const auto client = EngineClient::start(
      script(R"(echo '{"error":{"code":"exhausted","message":"the disk is full"}}'; exit 3)"));
  ASSERT_FALSE(client.ok());
  EXPECT_EQ(client.error().code(), ErrorCode::Exhausted);
  EXPECT_EQ(client.error().message(), "the disk is full");
}

TEST_F(EngineClientTest, RefusesWhatIsNoEngine) {
  EXPECT_EQ(EngineClient::start(script("echo '{\"millrace_engine\":1}'")).error().code(),
            ErrorCode::Unsupported);
  EXPECT_EQ(EngineClient::start(script("exit 1")).error().code(), ErrorCode::Unavailable);
  const Error nowhere = EngineClient::start(folder_.path() + "/nothing").error();
  EXPECT_EQ(nowhere.code(), ErrorCode::NotFound);
  EXPECT_NE(nowhere.message().find("name it in $MILLRACE"), std::string::npos) << nowhere.message();
}

}  // namespace
}  // namespace millrace::door
