#pragma once

// HTTP/1.1 as bytes (RFC 9112): where a request ends, what is refused, how a response is written.
// No connection in it, and no clock: http_connection.cc reads, waits and writes.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "net/http.h"
#include "net/http_server.h"

namespace millrace::net {

/// One request, from the bytes of a connection as they come. Where it ends must be beyond doubt:
/// what two readers could end at different bytes is refused.
class RequestParser {
 public:
  explicit RequestParser(const ServerOptions& options);
  ~RequestParser();
  RequestParser(const RequestParser&) = delete;
  RequestParser& operator=(const RequestParser&) = delete;

  /// Takes what belongs to the request from the front of `bytes`, and returns how many these are:
  /// the others come again, with what follows them. Takes none when it is whole or refused. While it
  /// is neither, what it leaves is no more than header_bytes_max.
  std::size_t take(std::string_view bytes);
  bool is_whole() const;
  /// The answer to what is no request, or too large; what else comes cannot be understood.
  const std::optional<Response>& refusal() const { return refusal_; }
  /// True once, when the sender waits for "100 Continue" before it sends the body.
  bool asks_to_go_on();
  /// Bytes of the body so far.
  std::size_t body_bytes() const;

  // When it is whole:
  bool wants_head_only() const;
  /// Whether the sender may send another one on this connection. One of HTTP/1.0 may not: its
  /// keep-alive was never a standard, and proxies pass it on to servers that they do not mean.
  bool keeps_alive() const;
  /// Moves the body out. Errors: Invalid (no Host, a bad target), Unsupported (the method).
  Result<Request> request(const std::string& remote);

 private:
  struct Parser;
  std::size_t take_empty_line(std::string_view bytes);
  void look_at_the_header();

  const ServerOptions& options_;
  std::unique_ptr<Parser> parser_;
  std::optional<Response> refusal_;
  bool begun_ = false;  // a byte of it has come
  bool asks_to_go_on_ = false;
};

/// The answer when the bodies of all requests are too many bytes together.
Response too_many_bodies();

/// What a handler may not answer: such a response would break the connection's framing.
bool is_sound(const Response& response);

/// The head of a response, to its empty line. Content-Length, Transfer-Encoding, Connection and
/// Date are ours: such fields of the response are left out.
std::string head_of(const Response& response, std::string_view date, bool keep_alive);

/// Whether a response of this status has a body at all.
bool has_body(int status);

/// "Sun, 06 Nov 1994 08:49:37 GMT"
std::string http_date(Instant at);

}  // namespace millrace::net
