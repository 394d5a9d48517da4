#include "net/http_server.h"

#include <atomic>
#include <condition_variable>
#include <ctime>
#include <mutex>
#include <set>
#include <thread>

#include <boost/asio.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

namespace millrace::net {
namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace {

using Stream = beast::basic_stream<asio::generic::stream_protocol>;
using Socket = asio::basic_stream_socket<asio::generic::stream_protocol>;

constexpr auto kNoThrow = asio::as_tuple(asio::use_awaitable);

/// A connection as its thread knows it: stop() closes those that wait between two requests.
struct Connection {
  Stream stream;
  bool waiting = false;
};

/// One thread with its own event loop; everything in it but `loop` is touched by that thread only.
struct Worker {
  asio::io_context loop{1};
  asio::executor_work_guard<asio::io_context::executor_type> work{loop.get_executor()};
  std::set<Connection*> connections;
  std::unique_ptr<Clock> clock = make_system_clock();
  std::int64_t date_second = 0;
  std::string date;
  std::thread thread;

  /// "Sun, 06 Nov 1994 08:49:37 GMT", made once a second.
  const std::string& date_header() {
    const std::int64_t second =
        std::chrono::duration_cast<std::chrono::seconds>(clock->now().time_since_epoch()).count();
    if (second != date_second) {
      const auto time = static_cast<std::time_t>(second);
      std::tm parts{};
      gmtime_r(&time, &parts);
      std::array<char, 40> text{};
      date.assign(text.data(),
                  std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts));
      date_second = second;
    }
    return date;
  }
};

using BeastRequest = http::request<http::string_body>;
using BeastResponse = http::response<http::string_body>;

Result<Request> to_request(BeastRequest& from) {
  Request request;
  const auto method =
      method_from(std::string_view(from.method_string().data(), from.method_string().size()));
  if (!method.has_value())
    return Error(ErrorCode::Unsupported,
                 fmt::format("the method '{}' is not known here",
                             std::string_view(from.method_string()).substr(0, 40)));
  request.method = *method;
  TRY(parse_target({from.target().data(), from.target().size()}, request));
  for (const auto& field : from)
    request.headers.add(std::string(field.name_string()), std::string(field.value()));
  request.body = std::move(from.body());
  return request;
}

BeastResponse to_beast(Response from, const std::string& date, bool keep_alive, bool head) {
  BeastResponse response(static_cast<http::status>(from.status), 11);
  for (const auto& [name, value] : from.headers.fields()) response.insert(name, value);
  response.set(http::field::date, date);
  response.keep_alive(keep_alive);
  response.body() = std::move(from.body);
  const bool no_content = from.status == 204 || from.status == 304;
  if (!no_content) response.content_length(response.body().size());
  if (head || no_content) response.body().clear();
  return response;
}

Response refusal(boost::system::error_code error, const ServerOptions& options) {
  if (error == http::error::body_limit)
    return Response::error(
        413, Error(ErrorCode::Invalid,
                   fmt::format("the body is larger than {} bytes", options.body_bytes_max)));
  if (error == http::error::header_limit || error == http::error::buffer_overflow)
    return Response::error(
        431, Error(ErrorCode::Invalid,
                   fmt::format("the headers are larger than {} bytes", options.header_bytes_max)));
  return Response::error(400, Error(ErrorCode::Invalid, "not an HTTP request: " + error.message()));
}

}  // namespace

struct HttpServer::State {
  ServerOptions options;
  Handler handler;
  std::vector<std::unique_ptr<Worker>> workers;
  /// Accepting has a thread of its own, so that a handler that blocks does not keep others from
  /// being accepted.
  asio::io_context door{1};
  std::thread doorkeeper;
  std::function<void()> close_acceptor;
  std::uint16_t port = 0;
  std::atomic<bool> stopping{false};
  std::atomic<bool> stopped{false};
  std::atomic<int> open{0};
  std::atomic<std::uint64_t> answered{0};
  std::mutex mutex;
  std::condition_variable all_closed;

