#include "net/http_framing.h"

#include <gtest/gtest.h>

namespace millrace::net {
namespace {

const ServerOptions kOptions = {.header_bytes_max = 1'000, .body_bytes_max = 10};

/// What the parser makes of bytes that come `piece` at a time; what it does not take comes again.
std::size_t feed(RequestParser& parser, std::string_view bytes, std::size_t piece) {
  std::size_t taken = 0;
  for (std::size_t come = piece; taken < come; come = std::min(come + piece, bytes.size())) {
    taken += parser.take(bytes.substr(taken, come - taken));
    if (parser.is_whole() || parser.refusal() || come == bytes.size()) break;
  }
  return taken;
}

TEST(RequestParser, TakesOneRequestHoweverItsBytesCome) {
  const std::string one = "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello";
  const std::string chunked =
      "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
      "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n";
  for (const std::string& text : {one, chunked})
    for (std::size_t piece = 1; piece <= text.size() + 9; ++piece) {
      SCOPED_TRACE(piece);
      RequestParser parser(kOptions);
      ASSERT_EQ(feed(parser, text + "GET / HTT", std::min(piece, text.size() + 9)), text.size());
      ASSERT_TRUE(parser.is_whole());
      const auto request = parser.request("somebody");
      ASSERT_TRUE(request.ok());
      EXPECT_EQ(request->body, "hello");
      EXPECT_EQ(request->path, std::vector<std::string>{"a"});
      EXPECT_EQ(request->remote, "somebody");
    }
}

TEST(RequestParser, RefusesWithTheStatusThatSaysWhy) {
  struct Case {
    std::string why;
    std::string request;
    int status;
  };
  const std::vector<Case> cases = {
      {"no HTTP", "hello\r\n\r\n", 400},
      {"two lengths", "POST / HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\nx", 400},
      {"a header of 2,000 bytes", "GET / HTTP/1.1\r\nA: " + std::string(2'000, 'a'), 431},
      {"a body of 11 bytes", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n", 413}};
  for (const Case& c : cases)
    for (const std::size_t piece : {std::size_t{1}, c.request.size()}) {
      SCOPED_TRACE(c.why);
      RequestParser parser(kOptions);
      feed(parser, c.request, piece);
      ASSERT_TRUE(parser.refusal().has_value());
      EXPECT_EQ(parser.refusal()->status, c.status);
      EXPECT_EQ(parser.take("GET / HTTP/1.1\r\n\r\n"), 0U) << "what follows is not understood";
    }
}

TEST(RequestParser, AsksOnceToGoOn) {
  RequestParser parser(kOptions);
  const std::string head =
      "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
  EXPECT_EQ(parser.take(head), head.size());
  EXPECT_TRUE(parser.asks_to_go_on());
  EXPECT_FALSE(parser.asks_to_go_on());
  EXPECT_EQ(parser.take("hi"), 2U);
  EXPECT_TRUE(parser.is_whole());
}

TEST(RequestParser, DoesNotAskForABodyThatWillNotCome) {
  for (const char* head :
       {"GET / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
        "Content-Length: 0\r\n\r\n",
        "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"}) {
    SCOPED_TRACE(head);
    RequestParser parser(kOptions);
    EXPECT_EQ(parser.take(head), std::string_view(head).size());
    EXPECT_FALSE(parser.refusal().has_value());
    EXPECT_FALSE(parser.asks_to_go_on());
  }
}

TEST(RequestParser, PassesOverOneEmptyLineBeforeARequest) {
  const std::string request = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";
  for (std::size_t piece = 1; piece <= request.size() + 2; ++piece) {
    SCOPED_TRACE(piece);
    RequestParser parser(kOptions);
    EXPECT_EQ(feed(parser, "\r\n" + request, piece), request.size() + 2);
    EXPECT_TRUE(parser.is_whole());
  }
  for (const std::string before : {"\r\n\r\n", "\n", "\r", " \r\n"}) {
    RequestParser parser(kOptions);
    feed(parser, before + request, 1);
    EXPECT_TRUE(parser.refusal().has_value()) << testing::PrintToString(before);
  }
}

TEST(RequestParser, AConnectionOfHttp10IsNotKept) {
  RequestParser parser(kOptions);
  parser.take("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  ASSERT_TRUE(parser.is_whole());
  EXPECT_FALSE(parser.keeps_alive());
}

TEST(ResponseHead, HasTheServersOwnFieldsOnce) {
  Response response = Response::text("hello");
  for (const char* ours : {"Content-Length", "connection", "DATE", "Transfer-Encoding"})
    response.headers.add(ours, "mine");
  EXPECT_EQ(head_of(response, "today", true),
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nDate: today\r\n"
            "Content-Length: 5\r\n\r\n");
  EXPECT_EQ(head_of({204, {}, ""}, "today", false),
            "HTTP/1.1 204 No Content\r\nDate: today\r\nConnection: close\r\n\r\n");
}

TEST(ResponseHead, WritesADateAsHttpDoes) {
  EXPECT_EQ(http_date(*parse_instant("1994-11-06T08:49:37.9Z")), "Sun, 06 Nov 1994 08:49:37 GMT");
}

}  // namespace
}  // namespace millrace::net
