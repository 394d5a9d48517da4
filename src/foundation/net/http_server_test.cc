#include "net/http_server.h"

#include <atomic>
#include <condition_variable>
#include <latch>
#include <mutex>
#include <thread>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/file.h"
#include "net/http_client.h"
#include "net/raw_connection_fixture.h"

namespace millrace::net {
namespace {

using std::chrono::milliseconds;

Response echo(const Request& request) {
  if (!request.path.empty() && request.path[0] == "throw") throw std::runtime_error("broken");
  return Response::text(std::string(to_string(request.method)) + " " +
                        std::to_string(request.body.size()));
}

std::unique_ptr<HttpServer> serving(const ServerOptions& options = {}, Handler handler = echo) {
  auto server = HttpServer::start(options, std::move(handler));
  EXPECT_TRUE(server.ok()) << server.error().message();
  return *std::move(server);
}

HttpClient client_of(const HttpServer& server) {
  return HttpClient({.base_url = "http://" + server.address(), .timeout = milliseconds(20'000)});
}

/// Sends bytes as they are and reads until the server closes.
std::string raw(const HttpServer& server, std::string_view bytes) {
  RawConnection connection(server.port());
  EXPECT_TRUE(connection.send(bytes));
  connection.finish_sending();
  return connection.read_all();
}

TEST(HttpServer, AnswersOverTcpAndKeepsTheConnection) {
  auto server = serving();
  HttpClient client = client_of(*server);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(client.send(Method::Post, "/x", "hello")->body, "POST 5");
  const Response head = *client.send(Method::Head, "/x");
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.body, "");
  EXPECT_EQ(head.headers.get("content-length"), "6");
  EXPECT_FALSE(head.headers.get("date").empty());
  EXPECT_EQ(server->requests_answered(), 4U);
}

TEST(HttpServer, AnswersOverASocketDeeperThanAnAddressIsLong) {
  const TemporaryFolder folder = *TemporaryFolder::make();
  const std::string deep = folder.path() + "/" + std::string(200, 'd');
  ASSERT_TRUE(make_folders(deep).ok());
  auto server = serving({.listen = Listen::unix_socket(deep + "/s.sock")});
  HttpClient client({.unix_path = deep + "/s.sock"});
  EXPECT_EQ(client.send(Method::Get, "/x")->body, "GET 0");
  EXPECT_EQ(client.send(Method::Get, "/x")->body, "GET 0");  // the kept connection
  HttpClient elsewhere({.unix_path = deep + "er/s.sock"});
  EXPECT_EQ(elsewhere.send(Method::Get, "/x").error().code(), ErrorCode::Unavailable);
}

TEST(HttpServer, AnswersOverAUnixSocketThatOnlyThisUserMayOpen) {
  const TemporaryFolder folder = *TemporaryFolder::make();
  const std::string path = folder.path() + "/s.sock";
  auto server = serving({.listen = Listen::unix_socket(path)});
  struct stat found{};
  ASSERT_EQ(::stat(path.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777U, 0600U);
  HttpClient client({.unix_path = path});
  EXPECT_EQ(client.send(Method::Get, "/x")->body, "GET 0");
  EXPECT_EQ(HttpServer::start({.listen = Listen::unix_socket(path)}, echo).error().code(),
            ErrorCode::AlreadyExists);
  server.reset();
  EXPECT_NE(::stat(path.c_str(), &found), 0);
  EXPECT_EQ(client.send(Method::Get, "/x").error().code(), ErrorCode::Unavailable);
}

TEST(HttpServer, APortThatIsTakenSaysSo) {
  auto server = serving();
  const auto second = HttpServer::start({.listen = Listen::tcp("127.0.0.1", server->port())}, echo);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code(), ErrorCode::AlreadyExists);
  EXPECT_EQ(HttpServer::start({.listen = Listen::tcp("localhost", 0)}, echo).error().code(),
            ErrorCode::Invalid);
}

TEST(HttpServer, AnswersPipelinedRequestsInOrder) {
  auto server = serving();
  const std::string answer = raw(
      *server,
      "GET / HTTP/1.1\r\nHost: x\r\n\r\nPOST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi");
  const std::size_t first = answer.find("GET 0");
  ASSERT_NE(first, std::string::npos) << answer;
  EXPECT_NE(answer.find("POST 2", first), std::string::npos) << answer;
}

TEST(HttpServer, SendsContinueBeforeABodyThatWaitsForIt) {
  auto server = serving();
  const std::string answer =
      raw(*server,
          "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n"
          "Connection: close\r\n\r\nhi");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK")) << answer;
}

TEST(HttpServer, RefusesConnectionsBeyondItsLimit) {
  ServerOptions options;
  options.connections_max = 1;
  auto server = serving(options);
  HttpClient first = client_of(*server);
  ASSERT_EQ(first.send(Method::Get, "/")->status, 200);  // its connection stays open
  EXPECT_EQ(client_of(*server).send(Method::Get, "/")->status, 503);
}

TEST(HttpServer, StopAnswersWhatHasBegun) {
  std::mutex mutex;
  std::condition_variable changed;
  int inside = 0;
  bool open_gate = false;
  ServerOptions options;
  options.threads = 4;
  auto server = serving(options, [&](const Request&) {
    std::unique_lock lock(mutex);
    ++inside;
    changed.notify_all();
    changed.wait(lock, [&] { return open_gate; });
    return Response::text("done");
  });
  std::atomic<int> answered{0};
  std::vector<std::thread> clients;
  clients.reserve(16);
  for (int i = 0; i < 4; ++i)
    clients.emplace_back([&] {
      const auto response = client_of(*server).send(Method::Get, "/");
      if (response.ok() && response->body == "done") ++answered;
    });
  {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return inside == 4; });
  }
  std::thread stopper([&] { server->stop(milliseconds(10'000)); });
  {
    const std::lock_guard lock(mutex);
    open_gate = true;
  }
  changed.notify_all();
  for (std::thread& client : clients) client.join();
  stopper.join();
  EXPECT_EQ(answered, 4);
}

TEST(HttpServer, ManyClientsAtOnce) {
  ServerOptions options;
  options.threads = 2;
  auto server = serving(options);
  std::atomic<int> good{0};
  std::vector<std::thread> clients;
  clients.reserve(16);
  for (int i = 0; i < 16; ++i)
    clients.emplace_back([&] {
      HttpClient client = client_of(*server);
      for (int j = 0; j < 50; ++j) {
        const auto response =
            client.send(Method::Post, "/", std::string(static_cast<std::size_t>(j), 'x'));
        if (response.ok() && response->body == "POST " + std::to_string(j)) ++good;
      }
    });
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(good, 16 * 50);
}

TEST(HttpServer, AHandlerThatBlocksHoldsUpOnlyItsThread) {
  std::latch inside(1);
  std::latch leave(1);
  ServerOptions options;
  options.threads = 2;
  auto server = serving(options, [&](const Request& request) {
    if (request.path.empty()) return Response::text("quick");
    inside.count_down();
    leave.wait();
    return Response::text("slow");
  });
  std::thread slow([&] { EXPECT_EQ(client_of(*server).send(Method::Get, "/slow")->body, "slow"); });
  inside.wait();
  for (int i = 0; i < 10; ++i)
    EXPECT_EQ(client_of(*server).send(Method::Get, "/")->body, "quick") << i;
  leave.count_down();
  slow.join();
}

TEST(HttpServer, StopUnderLoadLosesNoRequestThatItTook) {
  for (int round = 0; round < 5; ++round) {
    std::atomic<int> handled{0};
    std::atomic<int> answered{0};
    std::latch busy(200);
    ServerOptions options;
    options.threads = 2;
    auto server = serving(options, [&](const Request&) {
      ++handled;
      return Response::text("done");
    });
    std::vector<std::thread> clients;
    clients.reserve(8);
    for (int i = 0; i < 8; ++i)
      clients.emplace_back([&, i] {
        HttpClient client = client_of(*server);
        for (int sent = 0;; ++sent) {
          // Half of them make a new connection for each request.
          const auto response = i % 2 == 0 ? client.send(Method::Get, "/")
                                           : client_of(*server).send(Method::Get, "/");
          if (!response.ok()) break;
          EXPECT_EQ(response->body, "done");
          ++answered;
          if (sent < 25) busy.count_down();
        }
      });
    busy.wait();
    server->stop(milliseconds(20'000));
    for (std::thread& client : clients) client.join();
    EXPECT_EQ(answered, handled);
  }
}

TEST(HttpServer, StopDoesNotWaitForIdleConnections) {
  auto server = serving();
  HttpClient idle = client_of(*server);
  ASSERT_EQ(idle.send(Method::Get, "/")->status, 200);
  server->stop(std::chrono::hours(1));
  EXPECT_EQ(idle.send(Method::Get, "/").error().code(), ErrorCode::Unavailable);
}

TEST(HttpServer, StopGivesUpAtItsDeadline) {
  auto server = serving();
  RawConnection half(server->port());
  ASSERT_TRUE(
      half.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
                "Expect: 100-continue\r\n\r\n"));
  ASSERT_NE(half.read_until("\r\n\r\n"), "");  // it has begun
  server->stop(milliseconds(1));
  server.reset();
  EXPECT_EQ(half.read_all(), "");
}

TEST(HttpServer, AConnectionThatEndsMakesRoom) {
  ServerOptions options;
  options.connections_max = 1;
  auto server = serving(options);
  for (int i = 0; i < 5; ++i) {
    const std::string answer =
        raw(*server, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    // The place is free as soon as the server has seen the end of the last one.
    EXPECT_TRUE(status_of(answer) == 200 || status_of(answer) == 503) << answer;
    if (status_of(answer) == 503) --i;
  }
}

TEST(HttpServer, SaysWhoAsks) {
  auto server = serving({}, [](const Request& request) { return Response::text(request.remote); });
  HttpClient client = client_of(*server);
  const std::string remote = client.send(Method::Get, "/")->body;
  EXPECT_TRUE(remote.starts_with("127.0.0.1:")) << remote;
  EXPECT_EQ(client.send(Method::Get, "/")->body, remote) << "the connection is used again";
}

TEST(HttpServer, ListensOnIpv6) {
  auto server = HttpServer::start({.listen = Listen::tcp("::1", 0)}, echo);
  if (!server.ok()) GTEST_SKIP() << server.error().message();
  EXPECT_EQ(client_of(**server).send(Method::Get, "/")->status, 200);
}

}  // namespace
}  // namespace millrace::net