  Response answer(const Request& request) const {
    try {
      return handler(request);
    } catch (const std::exception& error) {
      log_error(fmt::format("a request handler threw: {}", error.what()));
      return Response::error(Error(ErrorCode::Internal,
                                   "the request could not be answered; the server's log says why"));
    }
  }

  asio::awaitable<bool> respond(Worker& worker, Connection& connection, Response response,
                                bool keep_alive, bool head);
  asio::awaitable<bool> read_request(Worker& worker, Connection& connection,
                                     beast::flat_buffer& buffer,
                                     http::request_parser<http::string_body>& parser);
  asio::awaitable<void> serve(Worker& worker, Socket socket);
  asio::awaitable<void> serve_requests(Worker& worker, Connection& connection);
  template <typename Acceptor>
  asio::awaitable<void> accept(Acceptor& acceptor);
  template <typename Acceptor>
  Status listen(std::shared_ptr<Acceptor> acceptor,
                const typename Acceptor::endpoint_type& endpoint);
  Status listen_tcp();
  Status listen_unix();
  void one_closed();
};

asio::awaitable<bool> HttpServer::State::respond(Worker& worker, Connection& connection,
                                                 Response response, bool keep_alive, bool head) {
  BeastResponse out = to_beast(std::move(response), worker.date_header(), keep_alive, head);
  http::response_serializer<http::string_body> serializer(out);
  if (head) serializer.split(true);
  connection.stream.expires_after(options.request_timeout);
  if (head) {
    const auto [error, bytes] =
        co_await http::async_write_header(connection.stream, serializer, kNoThrow);
    co_return !error;
  }
  const auto [error, bytes] = co_await http::async_write(connection.stream, serializer, kNoThrow);
  co_return !error;
}

