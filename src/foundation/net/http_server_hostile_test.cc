// What no good client sends, and what must not happen then.
#include <atomic>

#include <fmt/core.h>
#include <gtest/gtest.h>

#include "net/http_client.h"
#include "net/http_server.h"
#include "net/raw_connection_fixture.h"

namespace millrace::net {
namespace {

using std::chrono::milliseconds;

class Hostile : public testing::Test {
 protected:
  void SetUp() override {
    ServerOptions options;
    options.header_bytes_max = 4'096;
    options.body_bytes_max = 1'000;
    options.request_timeout = milliseconds(200);
    auto started = HttpServer::start(options, [this](const Request& request) {
      if (!request.path.empty() && request.path[0] == "smuggled") ++smuggled_;
      return Response::text("body of " + std::to_string(request.body.size()));
    });
    ASSERT_TRUE(started.ok()) << started.error().message();
    server_ = *std::move(started);
  }
  std::string raw(std::string_view bytes) {
    RawConnection connection(server_->port());
    EXPECT_TRUE(connection.send(bytes));
    connection.finish_sending();
    return connection.read_all();
  }

  std::atomic<int> smuggled_{0};
  std::unique_ptr<HttpServer> server_;
};

TEST(HttpServer, TheBodiesOfAllRequestsAreBoundedTogether) {
  std::atomic<int> held{0};
  std::atomic<bool> go{false};
  ServerOptions options;
  options.threads = 3;
  options.all_bodies_bytes_max = 100'000;
  auto server = *HttpServer::start(options, [&](const Request& request) {
    if (request.path.at(0) == "hold") {
      ++held;
      held.notify_all();
      go.wait(false);
    }
    return Response::text(std::to_string(request.body.size()));
  });
  const auto post = [&](const std::string& path, std::size_t bytes) {
    HttpClient client({.base_url = "http://" + server->address()});
    return *client.send(Method::Post, path, std::string(bytes, 'x'));
  };
  std::thread holder([&] { EXPECT_EQ(post("/hold", 150'000).body, "150000"); });
  held.wait(0);
  const Response refused = post("/large", 150'000);
  EXPECT_EQ(refused.status, 503) << refused.body;
  EXPECT_EQ(refused.headers.get("Retry-After"), "1");
  EXPECT_NE(refused.body.find("fewer rows at a time"), std::string::npos) << refused.body;
  EXPECT_EQ(post("/small", 60'000).body, "60000");
  go = true;
  go.notify_all();
  holder.join();
  EXPECT_EQ(post("/large", 150'000).body, "150000") << "what was held is given back";
}

struct Case {
  const char* why;
  std::string bytes;
  int status;  // 0: closed without an answer
};

TEST_F(Hostile, WhatIsNoGoodRequestIsRefused) {
  const std::string get = "GET / HTTP/1.1\r\nHost: x\r\n";
  const std::string post = "POST / HTTP/1.1\r\nHost: x\r\n";
  const std::string chunked = "Transfer-Encoding: chunked\r\n\r\n";
  const std::string end = "\r\n0\r\n\r\n";  // of a chunked body
  std::string many_fields;
  for (int i = 0; i < 1'000; ++i) many_fields += "X: a\r\n";
  const std::vector<Case> cases = {
      {"a TLS hello", "\x16\x03\x01 hello\r\n\r\n", 400},
      {"nothing", "", 0},
      {"half a request", post + "Content-Length: 10\r\n\r\nabc", 0},
      {"no host", "GET / HTTP/1.1\r\n\r\n", 400},
      {"two hosts", get + "Host: y\r\n\r\n", 400},
      {"no host in HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", 200},
      {"another version", "GET / HTTP/3.0\r\nHost: x\r\n\r\n", 400},
      {"HTTP/2's preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400},
      {"NUL in a header", get + std::string("X: a\0b\r\n\r\n", 10), 400},
      {"a bare line feed in a header", get + "X: a\nEvil: b\r\n\r\n", 400},
      {"white space before the colon", get + "X : a\r\n\r\n", 400},
      {"huge headers", get + "X: " + std::string(8'000, 'a') + "\r\n\r\n", 431},
      {"many headers", get + many_fields + "\r\n", 431},
      {"huge target", "GET /" + std::string(8'000, 'a') + " HTTP/1.1\r\nHost: x\r\n\r\n", 431},
      {"large body", post + "Content-Length: 1001\r\n\r\n" + std::string(1'001, 'a'), 413},
      {"a length that says more than memory holds",
       post + "Content-Length: 18446744073709551615\r\n\r\nabc", 413},
      {"a length beyond 64 bits", post + "Content-Length: 18446744073709551616\r\n\r\nabc", 400},
      {"large chunked body",
       post + "Transfer-Encoding: chunked\r\n\r\n7d0\r\n" + std::string(2'000, 'a') +
           "\r\n0\r\n\r\n",
       413},
      {"a chunk extension", post + chunked + "5;" + std::string(2'000, 'a') + "\r\nabcde" + end,
       200},
      {"an endless chunk extension", post + chunked + "5;" + std::string(8'000, 'a'), 431},
      {"a trailer", post + chunked + "0\r\nA: " + std::string(2'000, 'a') + "\r\n\r\n", 200},
      {"an endless line in a trailer", post + chunked + "0\r\nA: " + std::string(8'000, 'a'), 431},
      {"an endless trailer", post + chunked + "0\r\n" + many_fields, 431},
      {"encoded NUL", "GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"unknown method", "BREW / HTTP/1.1\r\nHost: x\r\n\r\n", 501},
      {"a tunnel", "CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n", 501},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    EXPECT_EQ(status_of(raw(c.bytes)), c.status);
  }
  EXPECT_EQ(HttpClient({.base_url = "http://" + server_->address()}).send(Method::Get, "/")->status,
            200);
}

/// Each outer request is followed by what one reader takes for its body and another for the next
/// request. The only safe answer is one refusal, and nothing more read from that connection.
TEST_F(Hostile, NoSecondRequestIsSmuggledInAFirst) {
  const std::string post = "POST / HTTP/1.1\r\nHost: x\r\n";
  const std::string old = "POST / HTTP/1.0\r\nConnection: keep-alive\r\n";
  const std::string inner = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
  const std::string none = "Content-Length: 0\r\n";
  const std::string whole = "Content-Length: " + std::to_string(inner.size()) + "\r\n";
  const std::string chunked = "Transfer-Encoding: chunked\r\n";
  const std::string end = "\r\n0\r\n\r\n";  // of the headers, then of a chunked body
  const std::vector<std::pair<const char*, std::string>> cases = {
      {"a length and chunks", post + none + chunked + end + inner},
      {"chunks and a length", post + chunked + none + end + inner},
      {"a length and chunks, read by the length", post + whole + chunked + "\r\n" + inner},
      {"an unknown coding and a length",
       post + "Transfer-Encoding: xchunked\r\n" + none + "\r\n" + inner},
      {"identity and a length", post + "Transfer-Encoding: identity\r\n" + none + "\r\n" + inner},
      {"a coding behind chunked, and a length",
       post + "Transfer-Encoding: chunked, identity\r\n" + none + "\r\n" + inner},
      {"a quoted coding and a length",
       post + "Transfer-Encoding: \"chunked\"\r\n" + none + "\r\n" + inner},
      {"an empty coding and a length", post + "Transfer-Encoding:\r\n" + none + "\r\n" + inner},
      {"an unknown coding", post + "Transfer-Encoding: xchunked\r\n\r\n" + inner},
      {"a coding before chunked", post + "Transfer-Encoding: gzip, chunked\r\n" + end + inner},
      {"a coding behind chunked", post + "Transfer-Encoding: chunked, gzip\r\n" + end + inner},
      {"chunked twice", post + chunked + chunked + end + inner},
      {"chunks in HTTP/1.0", old + chunked + end + inner},
      {"two lengths", post + none + whole + "\r\n" + inner},
      {"two equal lengths", post + none + none + "\r\n" + inner},
      {"two lengths in one field", post + "Content-Length: 0, 0\r\n\r\n" + inner},
      {"a signed length", post + "Content-Length: +0\r\n\r\n" + inner},
      {"a negative length", post + "Content-Length: -1\r\n\r\n" + inner},
      {"a hexadecimal length", post + "Content-Length: 0x0\r\n\r\n" + inner},
      {"an empty length", post + "Content-Length:\r\n\r\n" + inner},
      {"white space before the colon", post + "Content-Length : 0\r\n\r\n" + inner},
      {"a bad chunk size", post + chunked + "\r\nzz\r\n" + inner},
      {"a chunk size with a sign", post + chunked + "\r\n-0\r\n\r\n" + inner},
      {"a chunk size that overflows", post + chunked + "\r\n10000000000000000\r\n" + inner},
      {"a chunk longer than it says", post + chunked + "\r\n1\r\nab\r\n0\r\n\r\n" + inner},
  };
  for (const auto& [why, bytes] : cases) {
    SCOPED_TRACE(why);
    const std::string answer = raw(bytes);
    EXPECT_EQ(smuggled_.exchange(0), 0) << answer;
    EXPECT_EQ(status_of(answer), 400) << answer;
  }
}

TEST_F(Hostile, AFoldedLineIsPartOfTheFieldBeforeIt) {
  const std::string inner = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
  const std::string answer = raw("POST / HTTP/1.1\r\nHost: x\r\nX: a\r\n Content-Length: 0\r\n" +
                                 fmt::format("Content-Length: {}\r\n\r\n", inner.size()) + inner);
  EXPECT_EQ(smuggled_.exchange(0), 0);
  EXPECT_TRUE(answer.ends_with(fmt::format("body of {}", inner.size()))) << answer;
}

TEST_F(Hostile, AnHonestSecondRequestIsAnswered) {
  const std::string inner = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
  const std::string post = "POST / HTTP/1.1\r\nHost: x\r\n";
  for (const std::string& first :
       {post + "Content-Length: 3\r\n\r\nabc", post + "\r\n",
        post + "Transfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"}) {
    raw(first + inner);
    EXPECT_EQ(smuggled_.exchange(0), 1) << first;
  }
}

TEST_F(Hostile, ABodyThatIsTooLargeIsNotAskedFor) {
  const std::string answer =
      raw("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1001\r\n\r\n");
  EXPECT_EQ(status_of(answer), 413) << answer;
}

TEST_F(Hostile, ASenderThatDripsIsCutOff) {
  RawConnection connection(server_->port());
  ASSERT_TRUE(connection.send("GET / HTTP/1.1\r\nX: "));
  int dripped = 0;
  while (!connection.readable_within(5) && connection.send("a")) ASSERT_LT(++dripped, 10'000);
  EXPECT_EQ(connection.read_all(), "");
}

TEST_F(Hostile, ASilentConnectionIsClosedAfterItsIdleTime) {
  ServerOptions options;
  options.idle_timeout = milliseconds(20);
  auto server = *HttpServer::start(options, [](const Request&) { return Response::text("x"); });
  RawConnection silent(server->port());
  EXPECT_EQ(silent.read_all(), "");
  RawConnection after_one(server->port());
  ASSERT_TRUE(after_one.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
  EXPECT_EQ(status_of(after_one.read_all()), 200);
}

TEST_F(Hostile, AHandlerCannotBreakTheFraming) {
  auto server = *HttpServer::start({}, [](const Request& request) -> Response {
    const std::string& what = request.path.at(0);
    if (what == "split") return {200, {{"X", "a\r\n\r\nHTTP/1.1 200 OK"}}, ""};
    if (what == "name") return {200, {{"X Y", "a"}}, ""};
    if (what == "status") return {99, {}, ""};
    if (what == "early") return {101, {}, ""};
    if (what == "empty") return {204, {}, "not sent"};
    throw 7;
  });
  HttpClient client({.base_url = "http://" + server->address()});
  for (const char* target : {"/split", "/name", "/status", "/early", "/throw"}) {
    const auto response = client.send(Method::Get, target);
    ASSERT_TRUE(response.ok()) << target << response.error().message();
    EXPECT_EQ(response->status, 500) << target;
  }
  EXPECT_EQ(client.send(Method::Get, "/empty")->status, 204);
  EXPECT_EQ(client.send(Method::Get, "/empty")->body, "");
}

}  // namespace
}  // namespace millrace::net
