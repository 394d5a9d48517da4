#include "net/http_server.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <ctime>
#include <mutex>
#include <optional>
#include <set>
#include <thread>

#include <boost/asio.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <fmt/core.h>
#include <netinet/tcp.h>

#include "base/clock.h"
#include "base/log.h"
#include "net/byte_budget.h"
#include "net/listener.h"

namespace millrace::net {
namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace {

using std::chrono::milliseconds;

// A connection runs on a strand of the server's one event loop: whichever thread is free takes the
// next step of whichever connection is ready.
using Protocol = asio::generic::stream_protocol;
using Strand = asio::strand<asio::io_context::executor_type>;
using Stream = beast::basic_stream<Protocol, Strand>;
template <typename T>
using Task = asio::awaitable<T, Strand>;
constexpr auto kNoThrow = asio::as_tuple(asio::use_awaitable_t<Strand>());

using BeastRequest = http::request<http::string_body>;
using BeastResponse = http::response<http::string_body>;
using Parser = http::request_parser<http::string_body>;

constexpr std::uint64_t kSmallBody = 64U << 10U;
constexpr milliseconds kLinger{500};
constexpr milliseconds kGraceOfTheNew{100};

/// "Sun, 06 Nov 1994 08:49:37 GMT", made once a second by each thread.
const std::string& date_header(const Clock& clock) {
  thread_local std::int64_t made_for = -1;
  thread_local std::string date;
  const std::int64_t second =
      std::chrono::floor<std::chrono::seconds>(clock.now().time_since_epoch()).count();
  if (second != made_for) {
    const auto time = static_cast<std::time_t>(second);
    std::tm parts{};
    gmtime_r(&time, &parts);
    std::array<char, 40> text{};
    date.assign(text.data(),
                std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts));
    made_for = second;
  }
  return date;
}

Status check_host(const BeastRequest& from) {
  const auto hosts = from.count(http::field::host);
  if (hosts == 1 || (hosts == 0 && from.version() < 11)) return {};
  return Error(ErrorCode::Invalid, "an HTTP/1.1 request has one Host header");
}

/// Where a request ends must be beyond doubt: what two readers could end at different bytes is
/// refused and its connection closed (RFC 9112, sections 6.1 and 6.3). Beast is content when
/// "chunked" is somewhere the last coding, whatever lengths stand beside it.
Status check_framing(const BeastRequest& from) {
  const auto codings = from.count(http::field::transfer_encoding);
  const auto lengths = from.count(http::field::content_length);
  if (codings > 0) {
    if (from.version() < 11) return Error(ErrorCode::Invalid, "Transfer-Encoding needs HTTP/1.1");
    if (codings > 1 || !beast::iequals(from[http::field::transfer_encoding], "chunked"))
      return Error(ErrorCode::Invalid, "the only Transfer-Encoding understood here is 'chunked'");
    if (lengths > 0)
      return Error(ErrorCode::Invalid,
                   "a request has either Transfer-Encoding or Content-Length, not both");
  }
  if (lengths > 1 || from[http::field::content_length].find(',') != beast::string_view::npos)
    return Error(ErrorCode::Invalid, "a request has one Content-Length");
  return {};
}

Result<Request> to_request(BeastRequest& from, const std::string& remote) {
  Request request;
  request.remote = remote;
  const std::string_view name = from.method_string();
  const auto method = method_from(name);
  if (!method.has_value())
    return Error(ErrorCode::Unsupported,
                 fmt::format("no such method here: '{}'", name.substr(0, 40)));
  request.method = *method;
  TRY(check_host(from));
  TRY(parse_target(std::string_view(from.target()), request));
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

Response too_many_bodies() {
  Response response = Response::error(
      503, Error(ErrorCode::Unavailable,
                 "the bodies of other requests fill the memory that there is for them; ask again, "
                 "or send fewer rows at a time"));
  response.headers.add("Retry-After", "1");
  return response;
}

/// What a handler may not answer: such a response would break the connection's framing.
bool is_sound(const Response& response) {
  return response.status >= 200 && response.status <= 599 &&
         std::ranges::all_of(response.headers.fields(), is_sound_field);
}

Response failure() {
  return Response::error(
      Error(ErrorCode::Internal, "the request could not be answered; the server's log says why"));
}

enum class Read {
  Request,  // a whole one
  Refused,  // an answer was sent, and what else comes cannot be understood
  Ended,    // by the other side, by silence, or by stop()
};

struct Connection {
  Stream stream;
  std::string remote;
  beast::flat_buffer buffer;
  bool waiting = false;  // between two requests; touched on the strand only

  Connection(Protocol::socket::rebind_executor<Strand>::other socket, std::string peer,
             const ServerOptions& options)
      : stream(std::move(socket)),
        remote(std::move(peer)),
        buffer(options.header_bytes_max + 65'536) {}
};
using ConnectionPtr = std::shared_ptr<Connection>;

/// The open connections; stop() reaches them and waits for them through it.
class Connections {
 public:
  void add(const ConnectionPtr& connection) {
    const std::lock_guard lock(mutex_);
    open_.insert(connection);
  }
  void remove(const ConnectionPtr& connection) {
    const std::lock_guard lock(mutex_);
    open_.erase(connection);
    if (open_.empty()) none_.notify_all();
  }
  std::size_t count() const {
    const std::lock_guard lock(mutex_);
    return open_.size();
  }
  std::vector<ConnectionPtr> all() const {
    const std::lock_guard lock(mutex_);
    return {open_.begin(), open_.end()};
  }
  void wait_for_none(milliseconds longest) {
    std::unique_lock lock(mutex_);
    none_.wait_for(lock, longest, [&] { return open_.empty(); });
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable none_;
  std::set<ConnectionPtr> open_;
};

std::string peer_of(const Protocol::endpoint& endpoint) {
  if (endpoint.protocol().family() == AF_UNIX) return "unix";
  asio::ip::tcp::endpoint tcp;
  if (endpoint.size() > tcp.capacity()) return "";
  std::memcpy(tcp.data(), endpoint.data(), endpoint.size());
  tcp.resize(endpoint.size());
  return fmt::format("{}:{}", tcp.address().to_string(), tcp.port());
}

}  // namespace

struct HttpServer::State {
  using Acceptor = asio::basic_socket_acceptor<Protocol>;

  State(const ServerOptions& given, Handler given_handler, Listener given_listener)
      : options(given),
        handler(std::move(given_handler)),
        listener(std::move(given_listener)),
        loop(std::max(1, given.threads)),
        acceptor(door, Protocol(listener.family(), 0), listener.descriptor()) {
    listener.release();
  }

  Response answer(const Request& request) const;
  Task<bool> respond(Connection& connection, Response response, bool keep_alive, bool head);
  Task<bool> wait_for_bytes(Connection& connection);
  Task<Read> read_request(Connection& connection, Parser& parser, ByteBudget::Share& held);
  Task<Read> serve_requests(Connection& connection);
  Task<void> serve(ConnectionPtr connection);
  Task<void> linger(Stream& stream);
  asio::awaitable<void> accept_all();
  asio::awaitable<void> wait_for_descriptors();
  void take_in(Protocol::socket::rebind_executor<Strand>::other socket);
  void take_in_the_backlog();
  /// Ends the threads of a server that did not come into being.
  void give_up();
  void refuse_full(Protocol::socket::rebind_executor<Strand>::other socket);

  const ServerOptions options;
  const Handler handler;
  Listener listener;
  const std::unique_ptr<Clock> clock = make_system_clock();
  std::atomic<bool> stopping{false};
  std::atomic<std::uint64_t> answered{0};
  ByteBudget bodies{options.all_bodies_bytes_max};

  asio::io_context loop;
  asio::executor_work_guard<asio::io_context::executor_type> work{loop.get_executor()};
  Connections connections;  // after the loop: streams end before it
  std::vector<std::thread> threads;
  // Accepting has a thread of its own, so that handlers that block all threads do not keep others
  // from being accepted, or refused.
  asio::io_context door{1};
  Acceptor acceptor;
  std::thread doorkeeper;
};

Response HttpServer::State::answer(const Request& request) const {
  try {
    Response response = handler(request);
    if (is_sound(response)) return response;
    log_error(
        fmt::format("a request handler answered with status {} and headers that HTTP cannot "
                    "carry",
                    response.status));
  } catch (const std::exception& error) {
    log_error(fmt::format("a request handler threw: {}", error.what()));
  } catch (...) {
    log_error("a request handler threw something that is no exception");
  }
  return failure();
}

Task<bool> HttpServer::State::respond(Connection& connection, Response response, bool keep_alive,
                                      bool head) {
  BeastResponse out = to_beast(std::move(response), date_header(*clock), keep_alive, head);
  http::response_serializer<http::string_body> serializer(out);
  connection.stream.expires_after(options.request_timeout);
  if (head) {
    serializer.split(true);
    const auto [error, bytes] =
        co_await http::async_write_header(connection.stream, serializer, kNoThrow);
    co_return !error;
  }
  const auto [error, bytes] = co_await http::async_write(connection.stream, serializer, kNoThrow);
  co_return !error;
}

/// True when the first bytes of a request are in the buffer.
Task<bool> HttpServer::State::wait_for_bytes(Connection& connection) {
  if (connection.buffer.size() > 0) co_return true;
  // A connection that was accepted just before stop() may already carry a request.
  connection.stream.expires_after(stopping ? kGraceOfTheNew : options.idle_timeout);
  connection.waiting = true;
  const auto [error, bytes] =
      co_await connection.stream.async_read_some(connection.buffer.prepare(8'192), kNoThrow);
  connection.waiting = false;
  connection.buffer.commit(bytes);
  co_return !error;
}

Task<Read> HttpServer::State::read_request(Connection& connection, Parser& parser,
                                           ByteBudget::Share& held) {
  if (!co_await wait_for_bytes(connection)) co_return Read::Ended;
  Stream& stream = connection.stream;
  stream.expires_after(options.request_timeout);
  auto [error, bytes] =
      co_await http::async_read_header(stream, connection.buffer, parser, kNoThrow);
  if (!error)
    if (const Status framing = check_framing(parser.get()); !framing.ok()) {
      co_await respond(connection, Response::error(400, framing.error()), false, false);
      co_return Read::Refused;
    }
  if (!error && beast::iequals(parser.get()[http::field::expect], "100-continue")) {
    const BeastResponse go_on(http::status::continue_, 11);
    std::tie(error, bytes) = co_await http::async_write(stream, go_on, kNoThrow);
  }
  parser.eager(true);
  while (!error && !parser.is_done()) {
    std::tie(error, bytes) =
        co_await http::async_read_some(stream, connection.buffer, parser, kNoThrow);
    if (error || held.grow_to(parser.get().body().size())) continue;
    co_await respond(connection, too_many_bodies(), false, false);
    co_return Read::Refused;
  }
  if (!error) co_return Read::Request;
  const bool broken_off = error.category() != http::make_error_code({}).category();
  if (broken_off || error == http::error::end_of_stream || error == http::error::partial_message)
    co_return Read::Ended;
  co_await respond(connection, refusal(error, options), false, false);
  co_return Read::Refused;
}

Task<Read> HttpServer::State::serve_requests(Connection& connection) {
  for (;;) {
    Parser parser;
    parser.header_limit(options.header_bytes_max);
    parser.body_limit(options.body_bytes_max);
    std::optional<ByteBudget::Share> held(std::in_place, bodies, kSmallBody);
    const Read read = co_await read_request(connection, parser, *held);
    if (read != Read::Request) co_return read;
    const bool head = parser.get().method() == http::verb::head;
    Result<Request> request = to_request(parser.get(), connection.remote);
    Response response = request.ok() ? answer(*request) : Response::error(request.error());
    const bool keep_alive = parser.get().keep_alive() && !stopping && request.ok();
    if (request.ok()) std::string().swap(request->body);
    held.reset();  // before the answer, which a slow client may take its time to read
    ++answered;
    if (!co_await respond(connection, std::move(response), keep_alive, head)) co_return Read::Ended;
    if (!keep_alive) co_return Read::Refused;
  }
}

Task<void> HttpServer::State::serve(ConnectionPtr connection) {
  try {
    if (co_await serve_requests(*connection) == Read::Refused) co_await linger(connection->stream);
  } catch (const std::exception& error) {
    log_warning(fmt::format("a connection ended: {}", error.what()));
  }
  connection->stream.close();
  connections.remove(connection);
}

// What the other side still sends is read and dropped for a moment: closing with unread bytes would
// reset the connection, perhaps before our last answer was read (RFC 9112 section 9.6).
Task<void> HttpServer::State::linger(Stream& stream) {
  boost::system::error_code ignored;
  static_cast<void>(stream.socket().shutdown(asio::socket_base::shutdown_send, ignored));
  stream.expires_after(kLinger);
  std::array<char, 4'096> rest;
  for (int i = 0; i < 256; ++i) {
    const auto [error, bytes] = co_await stream.async_read_some(asio::buffer(rest), kNoThrow);
    if (error) co_return;
  }
}

asio::awaitable<void> HttpServer::State::accept_all() {
  constexpr auto no_throw = asio::as_tuple(asio::use_awaitable);
  while (!stopping) {
    auto [error, socket] = co_await acceptor.async_accept(asio::make_strand(loop), no_throw);
    if (!error)
      take_in(std::move(socket));
    else if (error != asio::error::operation_aborted && error != asio::error::connection_aborted)
      co_await wait_for_descriptors();
  }
  take_in_the_backlog();
  listener.remove_file();
  boost::system::error_code ignored;
  static_cast<void>(acceptor.close(ignored));
}

/// Out of descriptors or memory: accept would fail again at once, and a loop would burn a core.
asio::awaitable<void> HttpServer::State::wait_for_descriptors() {
  log_warning(listener.address() + ": cannot accept connections; out of file descriptors?");
  asio::steady_timer timer(door, milliseconds(100));
  co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
}

/// Whoever connected before stop() and was not yet accepted is served too.
void HttpServer::State::take_in_the_backlog() {
  boost::system::error_code error;
  static_cast<void>(acceptor.non_blocking(true, error));
  for (int i = 0; i < options.connections_max && !error; ++i) {
    auto socket = acceptor.accept(asio::make_strand(loop), error);
    if (!error) take_in(std::move(socket));
  }
}

void HttpServer::State::take_in(Protocol::socket::rebind_executor<Strand>::other socket) {
  if (connections.count() >= static_cast<std::size_t>(options.connections_max)) {
    refuse_full(std::move(socket));
    return;
  }
  if (listener.family() != AF_UNIX) {
    const int yes = 1;
    ::setsockopt(socket.native_handle(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  }
  boost::system::error_code gone;
  std::string peer = peer_of(socket.remote_endpoint(gone));
  const Strand strand = socket.get_executor();
  auto connection = std::make_shared<Connection>(std::move(socket), std::move(peer), options);
  connections.add(connection);
  asio::co_spawn(strand, serve(std::move(connection)), asio::detached);
}

/// Says so without reading the request; that may cost some clients the answer, and us nothing.
void HttpServer::State::refuse_full(Protocol::socket::rebind_executor<Strand>::other socket) {
  static constexpr std::string_view full =
      "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n"
      "Retry-After: 1\r\n\r\n";
  boost::system::error_code ignored;
  static_cast<void>(socket.non_blocking(true, ignored));
  static_cast<void>(socket.write_some(asio::buffer(full), ignored));
  static_cast<void>(socket.shutdown(asio::socket_base::shutdown_both, ignored));
}

void HttpServer::State::give_up() {
  stopping = true;
  loop.stop();
  for (std::thread& thread : threads) thread.join();
  threads.clear();
}

HttpServer::HttpServer(std::unique_ptr<State> state) : state_(std::move(state)) {}

Result<std::unique_ptr<HttpServer>> HttpServer::start(const ServerOptions& options,
                                                      Handler handler) {
  Listener listener = TRY(Listener::open(options.listen));
  std::unique_ptr<State> state;
  try {
    state = std::make_unique<State>(options, std::move(handler), std::move(listener));
    // Makes the loop's own descriptors here, where it can fail.
    const Protocol::socket never_opened(state->loop);
    for (int i = 0; i < std::max(1, options.threads); ++i)
      state->threads.emplace_back([&loop = state->loop] { loop.run(); });
    asio::co_spawn(state->door, state->accept_all(), asio::detached);
    state->doorkeeper = std::thread([&door = state->door] { door.run(); });
  } catch (const std::exception& error) {
    if (state != nullptr) state->give_up();
    return Error(ErrorCode::Exhausted,
                 fmt::format("a server could not be started: {}; it needs {} threads and some "
                             "descriptors: see `ulimit -a`",
                             error.what(), options.threads + 1));
  }
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(state)));
}

HttpServer::~HttpServer() {
  try {
    stop(std::chrono::seconds(5));
  } catch (const std::exception& error) {
    log_error(fmt::format("the server did not stop well: {}", error.what()));
  }
}

std::uint16_t HttpServer::port() const {
  return state_->listener.port();
}

std::string HttpServer::address() const {
  return state_->listener.address();
}

std::uint64_t HttpServer::requests_answered() const {
  return state_->answered;
}

void HttpServer::stop(milliseconds deadline) {
  State& state = *state_;
  if (state.stopping.exchange(true)) return;
  asio::post(state.door, [&state] {
    boost::system::error_code ignored;
    static_cast<void>(state.acceptor.cancel(ignored));
  });
  state.doorkeeper.join();
  for (const ConnectionPtr& connection : state.connections.all())
    asio::post(connection->stream.get_executor(), [connection] {
      boost::system::error_code closed;  // by its timer, just now
      if (connection->waiting && connection->stream.socket().available(closed) == 0)
        connection->stream.cancel();
    });
  state.connections.wait_for_none(deadline);
  state.work.reset();
  state.loop.stop();
  for (std::thread& thread : state.threads) thread.join();
}

}  // namespace millrace::net