/// True when `parser` holds a whole request; otherwise the connection ends (a refusal has been sent
/// where one can be).
asio::awaitable<bool> HttpServer::State::read_request(
    Worker& worker, Connection& connection, beast::flat_buffer& buffer,
    http::request_parser<http::string_body>& parser) {
  if (buffer.size() == 0) {
    connection.waiting = true;
    // A connection that was accepted just before stop() may already carry a request: it gets a
    // moment.
    connection.stream.expires_after(stopping ? std::chrono::milliseconds(100)
                                             : options.idle_timeout);
    const auto [error, bytes] =
        co_await connection.stream.async_read_some(buffer.prepare(8'192), kNoThrow);
    connection.waiting = false;
    if (error) co_return false;
    buffer.commit(bytes);
  }
  connection.stream.expires_after(options.request_timeout);
  boost::system::error_code error;
  std::tie(error, std::ignore) =
      co_await http::async_read_header(connection.stream, buffer, parser, kNoThrow);
  if (!error && beast::iequals(parser.get()[http::field::expect], "100-continue")) {
    BeastResponse go_on(http::status::continue_, 11);
    std::tie(error, std::ignore) = co_await http::async_write(connection.stream, go_on, kNoThrow);
  }
  if (!error)
    std::tie(error, std::ignore) =
        co_await http::async_read(connection.stream, buffer, parser, kNoThrow);
  if (!error) co_return true;
  if (error.category() == http::make_error_code(http::error::bad_method).category() &&
      error != http::error::end_of_stream && error != http::error::partial_message)
    co_await respond(worker, connection, refusal(error, options), false, false);
  co_return false;
}

asio::awaitable<void> HttpServer::State::serve_requests(Worker& worker, Connection& connection) {
  beast::flat_buffer buffer(options.header_bytes_max + 65'536);
  while (!stopped) {
    http::request_parser<http::string_body> parser;
    parser.header_limit(options.header_bytes_max);
    parser.body_limit(options.body_bytes_max);
    if (!co_await read_request(worker, connection, buffer, parser)) co_return;
    const bool head = parser.get().method() == http::verb::head;
    const bool keep_alive = parser.get().keep_alive() && !stopping;
    const Result<Request> request = to_request(parser.get());
    Response response = request.ok() ? answer(*request) : Response::error(request.error());
    ++answered;
    if (!co_await respond(worker, connection, std::move(response), keep_alive, head) || !keep_alive)
      co_return;
  }
}

asio::awaitable<void> HttpServer::State::serve(Worker& worker, Socket socket) {
  Connection connection{Stream(std::move(socket))};
  worker.connections.insert(&connection);
  try {
    co_await serve_requests(worker, connection);
  } catch (const std::exception& error) {
    log_warning(fmt::format("a connection ended: {}", error.what()));
  }
  boost::system::error_code ignored;
  connection.stream.socket().shutdown(asio::socket_base::shutdown_send, ignored);
  // What the other side still sends is read and dropped for a moment, so that closing does not
  // reset the connection before it has read our last answer (RFC 9112 section 9.6).
  std::array<char, 4'096> rest;
  connection.stream.expires_after(std::chrono::milliseconds(stopped ? 0 : 500));
  for (int i = 0; i < 256; ++i) {
    const auto [error, bytes] =
        co_await connection.stream.async_read_some(asio::buffer(rest), kNoThrow);
    if (error) break;
  }
  connection.stream.close();
  worker.connections.erase(&connection);
  one_closed();
}

void HttpServer::State::one_closed() {
  const std::lock_guard lock(mutex);
  --open;
  all_closed.notify_all();
}

template <typename Acceptor>
asio::awaitable<void> HttpServer::State::accept(Acceptor& acceptor) {
  for (std::size_t next = 0;; next = (next + 1) % workers.size()) {
    Worker& worker = *workers[next];
    auto [error, socket] = co_await acceptor.async_accept(worker.loop, kNoThrow);
    if (error == asio::error::operation_aborted || stopping) co_return;
    if (error) continue;  // the client went away, or we are out of descriptors for a moment
    if (open >= options.connections_max) {
      static constexpr std::string_view kBusy =
          "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: "
          "0\r\nRetry-After: 1\r\n\r\n";
      boost::system::error_code ignored;
      socket.non_blocking(true, ignored);
      socket.write_some(asio::buffer(kBusy), ignored);
      continue;
    }
    if constexpr (std::is_same_v<Acceptor, asio::ip::tcp::acceptor>) {
      boost::system::error_code ignored;
      socket.set_option(asio::ip::tcp::no_delay(true), ignored);
    }
    ++open;
    asio::co_spawn(worker.loop, serve(worker, Socket(std::move(socket))), asio::detached);
  }
}

template <typename Acceptor>
Status HttpServer::State::listen(std::shared_ptr<Acceptor> acceptor,
                                 const typename Acceptor::endpoint_type& endpoint) {
  boost::system::error_code error;
  acceptor->open(endpoint.protocol(), error);
  if constexpr (std::is_same_v<Acceptor, asio::ip::tcp::acceptor>)
    if (!error) acceptor->set_option(asio::socket_base::reuse_address(true), error);
  if (!error) acceptor->bind(endpoint, error);
  if (!error) acceptor->listen(asio::socket_base::max_listen_connections, error);
  const std::string where = options.listen.unix_path.empty()
                                ? fmt::format("{}:{}", options.listen.host, options.listen.port)
                                : options.listen.unix_path;
  if (error == asio::error::address_in_use)
    return Error(ErrorCode::AlreadyExists,
                 where + " is taken by another program; choose another port, or stop it");
  if (error == asio::error::access_denied)
    return Error(ErrorCode::Denied, where + ": this user may not listen there");
  if (error) return Error(ErrorCode::Unavailable, where + ": " + error.message());
  close_acceptor = [acceptor] {
    boost::system::error_code ignored;
    acceptor->close(ignored);
  };
  asio::co_spawn(door, [this, acceptor] { return accept(*acceptor); }, asio::detached);
  return {};
}

Status HttpServer::State::listen_tcp() {
  boost::system::error_code error;
  const auto address = asio::ip::make_address(options.listen.host, error);
  if (error)
    return Error(ErrorCode::Invalid,
                 fmt::format("'{}' is not an address to listen on; write one such as 127.0.0.1",
                             options.listen.host));
  auto acceptor = std::make_shared<asio::ip::tcp::acceptor>(door);
  TRY(listen(acceptor, asio::ip::tcp::endpoint(address, options.listen.port)));
  port = acceptor->local_endpoint(error).port();
  return {};
}

Status HttpServer::State::listen_unix() {
  const std::string& path = options.listen.unix_path;
  if (path.size() >= 108)
    return Error(ErrorCode::Invalid,
                 path + ": the path of a Unix socket has at most 107 bytes; use a shorter folder");
  const asio::local::stream_protocol::endpoint endpoint(path);
  struct stat found{};
  if (::lstat(path.c_str(), &found) == 0) {
    if (!S_ISSOCK(found.st_mode))
      return Error(ErrorCode::AlreadyExists, path + " exists and is no socket");
    boost::system::error_code error;
    asio::local::stream_protocol::socket probe(door);
    probe.connect(endpoint, error);
    if (!error) return Error(ErrorCode::AlreadyExists, path + ": a live server listens there");
    ::unlink(path.c_str());
  }
  const mode_t before = ::umask(0177);  // only this user may connect
  const Status status =
      listen(std::make_shared<asio::local::stream_protocol::acceptor>(door), endpoint);
  ::umask(before);
  return status;
}

HttpServer::HttpServer(std::unique_ptr<State> state) : state_(std::move(state)) {}

Result<std::unique_ptr<HttpServer>> HttpServer::start(const ServerOptions& options,
                                                      Handler handler) {
  auto state = std::make_unique<State>();
  state->options = options;
  state->handler = std::move(handler);
  for (int i = 0; i < std::max(1, options.threads); ++i)
    state->workers.push_back(std::make_unique<Worker>());
  if (options.listen.unix_path.empty())
    TRY(state->listen_tcp());
  else
    TRY(state->listen_unix());
  for (auto& worker : state->workers)
    worker->thread = std::thread([&loop = worker->loop] { loop.run(); });
  state->doorkeeper = std::thread([&door = state->door] { door.run(); });
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(state)));
}

HttpServer::~HttpServer() {
  stop(std::chrono::seconds(5));
}

std::uint16_t HttpServer::port() const {
  return state_->port;
}

std::string HttpServer::address() const {
  const Listen& listen = state_->options.listen;
  return listen.unix_path.empty() ? fmt::format("{}:{}", listen.host, state_->port)
                                  : "unix:" + listen.unix_path;
}

std::uint64_t HttpServer::requests_answered() const {
  return state_->answered;
}

void HttpServer::stop(std::chrono::milliseconds deadline) {
  if (state_->stopping.exchange(true)) return;
  asio::post(state_->door, state_->close_acceptor);
  state_->doorkeeper.join();
  for (auto& worker : state_->workers)
    asio::post(worker->loop, [&connections = worker->connections] {
      for (Connection* connection : connections)
        if (connection->waiting) connection->stream.cancel();
    });
  {
    std::unique_lock lock(state_->mutex);
    state_->all_closed.wait_for(lock, deadline, [&] { return state_->open == 0; });
  }
  state_->stopped = true;
  for (auto& worker : state_->workers) {
    worker->work.reset();
    worker->loop.stop();
    worker->thread.join();
  }
  if (!state_->options.listen.unix_path.empty()) ::unlink(state_->options.listen.unix_path.c_str());
}

}  // namespace millrace::net
