#include "net/http_client.h"

#include <condition_variable>
#include <mutex>

#include <gtest/gtest.h>

#include "net/http_server.h"

namespace millrace::net {
namespace {

using std::chrono::milliseconds;

std::unique_ptr<HttpServer> start(const ServerOptions& options, Handler handler) {
  auto server = HttpServer::start(options, std::move(handler));
  EXPECT_TRUE(server.ok()) << server.error().message();
  return *std::move(server);
}

TEST(HttpClient, SaysWhereNobodyAnswers) {
  const auto response = HttpClient({.base_url = "http://127.0.0.1:1"}).send(Method::Get, "/x");
  ASSERT_FALSE(response.ok());
  EXPECT_EQ(response.error().code(), ErrorCode::Unavailable);
  EXPECT_NE(response.error().message().find("127.0.0.1:1/x"), std::string::npos);
}

TEST(HttpClient, BoundsWhatItReadsAndHowLongItWaits) {
  std::mutex mutex;
  std::condition_variable changed;
  bool done = false;
  auto server = start({}, [&](const Request& request) {
    if (request.path.empty()) return Response::text(std::string(1'000, 'x'));
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return done; });
    return Response::text("late");
  });
  HttpClient small({.base_url = "http://" + server->address(), .body_bytes_max = 999});
  EXPECT_EQ(small.send(Method::Get, "/").error().code(), ErrorCode::Exhausted);
  HttpClient hasty({.base_url = "http://" + server->address(), .timeout = milliseconds(20)});
  EXPECT_EQ(hasty.send(Method::Get, "/slow").error().code(), ErrorCode::Timeout);
  {
    const std::lock_guard lock(mutex);
    done = true;
  }
  changed.notify_all();
}

TEST(HttpClient, FollowsNoRedirect) {
  auto server = start({}, [](const Request&) {
    return Response{302, {{"Location", "http://127.0.0.1:1/elsewhere"}}, ""};
  });
  const auto response =
      HttpClient({.base_url = "http://" + server->address()}).send(Method::Get, "/");
  ASSERT_TRUE(response.ok());
  EXPECT_EQ(response->status, 302);
  EXPECT_EQ(response->headers.get("LOCATION"), "http://127.0.0.1:1/elsewhere");
}

TEST(HttpClient, SendsNoHeaderThatEndsTheLine) {
  auto server = start({}, [](const Request& request) {
    return Response::text(std::string(request.headers.get("X-Empty")) + "|" +
                          std::to_string(request.headers.contains("X-Empty")));
  });
  HttpClient client({.base_url = "http://" + server->address()});
  const std::vector<Headers::Field> hostile = {{"X", "a\r\nEvil: b"},
                                               {"X", "a\nb"},
                                               {"X", std::string("a\0b", 3)},
                                               {"X: a\r\nEvil", "b"},
                                               {"", "b"}};
  for (const Headers::Field& field : hostile)
    EXPECT_EQ(client.send(Method::Get, "/", "", {field}).error().code(), ErrorCode::Invalid)
        << field.first << field.second;
  EXPECT_EQ(client.send(Method::Get, "/", "", {{"X-Empty", ""}})->body, "|1");
}

TEST(HttpClient, RefusesATargetThatIsNone) {
  HttpClient client({.base_url = "http://127.0.0.1:1"});
  for (const char* target : {"", "x", "@evil.example/", "/a b", "/a\nb"})
    EXPECT_EQ(client.send(Method::Get, target).error().code(), ErrorCode::Invalid) << target;
}

TEST(HttpClient, BoundsTheHeadersThatItTakes) {
  auto server = start({}, [](const Request&) {
    Response response = Response::text("x");
    for (int i = 0; i < 40; ++i) response.headers.add("X-Long", std::string(10'000, 'x'));
    return response;
  });
  HttpClient client({.base_url = "http://" + server->address()});
  EXPECT_EQ(client.send(Method::Get, "/").error().code(), ErrorCode::Exhausted);
}

TEST(HttpClient, AnErrorOfTheServerIsAnErrorOfJsonCalls) {
  auto server = start({}, [](const Request& request) {
    if (request.path[0] == "coded") return Response::error(Error(ErrorCode::Conflict, "stale"));
    return Response::text("busy", std::stoi(request.path[0]));
  });
  HttpClient client({.base_url = "http://" + server->address()});
  EXPECT_EQ(client.get_json("/coded").error().code(), ErrorCode::Conflict);
  EXPECT_EQ(client.get_json("/coded").error().message(), "stale");
  const std::vector<std::pair<int, ErrorCode>> cases = {
      {400, ErrorCode::Invalid},     {401, ErrorCode::Denied},      {404, ErrorCode::NotFound},
      {409, ErrorCode::Conflict},    {413, ErrorCode::Invalid},     {429, ErrorCode::Exhausted},
      {500, ErrorCode::Internal},    {501, ErrorCode::Unsupported}, {502, ErrorCode::Unavailable},
      {503, ErrorCode::Unavailable}, {504, ErrorCode::Timeout}};
  for (const auto& [status, code] : cases)
    EXPECT_EQ(client.post_json("/" + std::to_string(status), Json::object()).error().code(), code)
        << status;
  EXPECT_EQ(client.get_json("/200").error().code(), ErrorCode::Invalid) << "no JSON";
}

}  // namespace
}  // namespace millrace::net
