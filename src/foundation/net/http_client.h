#pragma once

// An HTTP/1.1 client by libcurl. Redirects are not followed, proxies of the environment are not
// used.

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/http.h"

namespace millrace::net {

struct ClientOptions {
  /// "http://127.0.0.1:8080"; with unix_path only the path of a request matters.
  std::string base_url = "http://localhost";
  std::string unix_path;
  std::chrono::milliseconds connect_timeout{5'000};
  std::chrono::milliseconds timeout{60'000};  // of a whole request
  std::uint64_t body_bytes_max = 64U << 20U;
};

/// Keeps its connection between requests. Used by one thread at a time.
class HttpClient {
 public:
  explicit HttpClient(ClientOptions options);
  ~HttpClient();
  HttpClient(HttpClient&&) noexcept;

  /// Any answer is a Response, also 4xx and 5xx. `target` is a path with its query, already
  /// encoded. Errors: Invalid (target, header), Unavailable (no connection, broken off), Timeout,
  /// Exhausted (a larger answer than allowed).
  Result<Response> send(Method method, std::string_view target, std::string_view body = "",
                        const Headers& headers = {});

  /// Sends JSON or nothing, expects 2xx and JSON back; a failing answer becomes its Error.
  Result<Json> get_json(std::string_view target);
  Result<Json> post_json(std::string_view target, const Json& body);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace millrace::net
