#pragma once

// An HTTP/1.1 server: one listener, some threads, one handler.
//
// Connections are kept alive; whichever thread is free takes the next request of any of them and
// runs the handler, so that a handler may take its time as long as there are threads left. Work
// that must not wait for other work (predictions) gets an HttpServer of its own. TLS and event
// streams are not here yet.

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "net/http.h"

namespace millrace::net {

/// Where a server listens: TCP, or a Unix domain socket that only this user may open.
struct Listen {
  std::string host = "127.0.0.1";  // an address, not a name
  std::uint16_t port = 0;          // 0: any free port
  std::string unix_path;           // when set, host and port are not used

  static Listen tcp(std::string host, std::uint16_t port) { return {std::move(host), port, ""}; }
  static Listen unix_socket(std::string path) { return {"", 0, std::move(path)}; }
};

struct ServerOptions {
  Listen listen;
  int threads = 1;
  std::uint32_t header_bytes_max = 16U << 10U;
  std::uint64_t body_bytes_max = 8U << 20U;
  /// Of all bodies that are being read or answered, each beyond its first 64 KiB; a request that
  /// would hold more is answered with 503 and Retry-After. Small requests are always taken.
  std::uint64_t all_bodies_bytes_max = 64U << 20U;
  std::chrono::milliseconds request_timeout{30'000};  // from the first byte to the last
  std::chrono::milliseconds idle_timeout{75'000};     // between requests of a connection
  int connections_max = 1'024;
};

class HttpServer {
 public:
  /// Begins to listen and answer. An exception in the handler is answered with 500, and so is a
  /// response that HTTP cannot carry (a line break in a header). The handler is called by several
  /// threads at once. Errors: Invalid (address), AlreadyExists (the port or the socket is taken by
  /// a live server; a dead one's socket file is replaced), Denied, Exhausted, Unavailable.
  static Result<std::unique_ptr<HttpServer>> start(const ServerOptions& options, Handler handler);
  /// stop(5 s), when it was not called.
  ~HttpServer();

  /// The port that was bound; 0 for a Unix socket.
  std::uint16_t port() const;
  /// "127.0.0.1:8080" or "unix:/path".
  std::string address() const;
  std::uint64_t requests_answered() const;

  /// Accepts no more, answers the requests that have begun and those of connections that wait to be
  /// accepted, then closes; at the deadline closes all the same. A handler cannot be interrupted:
  /// one that runs then is waited for.
  void stop(std::chrono::milliseconds deadline);

 private:
  struct State;
  explicit HttpServer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace millrace::net
