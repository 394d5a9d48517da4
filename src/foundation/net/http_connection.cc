#include "net/http_connection.h"

#include <array>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <fmt/core.h>

#include "base/log.h"
#include "net/http_framing.h"

namespace millrace::net {
namespace asio = boost::asio;
namespace beast = boost::beast;
namespace {

using std::chrono::milliseconds;

// A connection runs on a strand of the server's one event loop: whichever thread is free takes the
// next step of whichever connection is ready. Requests are parsed and responses written as plain
// values, so that the compiler makes two operations of this stream and not seven: reading some
// bytes and writing all of some.
using Protocol = asio::generic::stream_protocol;
using Strand = asio::strand<asio::io_context::executor_type>;
using Stream = beast::basic_stream<Protocol, Strand>;
template <typename T>
using Task = asio::awaitable<T, Strand>;
constexpr auto kNoThrow = asio::as_tuple(asio::use_awaitable_t<Strand>());

constexpr std::uint64_t kSmallBody = 64U << 10U;
// What is read at once: an idle connection holds no more than it needs to begin.
constexpr std::size_t kBegin = 8U << 10U;
constexpr std::size_t kMore = 64U << 10U;
constexpr milliseconds kLinger{500};
constexpr milliseconds kGraceOfTheNew{100};
constexpr std::string_view kGoOn = "HTTP/1.1 100 Continue\r\n\r\n";

/// Made once a second by each thread.
const std::string& date_now(const Clock& clock) {
  thread_local Instant made_for;
  thread_local std::string date;
  const Instant second = std::chrono::floor<std::chrono::seconds>(clock.now());
  if (second != made_for || date.empty()) {
    date = http_date(second);
    made_for = second;
  }
  return date;
}

Response failure() {
  return Response::error(
      Error(ErrorCode::Internal, "the request could not be answered; the server's log says why"));
}

Response answer(const Handler& handler, const Request& request) {
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

enum class Read {
  Request,  // a whole one
  Refused,  // an answer was sent, and what else comes cannot be understood
  Ended,    // by the other side, by silence, or by stop()
};

class StreamConnection final : public Connection,
                               public std::enable_shared_from_this<StreamConnection> {
 public:
  StreamConnection(asio::io_context& loop, std::string remote, Service& service)
      : stream_(asio::make_strand(loop)), remote_(std::move(remote)), service_(service) {}

  Status take_over(FileDescriptor socket, int family) {
    boost::system::error_code error;
    static_cast<void>(stream_.socket().assign(Protocol(family, 0), socket.get(), error));
    if (error)
      return Error(ErrorCode::Exhausted, "a connection cannot be watched: " + error.message());
    socket.release();
    return {};
  }

  void begin(std::function<void()> ended) override {
    asio::co_spawn(stream_.get_executor(), serve(shared_from_this(), std::move(ended)),
                   asio::detached);
  }

  void end_if_idle() override {
    asio::post(stream_.get_executor(), [self = shared_from_this()] {
      boost::system::error_code closed;  // by its timer, just now
      if (self->idle_ && self->stream_.socket().available(closed) == 0) self->stream_.cancel();
    });
  }

 private:
  static Task<void> serve(std::shared_ptr<StreamConnection> self, std::function<void()> ended);
  Task<Read> serve_requests();
  Task<Read> read_request(RequestParser& parser, ByteBudget::Share& held);
  Task<bool> wait_for_request();
  Task<bool> read_some(std::size_t most);
  Task<bool> respond(Response response, bool keep_alive, bool head_only);
  Task<bool> write(std::string_view head, std::string_view body);
  Task<void> linger();

  Stream stream_;
  const std::string remote_;
  Service& service_;
  beast::flat_buffer buffer_;
  bool idle_ = false;  // between two requests; touched on the strand only
};

Task<void> StreamConnection::serve(std::shared_ptr<StreamConnection> self,
                                   std::function<void()> ended) {
  try {
    if (co_await self->serve_requests() == Read::Refused) co_await self->linger();
  } catch (const std::exception& error) {
    log_warning(fmt::format("a connection ended: {}", error.what()));
  }
  self->stream_.close();
  ended();
}

Task<Read> StreamConnection::serve_requests() {
  for (;;) {
    RequestParser parser(service_.options);
    std::optional<ByteBudget::Share> held(std::in_place, service_.bodies, kSmallBody);
    const Read read = co_await read_request(parser, *held);
    if (read != Read::Request) co_return read;
    Result<Request> request = parser.request(remote_);
    Response response =
        request.ok() ? answer(service_.handler, *request) : Response::error(request.error());
    const bool keep_alive = parser.keeps_alive() && !service_.stopping && request.ok();
    if (request.ok()) std::string().swap(request->body);
    held.reset();  // before the answer, which a slow client may take its time to read
    ++service_.answered;
    if (!co_await respond(std::move(response), keep_alive, parser.wants_head_only()))
      co_return Read::Ended;
    if (!keep_alive) co_return Read::Refused;
  }
}

Task<Read> StreamConnection::read_request(RequestParser& parser, ByteBudget::Share& held) {
  if (!co_await wait_for_request()) co_return Read::Ended;
  stream_.expires_after(service_.options.request_timeout);
  for (;;) {
    const auto bytes = buffer_.data();
    buffer_.consume(parser.take({static_cast<const char*>(bytes.data()), bytes.size()}));
    std::optional<Response> refusal = parser.refusal();
    if (!refusal && !held.grow_to(parser.body_bytes())) refusal = too_many_bodies();
    if (refusal) {
      co_await respond(*std::move(refusal), false, false);
      co_return Read::Refused;
    }
    if (parser.asks_to_go_on()) co_await write(kGoOn, {});
    if (parser.is_whole()) co_return Read::Request;
    const std::size_t most = parser.body_bytes() > 0 ? kMore : kBegin;
    if (!co_await read_some(most)) co_return Read::Ended;
  }
}

/// True when the first bytes of a request are in the buffer.
Task<bool> StreamConnection::wait_for_request() {
  if (buffer_.size() > 0) co_return true;
  // A connection that was accepted just before stop() may already carry a request.
  stream_.expires_after(service_.stopping ? kGraceOfTheNew : service_.options.idle_timeout);
  idle_ = true;
  const bool came = co_await read_some(kBegin);
  idle_ = false;
  co_return came;
}

/// To what waits in the buffer, which is at most what the parser left: header_bytes_max.
Task<bool> StreamConnection::read_some(std::size_t most) {
  const auto [error, bytes] = co_await stream_.async_read_some(buffer_.prepare(most), kNoThrow);
  buffer_.commit(bytes);
  co_return !error;
}

Task<bool> StreamConnection::respond(Response response, bool keep_alive, bool head_only) {
  const std::string head = head_of(response, date_now(*service_.clock), keep_alive);
  std::string_view body;
  if (!head_only && has_body(response.status)) body = response.body;
  stream_.expires_after(service_.options.request_timeout);
  co_return co_await write(head, body);
}

Task<bool> StreamConnection::write(std::string_view head, std::string_view body) {
  const std::array<asio::const_buffer, 2> both = {asio::buffer(head), asio::buffer(body)};
  const auto [error, bytes] = co_await asio::async_write(stream_, both, kNoThrow);
  co_return !error;
}

// What the other side still sends is read and dropped for a moment: closing with unread bytes would
// reset the connection, perhaps before our last answer was read (RFC 9112 section 9.6).
Task<void> StreamConnection::linger() {
  boost::system::error_code ignored;
  static_cast<void>(stream_.socket().shutdown(asio::socket_base::shutdown_send, ignored));
  stream_.expires_after(kLinger);
  for (int i = 0; i < 256; ++i) {
    buffer_.clear();
    if (!co_await read_some(kBegin)) co_return;
  }
}

}  // namespace

void start_watching(asio::io_context& loop) {
  const Protocol::socket never_opened(loop);
}

Result<std::shared_ptr<Connection>> make_connection(asio::io_context& loop, FileDescriptor socket,
                                                    int family, std::string remote,
                                                    Service& service) {
  auto connection = std::make_shared<StreamConnection>(loop, std::move(remote), service);
  TRY(connection->take_over(std::move(socket), family));
  return std::shared_ptr<Connection>(std::move(connection));
}

}  // namespace millrace::net
