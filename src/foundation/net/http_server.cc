#include "net/http_server.h"

#include <algorithm>
#include <array>
#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

#include <arpa/inet.h>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <fmt/core.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/log.h"
#include "net/http_connection.h"
#include "net/listener.h"

namespace millrace::net {
namespace {

using std::chrono::milliseconds;
using ConnectionPtr = std::shared_ptr<Connection>;

constexpr int kPauseMilliseconds = 100;

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

/// "127.0.0.1:51234", "[::1]:51234" or "unix".
std::string peer_of(const sockaddr_storage& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (address.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
    ::inet_ntop(AF_INET6, &v6.sin6_addr, text.data(), text.size());
    return fmt::format("[{}]:{}", text.data(), ntohs(v6.sin6_port));
  }
  if (address.ss_family != AF_INET) return "unix";
  const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
  ::inet_ntop(AF_INET, &v4.sin_addr, text.data(), text.size());
  return fmt::format("{}:{}", text.data(), ntohs(v4.sin_port));
}

/// Says so without reading the request; that may cost some clients the answer, and us nothing.
void refuse_full(const FileDescriptor& socket) {
  static constexpr std::string_view full =
      "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n"
      "Retry-After: 1\r\n\r\n";
  static_cast<void>(::send(socket.get(), full.data(), full.size(), MSG_NOSIGNAL | MSG_DONTWAIT));
  ::shutdown(socket.get(), SHUT_RDWR);
}

}  // namespace

struct HttpServer::State {
  State(const ServerOptions& options, Handler handler, Listener given_listener, Pipe given_end)
      : service{options, std::move(handler)},
        listener(std::move(given_listener)),
        end_of_accepting(std::move(given_end)),
        loop(std::max(1, options.threads)) {}

  /// What each thread does.
  void serve();
  void accept_all();
  /// Takes in one connection that waits. False when there is none, or no descriptor for it.
  bool accept_one();
  void take_in(FileDescriptor socket, const sockaddr_storage& peer);
  void stop_accepting();
  /// Ends the threads of a server that did not come into being.
  void give_up();

  Service service;
  Listener listener;
  Pipe end_of_accepting;

  boost::asio::io_context loop;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work{
      loop.get_executor()};
  Connections connections;  // after the loop: streams end before it
  std::vector<std::thread> threads;
  // Accepting has a thread of its own, so that handlers that block all threads do not keep others
  // from being accepted, or refused.
  std::thread doorkeeper;
};

void HttpServer::State::serve() {
  const auto broke = [this](const char* what) {
    log_error(fmt::format("{}: serving met an error of ours: {}", listener.address(), what));
  };
  while (!loop.stopped()) {
    try {
      loop.run();
    } catch (const std::exception& error) {
      broke(error.what());
    } catch (...) {
      broke("an exception without words");
    }
  }
}

void HttpServer::State::accept_all() {
  std::array<pollfd, 2> waits = {
      {{listener.descriptor(), POLLIN, 0}, {end_of_accepting.out.get(), POLLIN, 0}}};
  while (!service.stopping) {
    if (::poll(waits.data(), waits.size(), -1) < 0 || waits[0].revents == 0 || accept_one())
      continue;
    if (errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM) continue;
    // accept would fail again at once, and a loop would burn a core.
    log_warning(listener.address() + ": cannot accept connections; out of file descriptors?");
    ::poll(&waits[1], 1, kPauseMilliseconds);
  }
  // Whoever connected before stop() and was not yet accepted is served too.
  for (int i = 0; i < service.options.connections_max && accept_one(); ++i) continue;
  listener.remove_file();
  FileDescriptor(listener.release()).close();
}

bool HttpServer::State::accept_one() {
  sockaddr_storage peer{};
  socklen_t size = sizeof peer;
  FileDescriptor socket(::accept4(listener.descriptor(), reinterpret_cast<sockaddr*>(&peer), &size,
                                  SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!socket.is_open()) return false;
  try {
    take_in(std::move(socket), peer);
  } catch (const std::exception& error) {
    log_warning(fmt::format("{}: a connection is not taken: {}", listener.address(), error.what()));
  }
  return true;
}

void HttpServer::State::take_in(FileDescriptor socket, const sockaddr_storage& peer) {
  if (connections.count() >= static_cast<std::size_t>(service.options.connections_max))
    return refuse_full(socket);
  if (listener.family() != AF_UNIX) {
    const int yes = 1;
    ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  }
  auto made = make_connection(loop, std::move(socket), listener.family(), peer_of(peer), service);
  if (!made.ok()) return log_warning(listener.address() + ": " + made.error().message());
  const ConnectionPtr connection = *std::move(made);
  connections.add(connection);
  connection->begin([this, connection] { connections.remove(connection); });
}

void HttpServer::State::stop_accepting() {
  service.stopping = true;
  end_of_accepting.in.close();
  if (doorkeeper.joinable()) doorkeeper.join();
}

void HttpServer::State::give_up() {
  stop_accepting();
  loop.stop();
  for (std::thread& thread : threads) thread.join();
  threads.clear();
}

HttpServer::HttpServer(std::unique_ptr<State> state) : state_(std::move(state)) {}

Result<std::unique_ptr<HttpServer>> HttpServer::start(const ServerOptions& options,
                                                      Handler handler) {
  Listener listener = TRY(Listener::open(options.listen));
  Pipe end_of_accepting = TRY(open_pipe("the end of a server at " + listener.address()));
  std::unique_ptr<State> state;
  try {
    state = std::make_unique<State>(options, std::move(handler), std::move(listener),
                                    std::move(end_of_accepting));
    start_watching(state->loop);
    for (int i = 0; i < std::max(1, options.threads); ++i)
      state->threads.emplace_back([&made = *state] { made.serve(); });
    state->doorkeeper = std::thread([&made = *state] { made.accept_all(); });
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
  return state_->service.answered;
}

void HttpServer::stop(milliseconds deadline) {
  State& state = *state_;
  if (state.service.stopping.exchange(true)) return;
  state.stop_accepting();
  for (const ConnectionPtr& connection : state.connections.all()) connection->end_if_idle();
  state.connections.wait_for_none(deadline);
  state.work.reset();
  state.loop.stop();
  for (std::thread& thread : state.threads) thread.join();
}

}  // namespace millrace::net
