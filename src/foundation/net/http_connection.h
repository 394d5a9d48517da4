#pragma once

// A connection from its first byte to its last: requests are read, handed to the handler and
// answered, one after the other.

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/file_descriptor.h"
#include "net/byte_budget.h"
#include "net/http.h"
#include "net/http_server.h"

namespace boost::asio {
class io_context;  // NOLINT(readability-identifier-naming)
}

namespace millrace::net {

/// What all connections of a server have in common. It outlives them.
struct Service {
  ServerOptions options;
  Handler handler;
  const std::unique_ptr<Clock> clock = make_system_clock();
  std::atomic<bool> stopping{false};
  std::atomic<std::uint64_t> answered{0};
  ByteBudget bodies{options.all_bodies_bytes_max};
};

class Connection {
 public:
  virtual ~Connection() = default;
  /// Begins to serve it on the threads of the loop; `ended` is called from there when it is over.
  virtual void begin(std::function<void()> ended) = 0;
  /// From any thread: ends it if it is between two requests.
  virtual void end_if_idle() = 0;
};

/// Makes the descriptors that a loop needs for itself, here, where it can fail: throws
/// std::exception.
void start_watching(boost::asio::io_context& loop);

/// The socket is taken over. `remote` says whose it is. Errors: Exhausted.
Result<std::shared_ptr<Connection>> make_connection(boost::asio::io_context& loop,
                                                    FileDescriptor socket, int family,
                                                    std::string remote, Service& service);

}  // namespace millrace::net
