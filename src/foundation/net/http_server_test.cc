#include "net/http_server.h"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"
#include "net/http_client.h"

namespace millrace::net {
namespace {

using std::chrono::milliseconds;

Response echo(const Request& request) {
  if (!request.path.empty() && request.path[0] == "throw") throw std::runtime_error("broken");
  return Response::text(std::string(to_string(request.method)) + " " +
                        std::to_string(request.body.size()));
}

std::unique_ptr<HttpServer> start(ServerOptions options = {}, Handler handler = echo) {
  auto server = HttpServer::start(options, std::move(handler));
  EXPECT_TRUE(server.ok()) << server.error().message();
  return *std::move(server);
}

HttpClient client_of(const HttpServer& server) {
  return HttpClient({.base_url = "http://" + server.address(), .timeout = milliseconds(20'000)});
}

/// Sends bytes as they are and reads until the server closes.
std::string raw(const HttpServer& server, std::string_view bytes) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(server.port());
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(bytes.size()));
  ::shutdown(fd, SHUT_WR);
  std::string answer;
  std::array<char, 4'096> buffer;
  for (ssize_t got = 0; (got = ::recv(fd, buffer.data(), buffer.size(), 0)) > 0;)
    answer.append(buffer.data(), static_cast<std::size_t>(got));
  ::close(fd);
  return answer;
}

int status_of(const std::string& answer) {
  return answer.size() > 12 ? std::atoi(answer.c_str() + 9) : 0;
}

TEST(HttpServer, AnswersOverTcpAndKeepsTheConnection) {
  auto server = start();
  HttpClient client = client_of(*server);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(client.send(Method::Post, "/x", "hello")->body, "POST 5");
  const Response head = *client.send(Method::Head, "/x");
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.body, "");
  EXPECT_EQ(head.headers.get("content-length"), "6");
  EXPECT_FALSE(head.headers.get("date").empty());
  EXPECT_EQ(server->requests_answered(), 4U);
}

TEST(HttpServer, AnswersOverAUnixSocketThatOnlyThisUserMayOpen) {
  const TemporaryFolder folder = *TemporaryFolder::make();
  const std::string path = folder.path() + "/s.sock";
  auto server = start({.listen = Listen::unix_socket(path)});
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

TEST(HttpServer, ReplacesTheSocketOfADeadServer) {
  const TemporaryFolder folder = *TemporaryFolder::make();
  const std::string path = folder.path() + "/s.sock";
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::copy(path.begin(), path.end(), address.sun_path);
  ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ::close(fd);  // the file stays, nobody listens
  auto server = start({.listen = Listen::unix_socket(path)});
  EXPECT_EQ(HttpClient({.unix_path = path}).send(Method::Get, "/x")->status, 200);
}

TEST(HttpServer, APortThatIsTakenSaysSo) {
  auto server = start();
  const auto second = HttpServer::start({.listen = Listen::tcp("127.0.0.1", server->port())}, echo);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code(), ErrorCode::AlreadyExists);
  EXPECT_EQ(HttpServer::start({.listen = Listen::tcp("localhost", 0)}, echo).error().code(),
            ErrorCode::Invalid);
}

TEST(HttpServer, RefusesWhatIsNoGoodRequest) {
  ServerOptions options;
  options.header_bytes_max = 4'096;
  options.body_bytes_max = 1'000;
  auto server = start(options);
  const std::string host = "Host: x\r\n";
  const std::vector<std::tuple<std::string, std::string, int>> cases = {
      {"garbage", "\x16\x03\x01 hello\r\n\r\n", 400},
      {"both lengths",
       "POST / HTTP/1.1\r\n" + host +
           "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
       400},
      {"two lengths",
       "POST / HTTP/1.1\r\n" + host + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", 400},
      {"negative length", "POST / HTTP/1.1\r\n" + host + "Content-Length: -5\r\n\r\n", 400},
      {"bad chunk", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400},
      {"NUL in a header", std::string("GET / HTTP/1.1\r\nX: a\0b\r\n\r\n", 26), 400},
      {"huge headers", "GET / HTTP/1.1\r\nX: " + std::string(8'000, 'a') + "\r\n\r\n", 431},
      {"large body",
       "POST / HTTP/1.1\r\n" + host + "Content-Length: 1001\r\n\r\n" + std::string(1'001, 'a'),
       413},
      {"large chunked body",
       "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n7d0\r\n" +
           std::string(2'000, 'a') + "\r\n0\r\n\r\n",
       413},
      {"encoded NUL", "GET /%00 HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n", 400},
      {"unknown method", "BREW / HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n", 501},
      {"handler throws", "GET /throw HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n", 500},
      {"nothing", "", 0},
      {"half a request", "POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc", 0},
  };
  for (const auto& [why, bytes, status] : cases) {
    SCOPED_TRACE(why);
    EXPECT_EQ(status_of(raw(*server, bytes)), status);
  }
  EXPECT_EQ(client_of(*server).send(Method::Get, "/after")->status, 200);
}

TEST(HttpServer, AnswersPipelinedRequestsInOrder) {
  auto server = start();
  const std::string answer = raw(
      *server,
      "GET / HTTP/1.1\r\nHost: x\r\n\r\nPOST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi");
  const std::size_t first = answer.find("GET 0");
  ASSERT_NE(first, std::string::npos) << answer;
  EXPECT_NE(answer.find("POST 2", first), std::string::npos) << answer;
}

TEST(HttpServer, SendsContinueBeforeABodyThatWaitsForIt) {
  auto server = start();
  const std::string answer =
      raw(*server,
          "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n"
          "Connection: close\r\n\r\nhi");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK")) << answer;
}

TEST(HttpServer, ASlowSenderIsCutOff) {
  ServerOptions options;
  options.request_timeout = milliseconds(50);
  auto server = start(options);
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(server->port());
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::send(fd, "GET / HT", 8, MSG_NOSIGNAL), 8);
  char byte = 0;
  EXPECT_LE(::recv(fd, &byte, 1, 0), 0);  // ends because the server closes
  ::close(fd);
}

TEST(HttpServer, RefusesConnectionsBeyondItsLimit) {
  ServerOptions options;
  options.connections_max = 1;
  auto server = start(options);
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
  auto server = start(options, [&](const Request&) {
    std::unique_lock lock(mutex);
    ++inside;
    changed.notify_all();
    changed.wait(lock, [&] { return open_gate; });
    return Response::text("done");
  });
  std::atomic<int> answered{0};
  std::vector<std::thread> clients;
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
  auto server = start(options);
  std::atomic<int> good{0};
  std::vector<std::thread> clients;
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

}  // namespace
}  // namespace millrace::net
