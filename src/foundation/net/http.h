#pragma once

// The words of HTTP (RFC 9110), without a library's types: requests and responses as values.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace millrace::net {

enum class Method : std::uint8_t { Get, Head, Post, Put, Patch, Delete, Options };

std::string_view to_string(Method method);
std::optional<Method> method_from(std::string_view name);

/// Header fields in the order of the message; names are compared without regard to case.
class Headers {
 public:
  using Field = std::pair<std::string, std::string>;

  Headers() = default;
  Headers(std::initializer_list<Field> fields) : fields_(fields) {}
  /// The first field of that name, or "".
  std::string_view get(std::string_view name) const;
  bool contains(std::string_view name) const;
  void add(std::string name, std::string value) {
    fields_.emplace_back(std::move(name), std::move(value));
  }
  const std::vector<Field>& fields() const { return fields_; }

 private:
  std::vector<Field> fields_;
};

/// Whether it can stand in a message: a token as its name, no line break or NUL in its value.
bool is_sound_field(const Headers::Field& field);

struct Request {
  Method method = Method::Get;
  /// The path's parts, percent-decoded one by one: "/runs/a%2Fb" is {"runs", "a/b"}.
  std::vector<std::string> path;
  /// Query parameters, decoded, in order.
  std::vector<std::pair<std::string, std::string>> query;
  Headers headers;
  std::string body;
  /// Who sent it: "127.0.0.1:51234", or "unix". For logs; it proves nothing.
  std::string remote;
  /// What a route's "{name}" parts stood for; filled by Router.
  std::vector<std::pair<std::string, std::string>> path_parameters;

  /// "" when there is none.
  std::string_view query_parameter(std::string_view name) const;
  /// Precondition: the route has that part.
  const std::string& path_parameter(std::string_view name) const;
  /// The body as JSON. Errors: Invalid.
  Result<Json> json() const;
};

/// Reads "/a/b%20c?x=1&y=" as it stands in a request line. Errors: Invalid (also for a NUL byte).
Status parse_target(std::string_view target, Request& request);
/// Percent-encodes one part of a path or one query value.
std::string encode_part(std::string_view text);

struct Response {
  int status = 200;
  Headers headers;  // Content-Length, Date and Connection are the server's
  std::string body;

  static Response text(std::string body, int status = 200);
  static Response json(const Json& body, int status = 200);
  /// {"error": {"code": "not_found", "message": "..."}} with the status of the code.
  static Response error(const Error& error);
  static Response error(int status, const Error& error);

  /// The error that Response::error wrote, read back by a client; any other failing answer becomes
  /// one with its status and the beginning of its body.
  Error to_error() const;
};

/// The one table from our codes to HTTP's: Invalid 400, Denied 403, NotFound 404, Conflict and
/// AlreadyExists 409, DataQuality 422, Exhausted 429, Internal and Corruption 500, Unsupported 501,
/// Unavailable 503, Timeout 504, Cancelled 499.
int http_status(ErrorCode code);

using Handler = std::function<Response(const Request&)>;

}  // namespace millrace::net
